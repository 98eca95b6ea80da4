"""Chooses layouts that are hard: a long shortest solution, or many ends without success beside it.

They are not drawn at random, so they enter no bound. They can only add counter-examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import planner_of, starts_of, tabular_of
from rewardsmith.verification.layouts import LayoutSample, layout_sample
from rewardsmith.verification.plans import plan_of

CANDIDATES = 128
"""Number of layouts of the training pool among which hard ones are searched: a planner solves one in a millisecond."""
_NEAR = 256  # states around the solution in which ends without success are counted


def layouts_to_check(task: Task, count: int, hard: int) -> LayoutSample:
    """Return `count` random layouts and at most `hard` hard ones; no hard ones if the random ones are all there are."""
    sample = layout_sample(task, count)
    return sample if sample.every or not hard else replace(sample, hard=hard_layouts(task, hard, sample.layouts))


def hard_layouts(task: Task, count: int, others: Sequence[int]) -> tuple[int, ...]:
    """Return at most `count` layouts that are distinct from each other and from `others`.

    The longest shortest solution and the most ends without success beside it take turns. Ties are broken by the index.

    Args:
        task: The task. It has no hard layouts without a planner and a tabular model, or if its steps are slow.
        count: Number of layouts.
        others: The random layouts.
    """
    starts = starts_of(task)
    if starts is None or planner_of(task) is None or tabular_of(task) is None or not task.cheap_steps:
        return ()
    hashes = starts.pool_hashes("train")
    seen = {hashes[layout] for layout in others}
    ranked = _ranked(task)
    chosen: list[int] = []
    for each in range(2 * max(map(len, ranked), default=0)):
        order, place = ranked[each % 2], each // 2
        if len(chosen) < count and place < len(order) and hashes[order[place]] not in seen:
            chosen.append(order[place])
            seen.add(hashes[order[place]])
    return tuple(chosen)


@lru_cache(maxsize=16)
def _ranked(task: Task) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(candidates with the longest solution first; those with ends without success near it, most of them first)."""
    starts = starts_of(task)
    pool = len(starts.pool_hashes("train")) if starts is not None else 0
    plans = {layout: plan for layout in range(min(pool, CANDIDATES)) if (plan := plan_of(task, layout))}
    ends = {layout: _ends_near(task, layout, plan) for layout, plan in plans.items()}
    longest = sorted(plans, key=lambda layout: (-len(plans[layout]), layout))
    deadly = sorted((layout for layout in plans if ends[layout]), key=lambda layout: (-ends[layout], layout))
    return tuple(longest), tuple(deadly)


def _ends_near(task: Task, layout: int, plan: Sequence[int]) -> int:
    """Number of actions that end the episode without success, in the states nearest to a solution."""
    tabular = tabular_of(task)
    graph = None if tabular is None else tabular.state_graph(layout, _NEAR, along=plan)
    return 0 if graph is None else int(np.count_nonzero(graph.over & ~graph.won))
