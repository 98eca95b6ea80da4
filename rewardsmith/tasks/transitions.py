"""Transitions as a judge reads them: described in words, and hashed so that equal descriptions are judged once."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import Tables, Task

View = Literal["caption", "cropped", "full"]
VIEWS: tuple[View, ...] = ("caption", "cropped", "full")


class Describer:
    """Describes a task's transitions in one view. Raises UsageError for a view that the task does not have."""

    def __init__(self, task: Task, view: View) -> None:
        if view != "caption" and task.family != "minigrid":
            raise UsageError(f"{task.id} is no grid to be drawn.", "Use the view `caption`.")
        self._task, self._view = task, view

    @property
    def legend(self) -> str:
        """What the symbols of the view mean; "" without any."""
        if self._view == "caption":
            return ""
        from rewardsmith.tasks.minigrid.transitions import LEGEND

        return LEGEND

    def keys(
        self,
        before: NDArray[Any],
        actions: NDArray[np.int64],
        after: NDArray[Any],
        observations: NDArray[np.float32],
        following: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """int64 [T, N]: equal where the words are. before, after: [T, N, W]; observations, following: [T, N, D]."""
        if self._task.family != "minigrid":
            return multilinear_hash(np.concatenate([before, actions[..., None].astype(before.dtype), after], -1))
        from rewardsmith.tasks.minigrid.transitions import transition_columns

        columns = transition_columns(before, actions, after, self._task.schema, everything=self._view == "full")
        keys = multilinear_hash(columns)
        if self._view == "cropped":
            keys = keys ^ multilinear_hash(np.concatenate([observations, following], -1))
        return keys

    def words(
        self,
        before: NDArray[Any],
        action: int,
        after: NDArray[Any],
        observation: NDArray[np.float32],
        following: NDArray[np.float32],
        tables: Tables,
    ) -> str:
        """One transition: rows [W], observations [D]."""
        task, name = self._task, self._task.actions.names[action]
        if task.family != "minigrid":
            return f"Before: {task.caption(before, tables)}\nAction: {name}\nAfter: {task.caption(after, tables)}"
        from rewardsmith.tasks.minigrid.transitions import draw_grid, draw_view, transition_words

        views: list[str] = []
        if self._view == "cropped":
            views = [draw_view(observation), draw_view(following)]
        elif self._view == "full":
            views = [draw_grid(row, tables, task.schema) for row in (before, after)]
        return transition_words(before, name, after, tables, task.schema, views)


def multilinear_hash(values: NDArray[Any]) -> NDArray[np.int64]:
    """64-bit hashes over the last axis of `values`, numbers of 32 bits; the same in every process."""
    words = np.ascontiguousarray(values.astype(np.float32 if values.dtype.kind == "f" else np.int32)).view(np.uint32)
    factors = np.random.default_rng(20240911).integers(0, 2**63, size=words.shape[-1], dtype=np.uint64) * 2 + 1
    return (words * factors).sum(-1, dtype=np.uint64).view(np.int64)
