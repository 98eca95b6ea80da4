"""Which algorithms can train on a task. The engine imports it without torch."""

from __future__ import annotations

from rewardsmith.errors import UsageError
from rewardsmith.spec import TrainingSpec
from rewardsmith.spec.training import ALGORITHMS, POLICY_ARGUMENTS
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
    if training.sde and kind != "box":
        raise UsageError(
            f"State-dependent exploration needs continuous actions, and {task.id} has {_WORDS[kind]}.",
            "Leave `training.sde` at false.",
        )
    _require_policy_arguments(training)
    ends = (*task.actions.low, *task.actions.high)
    if algorithm.off_policy and kind == "box" and not all(abs(end) < float("inf") for end in ends):
        raise UsageError(
            f"{algorithm.title} needs bounded actions, but {task.id} has unbounded ones.",
            "Bound them with Gymnasium's RescaleAction in `wrappers`, or set `training.algorithm` to ppo or a2c.",
        )


def _require_policy_arguments(training: TrainingSpec) -> None:
    """Raise UsageError if the algorithm's policy class does not have an argument of `policy_kwargs`."""
    if not training.policy_kwargs:
        return
    from rewardsmith.training.policies import arguments_of  # imports torch, which few jobs need here

    known = arguments_of(training)
    for name in training.policy_kwargs:
        if name not in known:
            able = sorted(known & POLICY_ARGUMENTS.keys())
            raise UsageError(
                f"The policy of {ALGORITHMS[training.algorithm].title} has no argument {name!r}.",
                f"`training.policy_kwargs` may contain {', '.join(able)}." if able else "Leave `policy_kwargs` out.",
            )
