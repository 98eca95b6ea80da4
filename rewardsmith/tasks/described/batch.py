"""N real environments of a described task, behind the BatchEnv protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.reading import NoValue, StateReading
from rewardsmith.tasks.guarded import task_error
from rewardsmith.tasks.observations import ObservationSpace

FIRST_SEEDS = {"train": 1_000_000, "select": 2_000_000, "claim": 3_000_000}
"""By pool, the seed of the reset that starts on layout 0."""

_POOL_SIZE = 1_000_000


@dataclass(frozen=True)
class Form:
    """What the environments of one task have in common.

    Attributes:
        task_id: What errors call the task.
        actions: The actions as reward code sees them.
        observation: The observation space.
        offset: Subtracted from each number of an observation before a policy sees it, float64 [D].
        scale: What each number is divided by then, float32 [D].
        max_steps: Step limit of an episode.
        width: Columns of a state row.
        reading: Makes what reads the state of one environment.
        mask: Reads the actions that are allowed from (env, info), bool [A]; None if all are.
    """

    task_id: str
    actions: ActionSpace
    observation: ObservationSpace
    offset: NDArray[np.float64]
    scale: NDArray[np.float32]
    max_steps: int
    width: int
    reading: Callable[[], StateReading]
    mask: Callable[[Any, Mapping[str, Any]], NDArray[np.bool_]] | None = None


class DescribedBatch:
    """N real environments, stepped one after the other."""

    def __init__(self, envs: Sequence[GuardedEnv], pool: str, form: Form) -> None:
        """envs: the real environments, which this batch closes."""
        num_envs = len(envs)
        self._envs, self._form = envs, form
        self._readings = [form.reading() for _ in envs]
        self._first_seed = FIRST_SEEDS[pool]
        self._rng = np.random.default_rng(0)
        self.num_envs = num_envs
        self.observation_size = form.observation.size
        self.tables: Mapping[str, Any] = {}
        self.rewards = np.zeros(num_envs)
        self.terminated = np.zeros(num_envs, dtype=bool)
        self.truncated = np.zeros(num_envs, dtype=bool)
        self.success = np.zeros(num_envs, dtype=bool)
        self.layout = np.zeros(num_envs, dtype=np.int64)
        self.masks = None if form.mask is None else np.ones((num_envs, len(form.actions)), dtype=bool)
        self._raw = np.zeros((num_envs, form.observation.size))
        for env, row in zip(envs, self._raw, strict=True):
            env.flat = row
        self._rows = np.zeros((num_envs, form.width))
        self._row = list(self._rows)
        self._first_action = form.actions.first[0] if form.actions.discrete else None

    def reset(self, seed: int) -> None:
        """Start everywhere; the seed decides all start states from here on."""
        self._rng = np.random.default_rng(seed)
        self.restart(np.ones(self.num_envs, dtype=bool))

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start where `mask` is true."""
        for n in np.flatnonzero(mask):
            self._start(int(n), int(self._rng.integers(_POOL_SIZE)))

    def play(self, layout: int) -> None:
        """Start everywhere from the same state."""
        for n in range(self.num_envs):
            self._start(n, layout)

    def _start(self, n: int, layout: int) -> None:
        env = self._envs[n]
        observation, info = env.reset(self._first_seed + layout)
        self.layout[n] = layout
        try:
            self._readings[n].first(env.env, observation, info, env.flat, self._row[n])
        except (Exception, SystemExit) as error:
            raise self._unreadable(error) from error
        self._mask(n, env, info)
        self.terminated[n] = self.truncated[n] = self.success[n] = False

    def step(self, actions: NDArray[Any]) -> None:
        """One step of every environment."""
        first, own = self._first_action, self._form.actions.in_environment
        chosen = [own(action) for action in actions] if first is None else (np.asarray(actions) + first).tolist()
        for n, env in enumerate(self._envs):
            outcome, reading = env.step(chosen[n]), self._readings[n]
            try:
                late = reading.next(env.env, outcome, env.flat, self._row[n])
            except (Exception, SystemExit) as error:
                raise self._unreadable(error) from error
            if self.masks is not None:
                self._mask(n, env, outcome[4])
            self.rewards[n], self.terminated[n], self.truncated[n] = outcome[1], outcome[2], late
            self.success[n] = reading.success

    def _unreadable(self, error: BaseException) -> BaseException:
        if isinstance(error, NoValue):
            return TaskError(
                f"The state of {self._form.task_id} cannot be read: {error} is not there.",
                "Correct the sources under `state`; `rewardsmith tasks try` shows what there is.",
            )
        return task_error(self._form.task_id, "the description's `state` or `success`", error)

    def _mask(self, n: int, env: GuardedEnv, info: Mapping[str, Any]) -> None:
        if self.masks is not None and self._form.mask is not None:
            self.masks[n] = self._form.mask(env.env, info)

    def observe(self, out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """Observations in the policy's scale; only rows where `mask` is true, if given."""
        seen = (self._raw - self._form.offset) / self._form.scale
        if mask is None:
            out[:] = seen
        else:
            out[mask] = seen[mask]

    def state_rows(self, out: NDArray[Any]) -> None:
        """The variables, then step count, success on this step, failure."""
        out[:] = self._rows

    def close(self) -> None:
        """Close the N real environments."""
        for env in self._envs:
            env.close()
