"""PPO that never takes an action which the environment forbids (sb3-contrib; Huang and Ontañón 2022)."""

from __future__ import annotations

from typing import Any

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer

from rewardsmith.training.buffers import Shaping

__all__ = ["MaskablePPO", "buffer_class"]


class ShapedMaskableBuffer(Shaping, MaskableRolloutBuffer):
    """sb3-contrib's buffer, whose rewards come from the channels."""


class ShapedMaskableDictBuffer(Shaping, MaskableDictRolloutBuffer):
    """sb3-contrib's buffer of Dict observations with channels."""


def buffer_class(several: bool) -> Any:
    """The rollout buffer for one observation space, or for a Dict of several."""
    return ShapedMaskableDictBuffer if several else ShapedMaskableBuffer
