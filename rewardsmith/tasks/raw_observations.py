"""The capability of tasks whose raw observations an exported policy can read."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.observations import RawObservations


@runtime_checkable
class ReadRaw(Protocol):
    """Can be observed without rewardsmith. Without it an exported policy reads rows that only rewardsmith makes."""

    def raw_observations(self) -> RawObservations | None:
        """Return how raw observations become rows; None if nothing but rewardsmith can do it."""
        ...


def raw_observations_of(task: Task) -> RawObservations | None:
    """Return how a task's raw observations become its policies' rows, or None."""
    return task.raw_observations() if isinstance(task, ReadRaw) else None
