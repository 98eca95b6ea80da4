"""Describe transitions for a verifier or a labeller, and hash them so that equal descriptions are queried once."""

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
    """Describes a task's transitions in one view."""

    def __init__(self, task: Task, view: View) -> None:
        """Describe transitions of `task`.

        Args:
            task: The task.
            view: "caption" (words only), "cropped" (with the agent's own view) or "full" (with the whole grid).

        Raises:
            UsageError: If the task does not have that view.
        """
        self._rendering = rendering_of(task)
        if view != "caption" and self._rendering is None:
            raise UsageError(f"{task.id} is not a grid, so it has no view `{view}`.", "Use the view `caption`.")
        self._task, self._view = task, view

    @property
    def legend(self) -> str:
        """The meaning of the view's symbols; "" if it has none."""
        return "" if self._view == "caption" or self._rendering is None else self._rendering.legend

    def keys(
        self,
        before: NDArray[Any],
        actions: NDArray[Any],
        after: NDArray[Any],
        observations: NDArray[np.float32],
        following: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """Return a hash of each transition's description; equal descriptions have equal hashes.

        Args:
            before: State rows [T, N, W].
            actions: Actions, int64 [T, N].
            after: State rows [T, N, W].
            observations: Observations before, float32 [T, N, D].
            following: Observations after, float32 [T, N, D].

        Returns:
            int64 [T, N].
        """
        if self._rendering is None:
            taken = actions if actions.ndim == before.ndim else actions[..., None]
            return multilinear_hash(np.concatenate([before, taken.astype(before.dtype), after], -1))
        columns = self._rendering.transition_columns(before, actions, after, everything=self._view == "full")
        keys = multilinear_hash(columns)
        if self._view == "cropped":
            keys = keys ^ multilinear_hash(np.concatenate([observations, following], -1))
        return keys

    def words(
        self,
        before: NDArray[Any],
        action: Any,
        after: NDArray[Any],
        observation: NDArray[np.float32],
        following: NDArray[np.float32],
        tables: Tables,
    ) -> str:
        """Return the description of one transition, given as rows [W] and observations [D]."""
        task, drawn, name = self._task, self._rendering, self._task.actions.describe(action)
        if drawn is None:
            return f"Before: {task.caption(before, tables)}\nAction: {name}\nAfter: {task.caption(after, tables)}"
        views: list[str] = []
        if self._view == "cropped":
            views = [drawn.draw_observation(observation), drawn.draw_observation(following)]
        elif self._view == "full":
            views = [drawn.draw_state(row, tables) for row in (before, after)]
        return drawn.transition_words(before, name, after, tables, views)


def multilinear_hash(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return 64-bit hashes over the last axis of `values` (cast to 32 bits), int64; equal in every process."""
    words = np.ascontiguousarray(values.astype(np.float32 if values.dtype.kind == "f" else np.int32)).view(np.uint32)
    factors = np.random.default_rng(20240911).integers(0, 2**63, size=words.shape[-1], dtype=np.uint64) * 2 + 1
    return (words * factors).sum(-1, dtype=np.uint64).view(np.int64)
