"""Other starts in training: within a layout, after actions of an earlier episode, and on layouts of other tasks."""

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


def joined_task(task: Task, others: Sequence[str]) -> Task | None:
    """Return the task with the training layouts of the tasks `others` as well; None if it has no such family.

    The result has `arms`, a list of (id, first layout, number of layouts), its own first.

    Raises:
        UsageError: One of them does not belong to the task's family, or is larger.
    """
    from rewardsmith.tasks.minigrid import joined

    return joined.joined_task(task, others)
