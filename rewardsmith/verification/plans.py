"""The planner's solutions of training layouts, computed once per process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import planner_of

from .layouts import LAYOUTS, layout_sample


def first_plans(task: Task, layouts: Sequence[int] | None = None) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return (layout, actions that solve it) for those of `layouts` that can be solved; empty without a planner.

    Args:
        task: The task.
        layouts: Indices into the training pool; by default those that a job checks.
    """
    chosen = layout_sample(task, LAYOUTS).layouts if layouts is None else layouts
    plans = ((layout, plan_of(task, layout)) for layout in chosen)
    return tuple((layout, plan) for layout, plan in plans if plan)


@lru_cache(maxsize=1024)
def plan_of(task: Task, layout: int) -> tuple[int, ...]:
    """Return actions that solve a training layout; empty without a planner, or if the search takes too long."""
    planner = planner_of(task)
    return () if planner is None else tuple(planner.solution(layout) or ())
