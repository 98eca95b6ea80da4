"""A task whose training layouts are those of several tasks of its family, for a curriculum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from rewardsmith.errors import UsageError

from ..base import Task
from .compiled import CompiledTask
from .families import COVERED, OPEN, OPEN_IN_ORDER, PICK_UP, Family
from .pools import Pool

_WALL = 2 * 18 + 5 * 3  # as MiniGrid shows what lies outside of a grid


class JoinedTask(CompiledTask):
    """A compiled task that trains on its own layouts and on those of smaller tasks of its family.

    A smaller layout lies in the corner of a grid of walls of this task's size, so that views and state rows have one
    form. Every episode has the step limit of this task. Evaluations play this task's layouts alone.
    """

    def __init__(self, target: CompiledTask, others: Sequence[str]) -> None:
        """Join the training layouts of the tasks `others`. Raises UsageError if one of them does not fit."""
        super().__init__(target.id, target.sizes)
        self.names = tuple(others)
        self._others = [_fitting(target, other) for other in others]

    @property
    def arms(self) -> list[tuple[str, int, int]]:
        """Id, first layout and number of layouts of each task in the training pool, this one first."""
        pools = [(task.id, len(task.pool("train"))) for task in (self.target, *self._others)]
        ends = np.cumsum([count for _, count in pools]).tolist()
        return [(name, end - count, count) for (name, count), end in zip(pools, ends, strict=True)]

    def pool(self, split: str) -> Pool:
        """Return the joined layouts for "train", and this task's own for evaluations."""
        return self._joined if split == "train" else super().pool(split)

    @cached_property
    def target(self) -> CompiledTask:
        return CompiledTask(self.id, self.sizes)

    @cached_property
    def _joined(self) -> Pool:
        own = self.target.pool("train")
        height, width = own.cells.shape[1:]
        slots = own.objects.shape[1]
        pools = [own, *(enlarged(task.pool("train"), width, height, slots, self.family) for task in self._others)]
        names = [field.name for field in fields(Pool) if field.name != "unseen"]
        columns: dict[str, Any] = {name: np.concatenate([getattr(pool, name) for pool in pools]) for name in names}
        return Pool(**columns, unseen=own.unseen)


def joined_task(task: Task, others: Sequence[str]) -> Task | None:
    """Return a task that trains on the layouts of the tasks `others` as well; None if it is not a compiled one.

    Raises UsageError if one of them does not fit.
    """
    if isinstance(task, JoinedTask):
        return task if task.names == tuple(others) else JoinedTask(task.target, others)
    return JoinedTask(task, others) if isinstance(task, CompiledTask) else None


def enlarged(pool: Pool, width: int, height: int, slots: int, family: Family) -> Pool:
    """Return the layouts in the corner of grids of `width` times `height` cells, with `slots` object slots."""
    count, rows, columns = pool.cells.shape
    cells = np.full((count, height, width), _WALL, dtype=np.uint8)
    cells[:, :rows, :columns] = pool.cells
    objects = np.full((count, slots, pool.objects.shape[2]), -1, dtype=np.int32)
    objects[:, :, 6:] = 0  # whether it is a target, and its rank
    objects[:, : pool.objects.shape[1]] = pool.objects
    goal = pool.goal
    if family.rule not in (PICK_UP, OPEN, OPEN_IN_ORDER):  # for the others these are slots
        goal = np.where(goal < 0, -1, goal // columns * width + goal % columns).astype(np.int32)
    return replace(pool, cells=cells, objects=objects, goal=goal)


def _fitting(target: CompiledTask, other: str) -> CompiledTask:
    """Return the task of an id. Raises UsageError if its layouts cannot be part of the target's training."""
    family = COVERED[other][0] if other in COVERED else None
    if family is None or family is not target.family or other == target.id:
        known = ", ".join(name for name, (f, *_) in COVERED.items() if f is target.family and name != target.id)
        raise UsageError(
            f"{other} is no other task of the family {target.family.name}, to which {target.id} belongs.",
            f"Set `training.curriculum` to some of: {known or 'none, this family has one task'}.",
        )
    task = CompiledTask(other, {name: target.sizes[name] for name in target.sizes})
    pool, own = task.pool("train"), target.pool("train")
    small = all(a <= b for a, b in zip(pool.cells.shape[1:], own.cells.shape[1:], strict=True))
    if not small or pool.objects.shape[1] > own.objects.shape[1]:
        raise UsageError(f"{other} is larger than {target.id}.", "Name smaller tasks of the family in the curriculum.")
    return task
