"""Which class of SB3 or sb3-contrib a trial is trained with."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from rewardsmith.spec import TrainingSpec
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.tasks.base import Task
from rewardsmith.training.buffers import ShapedDictRolloutBuffer, ShapedRolloutBuffer


def algorithm_for(task: Task, settings: TrainingSpec) -> tuple[Any, dict[str, Any]]:
    """Return the class of an on-policy algorithm, and the arguments that only this class takes.

    PPO has three classes: plain, masked (sb3-contrib) and recurrent (sb3-contrib).
    """
    several = isinstance(task.observation.space, spaces.Dict)
    plain = {"rollout_buffer_class": ShapedDictRolloutBuffer if several else ShapedRolloutBuffer}
    if settings.algorithm == "a2c":
        return A2C, plain
    if task.masked:
        from rewardsmith.training.masked import MaskablePPO, buffer_class

        return MaskablePPO, {"rollout_buffer_class": buffer_class(several)}
    if settings.memory == "lstm":
        from rewardsmith.training.recurrent import ShapedRecurrentPPO

        return ShapedRecurrentPPO, {}
    return PPO, plain


def off_policy_class(algorithm: str) -> type[OffPolicyAlgorithm]:
    """Return the class of an off-policy algorithm; sb3-contrib is imported only if it contains the class."""
    import stable_baselines3 as sb3

    if algorithm in ("dqn", "sac", "td3"):
        return {"dqn": sb3.DQN, "sac": sb3.SAC, "td3": sb3.TD3}[algorithm]
    import sb3_contrib

    return {"qr-dqn": sb3_contrib.QRDQN, "tqc": sb3_contrib.TQC, "crossq": sb3_contrib.CrossQ}[algorithm]


def title_of(task: Task, settings: TrainingSpec) -> str:
    """Return the class and the package of the algorithm, as cards name it."""
    if settings.learner == "ppo" and task.masked:
        return ALGORITHMS["maskable-ppo"].title
    if settings.learner == "ppo" and settings.memory == "lstm":
        return ALGORITHMS["recurrent-ppo"].title
    return ALGORITHMS[settings.algorithm].title
