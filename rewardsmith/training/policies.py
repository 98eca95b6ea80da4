"""Select the policy class and its arguments for a task, and describe the network for saved weights."""

from __future__ import annotations

import inspect
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    MultiInputActorCriticPolicy,
)

from rewardsmith.errors import UsageError
from rewardsmith.spec import TrainingSpec
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.tasks.base import Task
from rewardsmith.training.algorithms import off_policy_class
from rewardsmith.training.network import ExactPolicy, GridPolicy, LeanPolicy
from rewardsmith.training.normalize import extractor_for


def policy_for(task: Task, training: TrainingSpec) -> tuple[type[ActorCriticPolicy], dict[str, Any]]:
    """Return PPO's arguments (policy, policy_kwargs) for a task.

    SB3's own policies by the spaces: a CNN for images, one extractor per key for Dicts, a Gaussian head for continuous
    actions. Vectors with discrete actions have leaner classes. They equal SB3's with `implementation: sb3`, and agree
    with them up to rounding otherwise.

    Raises:
        UsageError: For a policy with memory on spaces other than vectors with discrete actions without masks.
    """
    studied = training.learner == "ppo"  # A2C's gradients would differ from SB3's in the last bits
    lean = studied and task.observation.plain and task.actions.discrete and not task.masked
    normalized = normalizer(task, training)
    if training.memory == "lstm":
        if not lean:
            raise UsageError(
                f"A policy with memory reads vectors and chooses among discrete actions; {task.id} has other spaces.",
                "Leave `training.memory` at none.",
            )
        from rewardsmith.training.recurrent import recurrent_policy  # imports sb3-contrib, which few trials need

        return recurrent_policy(task, training)
    if studied and one_hot(task, training) and not normalized:
        return GridPolicy, {"cells": task.view_cells, "hidden": training.hidden}
    arguments: dict[str, Any] = {"net_arch": list(training.hidden), **normalized}
    if lean and not normalized:
        return (ExactPolicy if exact(task, training) else LeanPolicy), arguments
    return _by_spaces(task), arguments


def one_hot(task: Task, training: TrainingSpec) -> bool:
    """Return whether the network reads a grid's cells as categories, which no class of SB3 does."""
    return bool(task.view_cells) and training.cells == "one-hot"


def exact(task: Task, training: TrainingSpec) -> bool:
    """Return whether an on-policy algorithm computes what SB3 does, bit for bit."""
    return training.learner != "ppo" or (training.implementation == "sb3" and not one_hot(task, training))


def _by_spaces(task: Task) -> Any:
    space = task.observation.space
    if task.masked:
        from sb3_contrib.common.maskable import policies as maskable

        kinds = (
            maskable.MaskableMultiInputActorCriticPolicy,
            maskable.MaskableActorCriticCnnPolicy,
            maskable.MaskableActorCriticPolicy,
        )
    else:
        kinds = (MultiInputActorCriticPolicy, ActorCriticCnnPolicy, ActorCriticPolicy)
    if isinstance(space, spaces.Dict):
        return kinds[0]
    return kinds[1] if len(space.shape) == 3 else kinds[2]


def normalizer(task: Task, training: TrainingSpec) -> dict[str, Any]:
    """Return the policy's argument by which it normalises its observations; empty if it does not."""
    found = extractor_for(task.observation.space) if training.normalize_observation else None
    return {} if found is None else {"features_extractor_class": found}


def policy_name(task: Task) -> str:
    """Return SB3's name of the policy for a task's observations."""
    space = task.observation.space
    if isinstance(space, spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if len(space.shape or ()) == 3 else "MlpPolicy"


def arguments_of(training: TrainingSpec) -> set[str]:
    """Return the names of the arguments that every policy class of the algorithm takes."""
    algorithm = ALGORITHMS[training.algorithm]
    if algorithm.off_policy:
        policy = off_policy_class(training.algorithm).policy_aliases["MlpPolicy"]
    else:
        policy = ActorCriticPolicy
    return set(inspect.signature(policy).parameters)


def describe(task: Task, training: TrainingSpec) -> dict[str, Any]:
    """Return the data from which a reader of saved weights can rebuild the network."""
    if training.off_policy:
        name = f"{ALGORITHMS[training.algorithm].title.split()[0]} {policy_name(task)}"
        return {"policy": name, "hidden": list(training.hidden), "view_cells": task.view_cells, "memory": "none"}
    policy, _ = policy_for(task, training)
    names = {
        LeanPolicy: "MlpPolicy",  # SB3's own layers, by SB3's name
        ExactPolicy: "MlpPolicy",
        ActorCriticPolicy: "MlpPolicy",
        ActorCriticCnnPolicy: "CnnPolicy",
        MultiInputActorCriticPolicy: "MultiInputPolicy",
    }
    name = names.get(policy, policy.__name__)
    return {"policy": name, "hidden": list(training.hidden), "view_cells": task.view_cells, "memory": training.memory}
