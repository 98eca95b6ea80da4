"""Statistics of a program's components: over all steps, and over the training episodes that ended."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rewardsmith.telemetry import ComponentValues
from sandbox.client import Scores


@dataclass
class ComponentTally:
    """Statistics of one component since the last point of the curve.

    Attributes:
        steps: Values added.
        nonzero: Values that are not 0.
        total: Sum of the values.
        low: Smallest value.
        high: Largest value.
        paid_episodes: Ended episodes in which it was positive on some step.
        paid_steps: Steps of ended episodes on which it was positive.
        episode_total: Sum of the values of ended episodes.
    """

    steps: int = 0
    nonzero: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    paid_episodes: int = 0
    paid_steps: int = 0
    episode_total: float = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        """Add `values` of any shape."""
        self.steps += values.size
        self.nonzero += int(np.count_nonzero(values))
        self.total += float(values.sum())
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    def values(self, episodes: int) -> ComponentValues:
        """Return the statistics. Those per episode are absent if no episode ended."""
        found = ComponentValues.of(
            mean=self.total / self.steps, min=self.low, max=self.high, fires=self.nonzero / self.steps
        )
        if not episodes:
            return found
        return found.updated(
            paid_episodes=self.paid_episodes / episodes,
            paid_steps=self.paid_steps / episodes,
            mean_per_episode=self.episode_total / episodes,
        )


@dataclass
class _Running:
    """Sums over the episodes that are being played, each [N]."""

    total: NDArray[np.float64]
    paid: NDArray[np.int64]


@dataclass
class ComponentTallies:
    """The tallies of all components of one trial.

    Attributes:
        envs: The number N of environments.
        by_name: The tally of each component.
        episodes: Episodes that ended since the last point of the curve.
    """

    envs: int
    by_name: dict[str, ComponentTally] = field(default_factory=dict)
    episodes: int = 0
    _running: dict[str, _Running] = field(default_factory=dict)

    def clear(self) -> None:
        """Reset the tallies at a point of the curve. The sums over episodes in progress are kept."""
        self.by_name, self.episodes = {}, 0

    def values(self) -> dict[str, ComponentValues]:
        """Return the statistics of each component that was scored."""
        return {name: tally.values(self.episodes) for name, tally in self.by_name.items() if tally.steps}

    def add(self, scores: Scores, done: NDArray[np.bool_], counted: NDArray[np.bool_]) -> None:
        """Add one rollout.

        Args:
            scores: The components of its steps.
            done: bool [T, N], whether an episode ended or was cut.
            counted: bool [T, N], whether an episode ended that was not cut.
        """
        self.episodes += int(counted.sum())
        for index, name in enumerate(scores.names):
            values = scores.values[:, :, index]
            tally = self.by_name.setdefault(name, ComponentTally())
            tally.add(values)
            self._add_episodes(tally, name, values, done, counted)

    def _add_episodes(
        self,
        tally: ComponentTally,
        name: str,
        values: NDArray[np.float64],
        done: NDArray[np.bool_],
        counted: NDArray[np.bool_],
    ) -> None:
        if name not in self._running:
            self._running[name] = _Running(np.zeros(self.envs), np.zeros(self.envs, dtype=np.int64))
        running = self._running[name]
        first = 0
        for t in np.flatnonzero(done.any(axis=1)):
            self._extend(running, values[first : t + 1])
            ended = counted[t]
            tally.paid_episodes += int((running.paid[ended] > 0).sum())
            tally.paid_steps += int(running.paid[ended].sum())
            tally.episode_total += float(running.total[ended].sum())
            running.total[done[t]] = 0.0
            running.paid[done[t]] = 0
            first = int(t) + 1
        self._extend(running, values[first:])

    @staticmethod
    def _extend(running: _Running, values: NDArray[np.float64]) -> None:
        running.total += values.sum(axis=0)
        running.paid += (values > 0.0).sum(axis=0)
