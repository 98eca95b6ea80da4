"""When a trial is cut, evaluated and stopped. Light: the engine asks it too, without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task

_CUT_LIMITS = 3  # a checkpoint cuts episodes: at least this many step limits lie between two of them
_CURVE_POINTS = 12  # per full trial, unless more are asked for


@dataclass(frozen=True)
class Schedule:
    """Rollouts at which things happen, for a trial of `steps` environment steps."""

    per_rollout: int  # environment steps
    total: int  # rollouts of the full trial
    cut_every: int
    point_every: int

    def rung_end(self, fraction: float) -> int:
        """The rollout at which a rung ends: the last cut within its share, or the trial's end."""
        if fraction >= 1.0 or self.cut_every >= self.total:
            return self.total
        return max(1, int(self.total * fraction) // self.cut_every) * self.cut_every


def schedule(task: Task, training: TrainingSpec, steps: int, points: int = _CURVE_POINTS) -> Schedule:
    """When to cut, to evaluate and to stop; about `points` points in a full trial's curve."""
    per_rollout = training.num_envs * training.rollout_steps
    total = max(1, steps // per_rollout)
    cut_every = math.ceil(_CUT_LIMITS * task.max_steps / training.rollout_steps)
    return Schedule(per_rollout, total, cut_every, max(1, total // points))


def distinct_rungs(task: Task, training: TrainingSpec, steps: int, rungs: Sequence[float]) -> tuple[float, ...]:
    """`rungs` without those that end where the next one does, because no cut lies between them.

    Such a rung trains nothing, but costs a process and its evaluations.
    """
    plans = schedule(task, training, steps)
    ends = [plans.rung_end(r) for r in rungs]
    return tuple(r for k, r in enumerate(rungs) if k == len(rungs) - 1 or ends[k] != ends[k + 1])
