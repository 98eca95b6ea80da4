"""The sparse baseline on tasks of named variables, with unscaled rewards and with `normalize_reward`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec, default_steps, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import CurvePoint, TrialPlan, run_trial

TASKS = (
    (str(Path(__file__).parents[2] / "tests/cases/success_terminated/acrobot.yaml"), 60_000),
    ("CartPole-v1", default_steps("CartPole-v1")),
    ("MountainCar-v0", default_steps("MountainCar-v0")),
)
SEEDS = range(3)


def scale() -> Iterator[str]:
    """Success of the sparse baseline, three seeds, with `normalize_reward` off and on; yields lines."""
    yield from (
        "## The sparse baseline on tasks of named variables, with unscaled rewards and with `normalize_reward`", "",
        "The task's default settings except for `normalize_reward`. The curve: success in % of 50 episodes per",
        "point, evenly spaced. The last two columns: 200 episodes of the final policy.", "",
        "| task | steps | normalize_reward | seed | curve | stochastic, % | greedy, % |", "|" + "---|" * 7,
    )  # fmt: skip
    for name, steps in TASKS:
        for scaled in (False, True):
            for seed in SEEDS:
                yield _row(name, steps, scaled, seed)


def _row(name: str, steps: int, scaled: bool, seed: int) -> str:
    task = get_task(name)
    settings = {**default_training(task.id), "eval_episodes": 50, "final_episodes": 200, "normalize_reward": scaled}
    curve: list[str] = []

    def note(point: CurvePoint) -> None:
        curve.append(f"{100 * point.evaluation.success:.0f}")

    with tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(task, SPARSE, TrainingSpec.model_validate(settings), seed, steps, 1.0, Path(folder))
        report = run_trial(plan, note, lambda _: None)
    final = f"{100 * report.stochastic.success:.1f} | {100 * report.greedy.success:.1f}"
    return f"| {task.id} | {report.steps:,} | {'on' if scaled else 'off'} | {seed} | {' '.join(curve)} | {final} |"
