"""The latest complete episodes of a trial, as features per step and a return. numpy only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.rollout import Rollout

EPISODES = 500
MOST_BYTES = 64 * 2**20
"""Limits of the store: the oldest episodes are dropped beyond the first one that is reached."""
HELD_OUT = 10
"""Every tenth episode is never trained on; reports are computed from these."""


@dataclass(frozen=True)
class Episode:
    """One complete episode.

    Attributes:
        features: float32 [T, D], the features of its steps.
        returned: Its undiscounted return of the environment's own reward.
        success: Whether it succeeded.
        held_out: Whether the decoder must not be trained on it.
    """

    features: NDArray[np.float32]
    returned: float
    success: bool
    held_out: bool


class EpisodeStore:
    """The latest episodes, at most EPISODES and MOST_BYTES of them. Episodes that a checkpoint cuts are left out."""

    def __init__(self, envs: int, size: int, most: int = EPISODES, most_bytes: int = MOST_BYTES) -> None:
        """Make an empty store for `envs` environments and `size` features per step."""
        self._size, self._most, self._most_bytes = size, most, most_bytes
        self._kept: deque[Episode] = deque()
        self._running: list[list[NDArray[np.float32]]] = [[] for _ in range(envs)]
        self._returns = np.zeros(envs)
        self.bytes = 0
        self.seen = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Episode]:
        return iter(self._kept)

    def training(self) -> list[Episode]:
        """Return the episodes that the decoder may be trained on, oldest first."""
        return [e for e in self._kept if not e.held_out]

    def held_out(self) -> list[Episode]:
        """Return the other episodes, oldest first."""
        return [e for e in self._kept if e.held_out]

    @property
    def informative(self) -> bool:
        """Whether the returns of the episodes differ, so that there is something to decompose."""
        returns = [e.returned for e in self._kept]
        return bool(returns) and max(returns) > min(returns)

    def add(self, features: NDArray[np.float32], rollout: Rollout, rewards: NDArray[np.float64] | None = None) -> None:
        """Add the steps of a rollout, in time order.

        Args:
            features: float32 [T, N, D].
            rollout: Its rollout [T, N].
            rewards: float64 [T, N], whose sum over an episode is its return; by default the environment's rewards.
        """
        paid = rollout.rewards if rewards is None else rewards
        done = rollout.terminated | rollout.truncated
        for n in range(done.shape[1]):
            first = 0
            for end in np.flatnonzero(done[:, n]) + 1:
                self._extend(n, features[first:end, n], paid[first:end, n].sum())
                self._end(n, bool(rollout.success[end - 1, n]), kept=not rollout.cut[end - 1, n])
                first = int(end)
            self._extend(n, features[first:, n], paid[first:, n].sum())

    def _extend(self, n: int, features: NDArray[np.float32], rewards: float) -> None:
        if len(features):
            self._running[n].append(features.copy())
        self._returns[n] += rewards

    def _end(self, n: int, success: bool, *, kept: bool) -> None:
        if kept:
            steps = np.concatenate(self._running[n])
            self._keep(Episode(steps, float(self._returns[n]), success, self.seen % HELD_OUT == HELD_OUT - 1))
            self.seen += 1
        self._running[n] = []
        self._returns[n] = 0.0

    def _keep(self, episode: Episode) -> None:
        self._kept.append(episode)
        self.bytes += episode.features.nbytes
        while len(self._kept) > self._most or (self.bytes > self._most_bytes and len(self._kept) > 1):
            self.bytes -= self._kept.popleft().features.nbytes

    def state(self) -> dict[str, Any]:
        """The kept episodes as arrays. A checkpoint ends all running ones."""
        none = np.zeros((0, self._size), dtype=np.float32)
        return {
            "features": np.concatenate([none, *(e.features for e in self._kept)]),
            "lengths": np.array([len(e.features) for e in self._kept], dtype=np.int64),
            "returns": np.array([e.returned for e in self._kept], dtype=np.float64),
            "success": np.array([e.success for e in self._kept], dtype=bool),
            "held_out": np.array([e.held_out for e in self._kept], dtype=bool),
            "seen": self.seen,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore the value that `state` returned."""
        self._kept.clear()
        self.bytes = 0
        parts = np.split(np.asarray(state["features"]), np.cumsum(state["lengths"])[:-1])
        rows = (state["returns"], state["success"], state["held_out"])
        for features, returned, success, held in zip(parts, *rows, strict=False):
            self._keep(Episode(features.copy(), float(returned), bool(success), bool(held)))
        self.seen = state["seen"]
