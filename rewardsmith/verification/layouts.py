"""The training layouts that battery and certificate check. Both check the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import planner_of, reference_of, starts_of

LAYOUTS = 3
"""Number of layouts that a job checks."""


@dataclass(frozen=True)
class LayoutSample:
    """The layouts to check.

    Attributes:
        layouts: Indices into the task's training pool.
        every: Whether the pool contains no other layout.
    """

    layouts: tuple[int, ...]
    every: bool


@lru_cache(maxsize=32)
def layout_sample(task: Task, count: int) -> LayoutSample:
    """Return the first `count` layouts of the training pool, which is drawn at random; all distinct ones if fewer."""
    different = distinct_layouts(task)
    if len(different) <= count:
        return LayoutSample(different, True)
    return LayoutSample(tuple(range(count)), False)


def battery_layouts(task: Task, count: int) -> tuple[int, ...]:
    """Return the layouts on which a battery plays: those to check, or starts that the task's reference can play."""
    if uses_reference(task) and (reference := reference_of(task)) is not None:
        return tuple(reference.layouts(count))
    return layout_sample(task, count).layouts


def uses_reference(task: Task) -> bool:
    """Whether a reference stands for the solutions that no planner computes."""
    return planner_of(task) is None and reference_of(task) is not None


@lru_cache(maxsize=16)
def distinct_layouts(task: Task) -> tuple[int, ...]:
    """Return the first index of each distinct layout of the training pool; (0,) if the task has no layout hashes."""
    starts = starts_of(task)
    hashes: Sequence[str] = () if starts is None else starts.pool_hashes("train")
    first: dict[str, int] = {}
    for layout, digest in enumerate(hashes):
        first.setdefault(digest, layout)
    return tuple(first.values()) or (0,)
