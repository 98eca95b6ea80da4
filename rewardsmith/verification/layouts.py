"""The training layouts that battery and certificate check. Both check the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import starts_of

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


@lru_cache(maxsize=16)
def distinct_layouts(task: Task) -> tuple[int, ...]:
    """Return the first index of each distinct layout of the training pool; (0,) if the task has no layout hashes."""
    starts = starts_of(task)
    hashes: Sequence[str] = () if starts is None else starts.pool_hashes("train")
    first: dict[str, int] = {}
    for layout, digest in enumerate(hashes):
        first.setdefault(digest, layout)
    return tuple(first.values()) or (0,)
