"""A batch of a user's own MiniGrid environments: any view, any actions, and a success test of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError

from ..base import Schema
from ..described.watchdog import WATCHDOG
from ..given.layers import base_of, base_reward, succeeds
from ..guarded import REMEDY, called
from . import columns as col
from .own_terms import OwnTerms
from .own_views import OwnView
from .pools import Pool
from .real import RealBatch


class OwnBatch(RealBatch):
    """Real environments whose observations a view reads, with a step limit of the task's."""

    def __init__(
        self, task_id: str, envs: Sequence[Any], pool: Pool, schema: Schema, view: OwnView, terms: OwnTerms
    ) -> None:
        """Take over environments that have been made.

        Args:
            task_id: The task's id, for messages.
            envs: The real environments; `close` closes them.
            pool: The layouts to play.
            schema: The schema of the state rows.
            view: What a policy observes.
            terms: The success test, and the time that a call may take.
        """
        count = len(envs)
        self._view, self._success, self._timeout = view, terms.success, terms.step_timeout
        self._limit = schema.field("max_steps").exact
        self._held: list[list[int]] = [[] for _ in range(count)]
        self._steps = np.zeros(count, np.int64)
        self._returns = np.zeros(count)
        super().__init__(task_id, envs, pool, schema)
        self.observation_size = view.space.size

    def _start(self, n: int, layout: int) -> None:
        WATCHDOG.begin(self._id, "reset()", self._timeout)
        try:
            super()._start(n, layout)
        finally:
            WATCHDOG.end()
        self._steps[n], self._returns[n], self.success[n] = 0, 0.0, False
        self._held[n] = [] if self._success is None else self._success.start()

    def step(self, actions: NDArray[np.int64]) -> None:
        """One step of every environment; an episode is truncated at the task's step limit at the latest."""
        for n, env in enumerate(self._envs):
            action = int(actions[n])
            WATCHDOG.begin(self._id, "step()", self._timeout)
            try:
                returned = called(self._id, "step()", env.step, action)
            finally:
                WATCHDOG.end()
            observed, reward, terminated, truncated, info = self._checked(returned)
            self._observed[n] = observed
            self._steps[n] += 1
            self._returns[n] += reward
            late = not terminated and (truncated or self._steps[n] >= self._limit)
            told = base_reward(env, reward)
            row = called(self._id, "its grid", self._trackers[n].after, env, action, told, terminated)
            row[col.LAYOUT] = self.layout[n]
            if self._success is None:
                solved = terminated and succeeds(base_of(env), terminated, reward)
            else:
                values = {
                    "step": int(self._steps[n]), "length": int(self._steps[n]), "reward": reward,
                    "terminated": terminated, "truncated": late, "episode_return": float(self._returns[n]),
                    "info": info, "env": env, "observation": observed,
                }  # fmt: skip
                solved = called(self._id, "`success`", self._success.holds, values, self._held[n])
                row[col.SOLVED] = solved
            self._rows[n] = row
            self.rewards[n], self.terminated[n], self.truncated[n] = reward, terminated, late
            self.success[n] |= solved

    def _checked(self, returned: Any) -> tuple[Any, float, bool, bool, Any]:
        """What `step` returned, with plain types. Raises TaskError if it is of another form."""
        if not isinstance(returned, tuple) or len(returned) != 5:
            raise TaskError(
                f"The environment of {self._id} returned {type(returned).__name__} in step().",
                "It must return (observation, reward, terminated, truncated, info).",
            )
        observed, reward, terminated, truncated, info = returned
        try:
            if np.ndim(reward) != 0:
                raise TypeError
            paid = float(reward)
        except (TypeError, ValueError):
            raise TaskError(
                f"The environment of {self._id} returned the reward {reward!r} in step().", "A reward is one number."
            ) from None
        if not np.isfinite(paid):
            raise TaskError(f"The environment of {self._id} returned the reward {paid} in step().", REMEDY)
        return observed, paid, bool(terminated), bool(truncated), info

    def observe(self, out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """What policies observe; only rows where `mask` is true, if given."""
        for n in range(self.num_envs) if mask is None else np.flatnonzero(mask):
            called(self._id, "its observation", self._view.write, self._observed[n], out[n])
