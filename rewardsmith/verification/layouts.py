"""The training layouts that battery and certificate check. Both check the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import countable_of, planner_of, reference_of, starts_of

LAYOUTS = 3
"""Number of layouts that a job checks before training."""
HARD_LAYOUTS = 4
"""Most hard layouts that are checked beside 30 random ones or more."""
SMALL = 50_000
"""Most states of a layout that is certified in parallel with others: each needs the memory of a host and its tables."""


@dataclass(frozen=True)
class LayoutSample:
    """The layouts to check.

    Attributes:
        layouts: Indices of the random layouts: the first of the training pool, which is drawn at random.
        every: Whether the task has no other layout.
        hard: Indices of layouts that were chosen because they are hard (hard_layouts.py). None of them is in `layouts`.
    """

    layouts: tuple[int, ...]
    every: bool
    hard: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        """The random layouts, then the hard ones."""
        return self.layouts + self.hard


@lru_cache(maxsize=32)
def layout_sample(task: Task, count: int) -> LayoutSample:
    """Return `count` random layouts, or every distinct layout if the task has no more than `count`.

    They are fixed before any of them is checked, so that they may enter a bound.
    """
    different = distinct_layouts(task)
    if len(different) <= count and _pool_is_complete(task):
        return LayoutSample(different, True)
    starts = starts_of(task)
    drawn = count if starts is None else len(starts.pool_hashes("train"))
    return LayoutSample(tuple(range(min(count, drawn))), False)


def _pool_is_complete(task: Task) -> bool:
    """Whether the training pool has every layout of the task: each of its layouts was drawn more than once.

    The proportion of layouts that were drawn once estimates the probability that a further draw is a new layout (Good
    1953).
    """
    starts = starts_of(task)
    return starts is None or min(Counter(starts.pool_hashes("train")).values(), default=2) > 1


def battery_layouts(task: Task, count: int, hard: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the layouts on which a battery plays: those to check, or starts that the task's reference can play.

    Args:
        task: The task.
        count: Number of random layouts.
        hard: Hard layouts, which are played as well unless a reference plays.
    """
    if uses_reference(task) and (reference := reference_of(task)) is not None:
        return tuple(reference.layouts(count))
    return (*layout_sample(task, count).layouts, *hard)


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


def groups(task: Task, layouts: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """Return groups of at most `most` small layouts to certify in parallel. The first is alone: it may suffice."""
    countable = countable_of(task)
    counted = countable.count_states(layouts[0], SMALL) if countable is not None and len(layouts) > 1 else None
    if counted is None or not counted[1]:
        return [(layout,) for layout in layouts]
    return [layouts[:1], *(layouts[k : k + most] for k in range(1, len(layouts), most))]
