"""What a teacher needs of a task: a planner, every state of a layout, and layouts that can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import ListedStarts, Planner, TabularModel, planner_of, starts_of, tabular_of


class SearchableGrid(Task, Planner, TabularModel, ListedStarts, Protocol):
    """A MiniGrid task that a planner solves and whose states can be listed: what a teacher can be fitted on."""

    sizes: Mapping[str, int]
    """How many layouts each pool holds."""


def searchable(task: Task) -> SearchableGrid:
    """The task as a teacher needs it. Raises UsageError for one that cannot be searched."""
    if planner_of(task) is None or tabular_of(task) is None or starts_of(task) is None:
        raise UsageError(
            f"This method learns from a planner, and {task.id} cannot be searched.",
            "Use a MiniGrid task that the compiled engine plays, see `rewardsmith tasks`; or another method.",
        )
    return cast(SearchableGrid, task)
