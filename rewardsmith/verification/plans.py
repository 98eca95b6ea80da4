"""The planner's solutions of the first training layouts, found once per process."""

from __future__ import annotations

from functools import lru_cache

from rewardsmith.tasks.base import Task

PLANNED = 3


@lru_cache(maxsize=8)
def first_plans(task: Task) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """(layout, actions that solve it) of the first PLANNED layouts that can be solved; empty without a planner."""
    return tuple((layout, tuple(actions)) for layout, actions in task.oracle_plans(PLANNED) or ())


def plan_of(task: Task, layout: int) -> tuple[int, ...]:
    """Actions that solve a training layout, or nothing where `first_plans` has none for it."""
    return dict(first_plans(task)).get(layout, ())


@lru_cache(maxsize=64)
def plan_at(task: Task, layout: int) -> tuple[int, ...]:
    """As `plan_of`, searched for where that has none; nothing where the search is too long, or without a planner."""
    known = plan_of(task, layout)
    if known or not first_plans(task):
        return known
    found = task.plan(layout)  # type: ignore[attr-defined]  # whoever has oracle plans has it
    return tuple(found.actions) if found is not None else ()
