"""Which of PPO's classes a task is trained with: plain, masked or recurrent, each on a buffer with channels."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3 import PPO

from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.training.buffers import ShapedDictRolloutBuffer, ShapedRolloutBuffer


def algorithm_for(task: Task, settings: TrainingSpec) -> tuple[Any, dict[str, Any]]:
    """The class of PPO, and arguments that only this class takes."""
    several = isinstance(task.observation.space, spaces.Dict)
    if task.masked:
        from rewardsmith.training.masked import MaskablePPO, buffer_class

        return MaskablePPO, {"rollout_buffer_class": buffer_class(several)}
    if settings.memory == "lstm":
        from rewardsmith.training.recurrent import ShapedRecurrentPPO

        return ShapedRecurrentPPO, {}
    return PPO, {"rollout_buffer_class": ShapedDictRolloutBuffer if several else ShapedRolloutBuffer}
