"""Which training layouts battery and certificate look at: the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import starts_of

LAYOUTS = 3
"""Layouts that are looked at in a job."""


@dataclass(frozen=True)
class LayoutSample:
    """Indices into a task's training pool. every: no layout of the pool differs from all of these."""

    layouts: tuple[int, ...]
    every: bool


@lru_cache(maxsize=32)
def layout_sample(task: Task, count: int) -> LayoutSample:
    """The first `count` layouts of the training pool, which is drawn at random; each once where fewer differ."""
    different = distinct_layouts(task)
    if len(different) <= count:
        return LayoutSample(different, True)
    return LayoutSample(tuple(range(count)), False)


@lru_cache(maxsize=16)
def distinct_layouts(task: Task) -> tuple[int, ...]:
    """Where each different layout of the training pool first occurs; layout 0 where layouts are not told apart."""
    starts = starts_of(task)
    hashes: Sequence[str] = () if starts is None else starts.pool_hashes("train")
    first: dict[str, int] = {}
    for layout, digest in enumerate(hashes):
        first.setdefault(digest, layout)
    return tuple(first.values()) or (0,)
