"""Trials of tiny budgets with a method's learner, whole and killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rewardsmith.methods.base import Method, Setting
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import CurvePoint, TrialPlan, TrialReport, run_trial

TASK = "MiniGrid-DoorKey-5x5-v0"  # 250 steps at most, so a cut every 750 steps of each environment
TRAINING = TrainingSpec(num_envs=4, rollout_steps=64, batch_size=64, epochs=1, eval_episodes=10, final_episodes=10)
STEPS = 4 * 64 * 26


class Killed(Exception):
    """Stands for kill -9: nothing after it is written."""


def run(
    folder: Path,
    method: Method,
    source: str = "",
    kill_at: int | None = None,
    steps: int = STEPS,
    **options: Any,
) -> tuple[TrialReport, list[CurvePoint]]:
    """Train `method` on DoorKey-5x5, raising Killed at the first rollout from `kill_at` on."""
    points: list[CurvePoint] = []
    chosen = method.Options(**options)
    task, reward = get_task(TASK), method.reward(source, chosen)
    learner = method.learner(Setting(task, TRAINING, reward, 3, steps, folder, chosen))
    named = {} if learner is None else {method.name: learner}

    def beat(done: int) -> None:
        if kill_at is not None and done >= kill_at:
            raise Killed

    plan = TrialPlan(task, reward, TRAINING, 3, steps, 1.0, folder, learners=named)
    return run_trial(plan, points.append, beat), points
