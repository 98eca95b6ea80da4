"""The spaces that the intrinsic bonuses can read."""

from __future__ import annotations

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import Task


def require_numbers(task: Task, method: str) -> None:
    """Raise UsageError if the policy observes an image, which these networks do not read."""
    if task.observation.dtype != "float32":
        raise UsageError(
            f"{method} reads vectors, and {task.id} is observed as an image.",
            "Combine the reward with `count`, or none.",
        )


def require_discrete(task: Task, method: str) -> None:
    """Raise UsageError if actions are vectors, which an inverse-dynamics model over a few actions cannot predict."""
    if not task.actions.discrete:
        raise UsageError(
            f"{method} predicts which of a few actions was taken, and {task.id} has actions of another kind.",
            "Combine the reward with `rnd` or `count`, or none.",
        )
