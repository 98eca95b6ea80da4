"""How long a step of a task's environment takes, for choices that depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsmith.errors import TaskError
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.described.stepping import quickest


def step_seconds(task: Task, stored: Mapping[str, Any] | None = None) -> float | None:
    """Return the seconds of a step of one environment; None if the compiled engine plays it, or if it fails.

    Args:
        task: The task.
        stored: What was measured when the number of processes was chosen, see stepping.Stepping. Without it a few
            steps are played.
    """
    if task.cheap_steps:
        return None
    known = (stored or {}).get("seconds")
    if known is not None:
        return float(known)
    try:
        return quickest(task.batch(1, "train"), task.actions)
    except TaskError:  # reported by whatever plays it next
        return None
