"""What a trial adapts as it goes: the scale of its rewards and the weight of its entropy bonus."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.rollout import Rollout
from rewardsmith.spec import TrainingSpec
from rewardsmith.training.entropy import EntropyCoefficient
from rewardsmith.training.scale import ReturnScale


class Adaptation:
    """`scale` and `entropy` are None where the settings keep the rewards, or the coefficient, as they are."""

    def __init__(self, training: TrainingSpec) -> None:
        self.scale = ReturnScale(training.gamma) if training.normalize_reward else None
        follows = training.entropy_schedule == "success"
        self.entropy = EntropyCoefficient(training.entropy, training.lr_hold) if follows else None

    def scaled(self, total: NDArray[np.float64], rollout: Rollout) -> NDArray[np.float64]:
        """A rollout's composed rewards [T, N], times one positive factor."""
        if self.scale is None:
            return total
        return total * self.scale.factor(total, rollout.terminated | rollout.truncated)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        parts = {"scale": self.scale, "entropy": self.entropy}
        return {name: part.state() for name, part in parts.items() if part is not None}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        if self.scale is not None and "scale" in state:
            self.scale.load(state["scale"])
        if self.entropy is not None and "entropy" in state:
            self.entropy.load(state["entropy"])
