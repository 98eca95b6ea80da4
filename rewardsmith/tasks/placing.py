"""Starts within a layout: a capability of tasks whose episodes can begin after some actions of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rewardsmith.tasks.base import BatchEnv, Task


@runtime_checkable
class StartsWithin(Protocol):
    """Starts after the first actions of an episode. Without it, episodes begin where the environment begins them."""

    def start_within(self, batch: BatchEnv, env: int, layout: int, actions: Sequence[int]) -> None:
        """Start an episode of environment `env` of a batch of this task, in the state after `actions` on `layout`.

        The step counter begins at 0. The environment's next layouts stay the same.

        Args:
            batch: The batch, as `batch` of this task has returned it.
            env: The number of the environment, from 0.
            layout: The layout in the batch's pool.
            actions: Actions that do not end an episode.
        """
        ...


def starts_within_of(task: Task) -> StartsWithin | None:
    """Return the task if its episodes can start within a layout, or None."""
    return task if isinstance(task, StartsWithin) else None
