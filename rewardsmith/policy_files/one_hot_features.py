"""The first layer of a recurrent policy on a grid, copied into exported folders; it imports torch and SB3 alone."""

from __future__ import annotations

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor


class OneHotFeatures(BaseFeaturesExtractor):
    """The inputs of the LSTMs on a grid: one layer with tanh over cells that are written one-hot."""

    def __init__(self, observation_space, width: int) -> None:
        super().__init__(observation_space, width)
        self.first = torch.nn.Linear(observation_space.shape[0], width)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return features [B, width] of `observations` [B, D]."""
        return torch.tanh(self.first(observations))
