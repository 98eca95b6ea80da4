"""SB3's rollout buffers with reward channels: the reward is composed once the rollout is complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples


class Shaping(RolloutBuffer):
    """Adds the composed reward to the bootstrap values that SB3 left in `rewards`, then computes advantages.

    Attributes:
        shape_rollout: Returns the composed reward, float64 [T, N]. The trial sets it after SB3 has built the buffer.
        single: Whether rewards are rounded to float32 before bootstrap values are added, as SB3 does.
    """

    shape_rollout: Callable[[], NDArray[np.float64]]
    single = False

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: NDArray[np.bool_]) -> None:
        """Compute GAE (Schulman et al. 2016) on composed rewards plus the bootstrap values of truncated steps."""
        if self.single:
            self.rewards += self.shape_rollout().astype(np.float32)
            super().compute_returns_and_advantage(last_values, dones)
            return
        bootstrap = self.rewards.astype(np.float64)
        self.rewards[:] = (self.shape_rollout() + bootstrap).astype(np.float32)
        super().compute_returns_and_advantage(last_values, dones)


class ShapedDictRolloutBuffer(Shaping, DictRolloutBuffer):
    """The buffer of policies without memory that observe a Dict."""


class ShapedRolloutBuffer(Shaping):
    """The buffer of policies without memory.

    Attributes:
        on_minibatch: Called with the steps of the next minibatch, int64 [B], as indices n * T + t of SB3's flattened
            order.
    """

    on_minibatch: Callable[[NDArray[np.int64]], None] | None = None

    def _get_samples(self, batch_inds: NDArray[np.int64], env: Any = None) -> RolloutBufferSamples:
        if self.on_minibatch is not None:
            self.on_minibatch(batch_inds)
        return super()._get_samples(batch_inds, env)
