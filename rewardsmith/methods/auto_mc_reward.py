"""Auto MC-Reward (Li et al., CVPR 2024, arXiv 2312.09238): a sparse and a dense part, each reduced to its sign.

    reward = 1.0 * sgn(sparse) + 0.1 * sgn(dense)

The environment's own reward is not added. The paper's clamp bounds a step, not an episode: 0.1 over 640
steps is 64 against a sparse 1. So the dense part's sum over an episode is kept within a cap.
"""

from __future__ import annotations

from typing import Any

from rewardsmith.methods.base import Method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract

DENSE_CAP = 3.0
"""Per-episode cap on the absolute net sum of the dense part, in units of one sparse reward.

With 1.0 the cap is reached halfway through the walks of DoorKey-8x8, and success stayed at 94-98 % instead of 99 %.
"""


class AutoMCReward(Method):
    """The designer writes sparse() and dense().

    Critic and analyzer are those of every job.
    """

    name = "auto-mc-reward"
    summary = "Auto MC-Reward: sparse() and dense(), each reduced to its sign"

    def contract(self, options: Any) -> Contract:
        """Both functions; sparse() is called first on each step."""
        return Contract(self.name, ("sparse", "dense"), DENSE_CAP)

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Channels `sparse` and `dense`, without the environment's reward."""
        sparse = Channel(name="sparse", weight=1.0, bound="sign")
        return (sparse, Channel(name="dense", weight=0.1, bound="sign", cap=DENSE_CAP))


METHOD = AutoMCReward()
