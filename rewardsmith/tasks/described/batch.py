"""A batch of real environments of a described Gymnasium task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.described.description import Variable
from rewardsmith.tasks.guarded import GuardedEnv

Solved = Callable[[NDArray[Any], int, bool, bool], bool]
"""The success test of one step, called with (observation, step count, terminated, truncated)."""

_POOL_SEEDS = {"train": 1_000_000, "select": 2_000_000, "claim": 3_000_000}
_POOL_SIZE = 1_000_000


class BoxBatch:
    """N real environments of a described task, with the methods of BatchEnv."""

    def __init__(
        self,
        envs: Sequence[GuardedEnv],
        pool: str,
        variables: Sequence[Variable],
        first_action: int,
        max_steps: int,
        solved: Solved,
    ) -> None:
        """Take over environments that have been made.

        Args:
            envs: The real environments; `close` closes them.
            pool: "train", "select" or "claim": which range of seeds start states are drawn from.
            variables: The entries of an observation, in order.
            first_action: The environments' number for action 0.
            max_steps: Step limit of an episode.
            solved: The success test.
        """
        num_envs, size = len(envs), len(variables)
        self._envs, self._first_action = envs, first_action
        self._max_steps, self._solved = max_steps, solved
        self._first_seed = _POOL_SEEDS[pool]
        self._rng = np.random.default_rng(0)
        self.num_envs = num_envs
        self.observation_size = size
        self.tables: Mapping[str, Any] = {}
        self.rewards = np.zeros(num_envs)
        self.terminated = np.zeros(num_envs, dtype=bool)
        self.truncated = np.zeros(num_envs, dtype=bool)
        self.success = np.zeros(num_envs, dtype=bool)
        self.layout = np.zeros(num_envs, dtype=np.int64)
        self._observations = np.zeros((num_envs, size), dtype=np.float32)
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._scale = np.array([_scale(v) for v in variables], dtype=np.float32)

    def reset(self, seed: int) -> None:
        """Start an episode in every environment; `seed` determines all start states from now on."""
        self._rng = np.random.default_rng(seed)
        self.restart(np.ones(self.num_envs, dtype=bool))

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start an episode in the environments where `mask` [N] is true."""
        for n in np.flatnonzero(mask):
            self._start(int(n), int(self._rng.integers(_POOL_SIZE)))

    def play(self, layout: int) -> None:
        """Start an episode in every environment from the start state number `layout` of the pool."""
        for n in range(self.num_envs):
            self._start(n, layout)

    def _start(self, n: int, layout: int) -> None:
        self.layout[n] = layout
        self._observations[n] = self._envs[n].reset(self._first_seed + layout)
        self._steps[n] = 0
        self.terminated[n] = self.truncated[n] = self.success[n] = False

    def step(self, actions: NDArray[np.int64]) -> None:
        """Apply `actions` [N], one per environment."""
        for n, env in enumerate(self._envs):
            observation, reward, terminated, truncated = env.step(self._first_action + int(actions[n]))
            self._steps[n] += 1
            late = not terminated and (truncated or self._steps[n] >= self._max_steps)
            self._observations[n] = observation
            self.rewards[n], self.terminated[n], self.truncated[n] = reward, terminated, late
            self.success[n] = self._solved(observation, int(self._steps[n]), terminated, late)

    def observe(self, out: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> None:
        """Write observations into `out` [N, D], each variable divided by its scale."""
        if mask is None:
            np.divide(self._observations, self._scale, out=out)
        else:
            out[mask] = self._observations[mask] / self._scale

    def state_rows(self, out: NDArray[Any]) -> None:
        """Write state rows into `out` [N, D + 3]: variables as observed, step count, success, failure."""
        out[:, : self.observation_size] = self._observations
        out[:, -3] = self._steps
        out[:, -2] = self.success
        out[:, -1] = self.terminated & ~self.success

    def close(self) -> None:
        """Close all environments of the batch."""
        for env in self._envs:
            env.close()


def _scale(variable: Variable) -> float:
    """The divisor of a variable in the policy's observation, so that variables of small range are not lost."""
    if variable.scale is not None:
        return variable.scale
    most = max(abs(variable.low), abs(variable.high))
    return most if np.isfinite(most) and most > 0 else 1.0
