"""The quantities that a trial adapts: the scale of its rewards, its entropy bonus and its discount."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.rollout import Rollout
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.training.entropy import EntropyCoefficient
from rewardsmith.training.horizon import ScheduledHorizon
from rewardsmith.training.outcome import OutcomeRate
from rewardsmith.training.scale import ReturnScale, RunningScale


class Adaptation:
    """The adapted quantities of one trial.

    Attributes:
        scale: The running scale of a rollout's rewards; None if the settings do not normalise rewards.
        running: The same for the rewards of a replay buffer, of off-policy algorithms.
        entropy: The coefficient of the entropy bonus; None if it is constant.
        horizon: The scheduled discount; None if it is fixed.
        outcome: The success rate that opens the gate `outcome`, which the shaper follows; None without such a gate.
    """

    def __init__(self, training: TrainingSpec, task: Task) -> None:
        scaled, off_policy = training.normalize_reward, training.off_policy
        self.scale = ReturnScale(training.gamma) if scaled and not off_policy else None
        self.running = RunningScale(training.gamma, training.num_envs) if scaled and off_policy else None
        self.outcome: OutcomeRate | None = None
        follows = training.entropy_schedule == "success" and not off_policy
        self.entropy = EntropyCoefficient(training.entropy, training.lr_hold) if follows else None
        scheduled = training.horizon == "scheduled" and not off_policy
        self.horizon = ScheduledHorizon(task, training.num_envs, training.gamma) if scheduled else None

    def scaled(self, total: NDArray[np.float64], rollout: Rollout) -> NDArray[np.float64]:
        """Return a rollout's composed rewards `total` [T, N], multiplied by one positive factor."""
        if self.horizon is not None:
            self.horizon.after(rollout)
        if self.scale is None:
            return total
        return total * self.scale.factor(total, rollout.terminated | rollout.truncated)

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, by name."""
        parts = {
            "scale": self.scale,
            "running": self.running,
            "entropy": self.entropy,
            "horizon": self.horizon,
            "outcome": self.outcome,
        }
        return {name: part.state() for name, part in parts.items() if part is not None}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` has returned."""
        if self.scale is not None and "scale" in state:
            self.scale.load(state["scale"])
        if self.running is not None and "running" in state:
            self.running.load(state["running"])
        if self.entropy is not None and "entropy" in state:
            self.entropy.load(state["entropy"])
        if self.horizon is not None and "horizon" in state:
            self.horizon.load(state["horizon"])
        if self.outcome is not None and "outcome" in state:
            self.outcome.load(state["outcome"])
