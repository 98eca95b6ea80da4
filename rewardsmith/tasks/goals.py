"""Tasks whose goals can be replaced afterwards, for hindsight experience replay."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.base import Task


class Relabeller(Protocol):
    """Scores recorded transitions under another goal.

    Attributes:
        unknown: Names of variables whose value under another goal is not known.
    """

    unknown: frozenset[str]

    def raw(self, achieved: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return goals [B, G] in the environment's units, from achieved goals as a policy observes them."""
        ...

    def observed(self, goals: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return goals [B, G] as a policy observes its desired goal, float32 [B, G]."""
        ...

    def rewards(self, achieved: NDArray[np.float64], goals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the environment's reward of steps that achieve `achieved` under `goals`, both [B, G]; float64 [B]."""
        ...

    def rows(self, rows: NDArray[Any], goals: NDArray[np.float64], terminated: NDArray[np.bool_]) -> NDArray[Any]:
        """Return state rows [B, W] under other goals; `terminated`: whether the step to each row ended the episode."""
        ...

    def close(self) -> None:
        """Close what it has opened."""
        ...


@runtime_checkable
class GoalConditioned(Protocol):
    """May have goals that can be replaced afterwards. Without it there is no hindsight experience replay."""

    @property
    def has_goals(self) -> bool:
        """Whether the observation has an achieved and a desired goal."""
        ...

    def goal_relabeller(self) -> Relabeller:
        """Return what scores transitions under other goals. Raises UsageError with the reason why there is none."""
        ...


def goals_of(task: Task) -> GoalConditioned | None:
    """Return the task if its observation has an achieved and a desired goal, or None."""
    return task if isinstance(task, GoalConditioned) and task.has_goals else None
