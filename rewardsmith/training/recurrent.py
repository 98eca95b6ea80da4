"""PPO with an LSTM (sb3-contrib), for tasks that require memory of earlier observations."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.training.buffers import Shaping
from rewardsmith.training.network import GridLayer


class ShapedRecurrentBuffer(Shaping, RecurrentRolloutBuffer):
    """sb3-contrib's rollout buffer with reward channels."""


class ShapedRecurrentPPO(RecurrentPPO):
    """RecurrentPPO on a ShapedRecurrentBuffer; sb3-contrib has no parameter for the buffer's class.

    Checkpoints do not contain memory: every checkpoint truncates all episodes, and memory starts empty in each episode.
    """

    def _setup_model(self) -> None:
        super()._setup_model()
        plain = self.rollout_buffer
        assert isinstance(plain, RecurrentRolloutBuffer)
        self.rollout_buffer = ShapedRecurrentBuffer(
            plain.buffer_size,
            self.observation_space,
            self.action_space,
            plain.hidden_state_shape,
            self.device,
            gae_lambda=self.gae_lambda,
            gamma=self.gamma,
            n_envs=self.n_envs,
        )


class GridFeatures(BaseFeaturesExtractor):
    """The inputs of the LSTMs on a grid: the one-hot layer of GridPolicy with `width` outputs."""

    def __init__(self, observation_space: spaces.Box, cells: int, width: int) -> None:
        super().__init__(observation_space, width)
        self.layer = GridLayer(observation_space.shape[0], cells, width)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return features [B, width] of `observations` [B, D]."""
        return self.layer.shared(observations)


def recurrent_policy(task: Task, training: TrainingSpec) -> tuple[type[RecurrentActorCriticPolicy], dict[str, Any]]:
    """Return PPO's arguments (policy, policy_kwargs) for a recurrent policy.

    On grids the first layer has hidden[0] outputs. Actor and critic have one LSTM of width hidden[-1] each.
    """
    settings: dict[str, Any] = {"net_arch": [], "lstm_hidden_size": training.hidden[-1]}
    if task.view_cells and training.cells == "one-hot":
        settings["features_extractor_class"] = GridFeatures
        settings["features_extractor_kwargs"] = {"cells": task.view_cells, "width": training.hidden[0]}
    return RecurrentActorCriticPolicy, settings


def no_memory(policy: Any, sequences: int, rows: int) -> tuple[RNNStates, torch.Tensor]:
    """Return the arguments that an LSTM policy takes besides observations: empty memory, and no episode starts.

    Args:
        policy: The LSTM policy.
        sequences: The number of sequences.
        rows: The number of steps.
    """
    layers, _, width = policy.lstm_hidden_state_shape
    empty = torch.zeros((layers, sequences, width), device=policy.device)
    return RNNStates((empty, empty), (empty, empty)), torch.zeros(rows, device=policy.device)
