"""The planner's solutions of the training layouts that are looked at, found once per process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import planner_of

from .layouts import LAYOUTS, layout_sample


def first_plans(task: Task, layouts: Sequence[int] | None = None) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """(layout, actions that solve it) of those of `layouts` that can be solved; empty without a planner.

    layouts: indices into the training pool; by default those that a job looks at.
    """
    chosen = layout_sample(task, LAYOUTS).layouts if layouts is None else layouts
    plans = ((layout, plan_of(task, layout)) for layout in chosen)
    return tuple((layout, plan) for layout, plan in plans if plan)


@lru_cache(maxsize=256)
def plan_of(task: Task, layout: int) -> tuple[int, ...]:
    """Actions that solve a training layout; nothing where the search is too long, or without a planner."""
    planner = planner_of(task)
    return () if planner is None else tuple(planner.solution(layout) or ())
