"""SB3's rollout buffer with channels: rewards are shaped once the rollout is complete."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer


class ShapedRolloutBuffer(RolloutBuffer):
    """Adds the channels' total to the bootstrap that SB3 left in `rewards`, then computes advantages.

    `shape_rollout` returns the composed reward, float64 [T, N]; it is set by the trial after SB3 has
    built the buffer.
    """

    shape_rollout: Callable[[], NDArray[np.float64]]

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: NDArray[np.bool_]) -> None:
        """GAE (Schulman et al. 2016) on composed rewards; the bootstrap of truncated steps is added last."""
        bootstrap = self.rewards.astype(np.float64)
        self.rewards[:] = (self.shape_rollout() + bootstrap).astype(np.float32)
        super().compute_returns_and_advantage(last_values, dones)
