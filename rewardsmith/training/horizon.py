"""A scheduled horizon: the discount grows with the steps to the farthest milestone that training episodes reach.

Automatic discount scheduling (Liu et al., ICLR 2024, arXiv 2310.07433) sets gamma_k = alpha^(1/k) with alpha = 0.2.
There k is the progress along a demonstration; here the milestones of the task's own events take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import events_of
from rewardsmith.tasks.subgoals import MOTION

if TYPE_CHECKING:  # the engine imports this module without torch
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    from rewardsmith.training.shaping import RewardShaper

ALPHA = 0.2  # as published: what a reward k steps away is worth
LEAST, MOST = 0.95, 0.995  # bounds of gamma
_MARGIN = 1.5  # k over the median step of the farthest milestone
_USUAL = 0.5  # fraction of episodes that must reach a milestone
_WINDOW = 200  # ended episodes that are looked at


def gamma_of(steps: float) -> float:
    """Return gamma = 0.2^(1 / k) for a horizon of k steps, within [0.95, 0.995]."""
    return float(np.clip(ALPHA ** (1.0 / max(steps, 1.0)), LEAST, MOST))


class ScheduledHorizon:
    """Follows in which step the episodes reach each milestone for the first time; a milestone is a kind of event.

    Let k be 1.5 times the median step of the farthest milestone that at least half of the last 200 episodes reached.
    The discount gamma = 0.2^(1/k) is set at checkpoints only, and never falls.

    Attributes:
        gamma: The present discount.
    """

    def __init__(self, task: Task, num_envs: int, gamma: float) -> None:
        """Begin with the smallest discount, or with that of the settings if it is smaller.

        Args:
            task: The task; its state rows have the column `event`.
            num_envs: The number N of environments.
            gamma: The discount of the settings.
        """
        field = require_milestones(task).schema.field("event")
        self._column = field.column
        self._milestones = [index for index, name in enumerate(field.values) if name not in MOTION]
        self.gamma = min(LEAST, gamma)
        self._reached = np.full((num_envs, len(self._milestones)), np.nan)
        self._step = np.zeros(num_envs, dtype=np.int64)
        self._ended: list[list[float]] = []

    def after(self, rollout: Rollout) -> None:
        """Record in which step the episodes of a rollout reach each milestone."""
        events = rollout.after[:, :, self._column]
        done = rollout.terminated | rollout.truncated
        for t in range(len(events)):
            self._step[rollout.starts[t]] = 0
            self._reached[rollout.starts[t]] = np.nan
            self._step += 1
            now = events[t][:, None] == np.asarray(self._milestones)
            first = now & np.isnan(self._reached)
            self._reached[first] = np.broadcast_to(self._step[:, None], first.shape)[first]
            ended = done[t] & ~rollout.cut[t]
            self._ended.extend(self._reached[ended].tolist())
        del self._ended[:-_WINDOW]

    def at_checkpoint(self) -> float:
        """Set the discount from the last episodes, and return it."""
        k = farthest(np.asarray(self._ended).reshape(-1, len(self._milestones)))
        if k is not None:
            self.gamma = max(self.gamma, gamma_of(_MARGIN * k))
        return self.gamma

    def state(self) -> dict[str, Any]:
        """Return discount and ended episodes as JSON values; running episodes are left out, a checkpoint ends them."""
        rows = [[None if np.isnan(step) else step for step in row] for row in self._ended]
        return {"gamma": self.gamma, "ended": rows}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` has returned."""
        self.gamma = float(state["gamma"])
        self._ended = [[np.nan if step is None else step for step in row] for row in state["ended"]]


def set_discount(model: OnPolicyAlgorithm, shaper: RewardShaper, gamma: float) -> None:
    """Let the algorithm, its rollout buffer and potentials use the discount `gamma` from now on."""
    model.gamma = model.rollout_buffer.gamma = shaper.gamma = gamma


def farthest(steps: NDArray[np.float64]) -> float | None:
    """Return the median step of the farthest milestone that at least half of the episodes reached; None if none is.

    Args:
        steps: The step of the first occurrence, [episodes, milestones]; nan where there is none.
    """
    if not len(steps):
        return None
    usual = (~np.isnan(steps)).mean(axis=0) >= _USUAL
    return float(np.nanmedian(steps[:, usual], axis=0).max()) if usual.any() else None


def require_milestones(task: Task) -> Task:
    """Return the task. Raises UsageError if its states name no events."""
    if events_of(task) is None or "event" not in task.schema:
        raise UsageError(
            f"The horizon cannot be scheduled on {task.id}, whose states name no events.",
            "Set `training.horizon` to fixed.",
        )
    return task
