"""Which environments of an evaluation play another episode: a fixed number each, or within a number of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsmith.reporting.proportion import anytime_interval
from rewardsmith.scores import ScoreScale, anytime_half_width
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import score_rule_of

_PRECISE = 0.05  # half width of an interval of success, or of a normalised score, at which no episode is added
_FEWEST_SCORES = 20  # episodes below which the interval of a mean score is not trusted


class Turns(Protocol):
    """Decides which environments play an episode that counts."""

    @property
    def playing(self) -> NDArray[np.bool_]:
        """Where an episode that counts is being played, bool [N]."""
        ...

    def end(self, ended: NDArray[np.bool_], tally: Tally) -> None:
        """Counted episodes ended where `ended` [N] says so; decide which environments go on."""
        ...


class Quota:
    """A fixed number of episodes for each environment."""

    def __init__(self, quota: NDArray[np.int64]) -> None:
        self._left = quota.copy()

    @property
    def playing(self) -> NDArray[np.bool_]:
        return self._left > 0

    def end(self, ended: NDArray[np.bool_], tally: Tally) -> None:
        del tally
        self._left -= ended


class Within:
    """Another episode wherever one has ended, while the allowed steps cover it and the result is not precise enough.

    An episode that has begun is played to its end and counted, whatever it takes, so short episodes are not preferred.
    """

    def __init__(self, envs: int, limit: Limit, task: Task) -> None:
        self._begun, self._limit, self._longest = envs, limit, envs * task.max_steps
        self._comparable = limit.scale is not None or score_rule_of(task) is None
        self.playing: NDArray[np.bool_] = np.ones(envs, dtype=bool)

    def end(self, ended: NDArray[np.bool_], tally: Tally) -> None:
        covered = tally.steps + self._longest <= self._limit.steps
        free = np.flatnonzero(ended)
        more = min(len(free), self._limit.episodes - self._begun)
        if not covered or (more and self._comparable and tally.precise(self._limit.scale)):
            more = 0
        self.playing[free[more:]] = False
        self._begun += more


@dataclass(frozen=True)
class Limit:
    """What bounds an evaluation.

    Attributes:
        episodes: The most episodes, at least 1.
        steps: The most environment steps; those of environments that have no further episode to play count too.
        at_once: The most environments.
        scale: The scale of the task's scores; None if it has a success, or if scores cannot be compared.
    """

    episodes: int
    steps: int
    at_once: int
    scale: ScoreScale | None = None

    def environments(self, longest: int) -> int:
        """Return how many environments to use; with four episodes each, few steps of finished ones are wasted."""
        return max(1, min(self.at_once, self.episodes, self.steps // longest // 4))

    def certain(self, longest: int) -> int:
        """Return how many episodes are played for certain, if every one lasts `longest` steps, 0 if none fits."""
        envs = self.environments(longest)
        return min(self.episodes, self.steps // longest // envs * envs)


@dataclass
class Tally:
    """Sums over the episodes that have ended, and the steps played so far."""

    episodes: int = 0
    successes: int = 0
    length: int = 0
    steps: int = 0
    returned: float = 0.0
    squares: float = 0.0

    def precise(self, scale: ScoreScale | None) -> bool:
        """Whether the interval of the success rate, or of the mean score, is narrow."""
        if scale is None:
            low, high = anytime_interval(self.successes, self.episodes)
            return high - low <= 2 * _PRECISE
        if self.episodes < _FEWEST_SCORES:
            return False
        mean = self.returned / self.episodes
        variance = max(0.0, self.squares - self.episodes * mean**2) / (self.episodes - 1)
        whole = 1.0 if scale.has_reference else abs(scale.merit(mean))
        return anytime_half_width(variance, self.episodes) <= _PRECISE * abs(scale.score(whole) - scale.random)
