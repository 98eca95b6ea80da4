"""Which algorithms can train on a task. The engine imports it without torch."""

from __future__ import annotations

from rewardsmith.errors import UsageError
from rewardsmith.spec import TrainingSpec
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.tasks.base import Task

_WORDS = {
    "discrete": "discrete actions", "box": "continuous actions", "multi-discrete": "several discrete actions at once",
    "multi-binary": "several binary actions at once",
}  # fmt: skip


def require_algorithm(task: Task, training: TrainingSpec) -> None:
    """Raise UsageError if the algorithm of `training` cannot train on `task`."""
    algorithm, kind = ALGORITHMS[training.algorithm], task.actions.kind
    if kind not in algorithm.kinds:
        able = ", ".join(name for name, each in ALGORITHMS.items() if kind in each.kinds)
        raise UsageError(
            f"{algorithm.title} cannot choose {_WORDS[kind]}, which {task.id} has.",
            f"Set `training.algorithm` to one of {able}.",
        )
    if task.masked and training.algorithm != "ppo":
        raise UsageError(
            f"{algorithm.title} takes no action masks, which {task.id} has.",
            "Set `training.algorithm` to ppo, which then is MaskablePPO of sb3-contrib.",
        )
    ends = (*task.actions.low, *task.actions.high)
    if algorithm.off_policy and kind == "box" and not all(abs(end) < float("inf") for end in ends):
        raise UsageError(
            f"{algorithm.title} needs bounded actions, but {task.id} has unbounded ones.",
            "Bound them with Gymnasium's RescaleAction in `wrappers`, or set `training.algorithm` to ppo or a2c.",
        )
