"""Trials with tiny budgets and methods' learners, complete or killed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewardsmith.methods.base import Method, Setting
from rewardsmith.programs.reward import ENV, TrainingReward
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import CurvePoint, TrialPlan, TrialReport, run_trial

TASK = "MiniGrid-DoorKey-5x5-v0"  # 250 steps at most, so a forced truncation every 12 rollouts
TRAINING = TrainingSpec(num_envs=4, rollout_steps=64, batch_size=64, epochs=1, eval_episodes=10, final_episodes=10)
ROLLOUT = 4 * 64
STEPS = 14 * ROLLOUT


class Killed(Exception):
    """Simulates kill -9: nothing is written after it."""


def run(
    folder: Path, methods: Mapping[Method, Mapping[str, Any]], kill_at: int | None = None
) -> tuple[TrialReport, list[CurvePoint]]:
    """Train on the bonuses of `methods`, each with its options, raising Killed at rollout `kill_at`."""
    points: list[CurvePoint] = []
    chosen = {method: method.combined_options(options) for method, options in methods.items()}
    bonuses = [channel for method, options in chosen.items() for channel in method.bonuses(options)]
    task, reward = get_task(TASK), TrainingReward("", (), (ENV, *bonuses))
    made = {m.name: m.learner(Setting(task, TRAINING, reward, 3, STEPS, folder, o)) for m, o in chosen.items()}
    learners = {name: learner for name, learner in made.items() if learner is not None}

    def beat(done: int) -> None:
        if kill_at is not None and done >= kill_at * ROLLOUT:
            raise Killed

    plan = TrialPlan(task, reward, TRAINING, 3, STEPS, 1.0, folder, curve_points=3, learners=learners)
    return run_trial(plan, points.append, beat), points


def run_program(
    folder: Path, method: Method, source: str, options: Mapping[str, Any], kill_at: int | None = None
) -> tuple[TrialReport, list[CurvePoint]]:
    """Train on a method's program with its own learner, raising Killed at rollout `kill_at`."""
    points: list[CurvePoint] = []
    chosen = method.Options.model_validate(dict(options))
    task, reward = get_task(TASK), method.reward(source, chosen)
    made = method.learner(Setting(task, TRAINING, reward, 3, STEPS, folder, chosen))

    def beat(done: int) -> None:
        if kill_at is not None and done >= kill_at * ROLLOUT:
            raise Killed

    learners = {method.name: made} if made is not None else {}
    plan = TrialPlan(task, reward, TRAINING, 3, STEPS, 1.0, folder, curve_points=3, learners=learners)
    return run_trial(plan, points.append, beat), points
