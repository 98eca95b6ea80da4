"""The rollouts at which a trial is truncated, evaluated and stopped. The engine imports it without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task

_CUT_LIMITS = 3  # step limits between two checkpoints, at least, because a checkpoint truncates all episodes
_CUT_STEPS = 2_000  # environment steps between two checkpoints of an off-policy algorithm, at least: each takes 50 ms
_CURVE_POINTS = 12  # of a full trial, by default


@dataclass(frozen=True)
class Schedule:
    """The schedule of a trial, in rollouts.

    Attributes:
        per_rollout: Environment steps per rollout.
        total: Rollouts of the full trial.
        cut_every: Rollouts between two checkpoints, each of which truncates all episodes.
        point_every: Rollouts between two points of the curve.
    """

    per_rollout: int
    total: int
    cut_every: int
    point_every: int

    def rung_end(self, fraction: float) -> int:
        """Return the rollout at which a rung ends.

        Args:
            fraction: The rung's fraction of the trial, in (0, 1].

        Returns:
            The last checkpoint within that fraction, at least the first one; the trial's end for 1.
        """
        if fraction >= 1.0 or self.cut_every >= self.total:
            return self.total
        return max(1, int(self.total * fraction) // self.cut_every) * self.cut_every


def schedule(task: Task, training: TrainingSpec, steps: int, points: int = _CURVE_POINTS) -> Schedule:
    """Return the schedule of a trial of `steps` environment steps with about `points` points in its curve."""
    per_rollout = training.num_envs * training.collected
    total = max(1, steps // per_rollout)
    apart = _CUT_LIMITS * task.max_steps
    if training.off_policy:
        apart = max(apart, _CUT_STEPS // training.num_envs)
    cut_every = math.ceil(apart / training.collected)
    return Schedule(per_rollout, total, cut_every, max(1, total // points))


def distinct_rungs(task: Task, training: TrainingSpec, steps: int, rungs: Sequence[float]) -> tuple[float, ...]:
    """Return `rungs` without those that end at the same checkpoint as the next one.

    Such a rung trains nothing but costs a process and its evaluations.
    """
    plans = schedule(task, training, steps)
    ends = [plans.rung_end(r) for r in rungs]
    return tuple(r for k, r in enumerate(rungs) if k == len(rungs) - 1 or ends[k] != ends[k + 1])
