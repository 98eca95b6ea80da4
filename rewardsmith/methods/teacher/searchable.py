"""Requirements of a teacher on a task: a planner, an enumerable state space, and distinguishable layouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import ListedStarts, Planner, TabularModel, planner_of, starts_of, tabular_of
from rewardsmith.tasks.minigrid.state_tracker import KINDS

_VIEW = 49  # cells


class SearchableGrid(Task, Planner, TabularModel, ListedStarts, Protocol):
    """A MiniGrid task that a planner solves and whose states can be enumerated, as fitting a teacher requires."""

    sizes: Mapping[str, int]
    """Number of layouts by pool."""


def searchable(task: Task) -> SearchableGrid:
    """Return the task with the type that a teacher needs. Raises UsageError if a planner cannot search it."""
    if planner_of(task) is None or tabular_of(task) is None or starts_of(task) is None:
        raise UsageError(
            f"This method learns from a planner, and {task.id} cannot be searched.",
            "Set --task to one that the compiled engine plays (see `rewardsmith tasks`), or choose another --method.",
        )
    if task.view_cells != _VIEW or len(task.schema.field("objects").field("kind").values) > len(KINDS):
        raise UsageError(
            f"A teacher is told MiniGrid's objects in a view of 7 x 7 cells, and {task.id} has another view or others.",
            "Choose another --method.",
        )
    return cast(SearchableGrid, task)
