"""Transitions as a verifier or a labeller reads them: in words, and hashed so that equal words are asked once."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import Tables, Task
from rewardsmith.tasks.capabilities import rendering_of

View = Literal["caption", "cropped", "full"]
VIEWS: tuple[View, ...] = ("caption", "cropped", "full")


class Describer:
    """Describes a task's transitions in one view. Raises UsageError for a view that the task does not have."""

    def __init__(self, task: Task, view: View) -> None:
        self._rendering = rendering_of(task)
        if view != "caption" and self._rendering is None:
            raise UsageError(f"{task.id} is no grid to be drawn.", "Use the view `caption`.")
        self._task, self._view = task, view

    @property
    def legend(self) -> str:
        """What the symbols of the view mean; "" without any."""
        return "" if self._view == "caption" or self._rendering is None else self._rendering.legend

    def keys(
        self,
        before: NDArray[Any],
        actions: NDArray[np.int64],
        after: NDArray[Any],
        observations: NDArray[np.float32],
        following: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """int64 [T, N]: equal where the words are. before, after: [T, N, W]; observations, following: [T, N, D]."""
        if self._rendering is None:
            return multilinear_hash(np.concatenate([before, actions[..., None].astype(before.dtype), after], -1))
        columns = self._rendering.transition_columns(before, actions, after, everything=self._view == "full")
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
        task, drawn, name = self._task, self._rendering, self._task.actions.names[action]
        if drawn is None:
            return f"Before: {task.caption(before, tables)}\nAction: {name}\nAfter: {task.caption(after, tables)}"
        views: list[str] = []
        if self._view == "cropped":
            views = [drawn.draw_observation(observation), drawn.draw_observation(following)]
        elif self._view == "full":
            views = [drawn.draw_state(row, tables) for row in (before, after)]
        return drawn.transition_words(before, name, after, tables, views)


def multilinear_hash(values: NDArray[Any]) -> NDArray[np.int64]:
    """64-bit hashes over the last axis of `values`, numbers of 32 bits; the same in every process."""
    words = np.ascontiguousarray(values.astype(np.float32 if values.dtype.kind == "f" else np.int32)).view(np.uint32)
    factors = np.random.default_rng(20240911).integers(0, 2**63, size=words.shape[-1], dtype=np.uint64) * 2 + 1
    return (words * factors).sum(-1, dtype=np.uint64).view(np.int64)
