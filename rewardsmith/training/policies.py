"""Select the policy class and its arguments for a task, and describe the network for saved weights."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.policies import ActorCriticPolicy

from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.training.network import GridPolicy, LeanPolicy


def policy_for(task: Task, training: TrainingSpec) -> tuple[type[ActorCriticPolicy], dict[str, Any]]:
    """Return PPO's arguments (policy, policy_kwargs) for a task."""
    if training.memory == "lstm":
        from rewardsmith.training.recurrent import recurrent_policy  # imports sb3-contrib, which few trials need

        return recurrent_policy(task, training)
    if task.view_cells and training.cells == "one-hot":
        return GridPolicy, {"cells": task.view_cells, "hidden": training.hidden}
    return LeanPolicy, {"net_arch": list(training.hidden)}


def describe(task: Task, training: TrainingSpec) -> dict[str, Any]:
    """Return the data from which a reader of saved weights can rebuild the network."""
    policy, _ = policy_for(task, training)
    name = "MlpPolicy" if policy is LeanPolicy else policy.__name__  # SB3's own layers, by SB3's name
    return {"policy": name, "hidden": list(training.hidden), "view_cells": task.view_cells, "memory": training.memory}
