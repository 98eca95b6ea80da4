"""Success with scaled rewards: the whole reward, or the program's channel alone, times a factor.

.venv/bin/python -m benchmarks.programs.scale --jobs 2

Takes about 30 seconds per trial and process. Resumable: appends to results/programs-scale.jsonl and rewrites
results/programs-scale.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.programs import STEPS, Program, programs
from benchmarks.programs.train import RESULTS, measure, rows
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import CurvePoint, TrialPlan, run_trial

ROWS = RESULTS / "programs-scale.jsonl"
TASKS = ("MiniGrid-DoorKey-8x8-v0", "MiniGrid-UnlockPickup-v0")
FACTORS = {"total": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0), "program": (0.2, 0.5, 2.0, 5.0)}
SEEDS = range(3)
PROGRAMS = 6  # per task, the first ones by strong models
LONGER = 2  # trials with a scaled channel have this many times the task's steps


@dataclass(frozen=True)
class Run:
    """One trial: `factor` times the whole reward ("total"), or times all channels except `env` ("program")."""

    program: Program
    part: str
    factor: float
    seed: int

    @property
    def key(self) -> tuple[str, str, float, int]:
        """Unique key of the run among the rows."""
        return self.program.name, self.part, self.factor, self.seed

    def reward(self) -> TrainingReward:
        """The program's reward with the weights multiplied."""
        reward = self.program.reward()
        times = (c.name != "env" or self.part == "total" for c in reward.channels)
        channels = (
            replace(c, weight=c.weight * self.factor) if t else c for c, t in zip(reward.channels, times, strict=True)
        )
        return replace(reward, channels=tuple(channels))


@cache
def _sound(program: str, part: str, factor: float) -> str:
    """The failed check or the certificate's verdict for the reward with these weights."""
    from rewardsmith.verification.checks import run_checks

    run = Run(next(p for p in programs() if p.name == program), part, factor, 0)
    gamma = TrainingSpec.model_validate(default_training(run.program.task)).gamma
    checked = run_checks(Problem(get_task(run.program.task), run.reward(), gamma))
    failed = next((v.kind for v in checked.verdicts if not v.passed), None)
    certified = next((v.details.get("verdict") for v in checked.verdicts if v.kind == "certificate"), None)
    return failed or certified or "not certified"


def train(run: Run) -> dict[str, Any]:
    """Train one run; returns its row of results/programs-scale.jsonl."""
    task = get_task(run.program.task)
    training = TrainingSpec.model_validate({**default_training(task.id), "eval_episodes": 100, "final_episodes": 300})
    steps = STEPS[task.id] * (LONGER if run.part == "program" else 1)
    curve: list[tuple[int, float]] = []

    def note(point: CurvePoint) -> None:
        assert point.evaluation is not None
        curve.append((point.steps, round(point.evaluation.success, 3)))

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(task, run.reward(), training, run.seed, steps, 1.0, Path(folder), curve_points=24)
        report = run_trial(plan, note, lambda _: None)
    assert report.greedy is not None
    return {
        "program": run.program.name, "part": run.part, "factor": run.factor, "seed": run.seed,
        "check": _sound(run.program.name, run.part, run.factor) if run.seed == 0 and run.part == "program" else None,
        "success": report.stochastic.success, "greedy": report.greedy.success, "curve": curve,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def to_90(row: dict[str, Any]) -> float:
    """Steps to the first point of the curve at 90 % success; infinite if there is none."""
    return next((float(steps) for steps, success in row["curve"] if success >= 0.9), float("inf"))


def write_table() -> None:
    """Write results/programs-scale.md from all rows."""
    found: dict[tuple[str, str, float], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows(ROWS), key=lambda r: r["seed"]):
        found[row["program"], row["part"], row["factor"]].append(row)
    lines = [
        "# The size of a reward", "",
        "Written by `python -m benchmarks.programs.scale`. Mean success over the curve of each seed; in brackets",
        "success at the end in %, stochastic and greedy, mean of the seeds.",
    ]  # fmt: skip
    for part, factors in FACTORS.items():
        title = {"total": "The whole reward times a factor", "program": "The program's channel alone times a factor"}
        lines += ["", f"## {title[part]}", ""]
        lines += [f"| program | {' | '.join(f'{f:g}' for f in factors)} |", "|" + "---|" * (len(factors) + 1)]
        for name in sorted({key[0] for key in found}):
            cells = (_cell(found.get((name, part, factor), []), part) for factor in factors)
            lines.append(f"| {name.removeprefix('MiniGrid-').replace('-v0', '')} | {' | '.join(cells)} |")
    (RESULTS / "programs-scale.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(trials: list[dict[str, Any]], part: str) -> str:
    if not trials:
        return ""
    end = ", ".join(f"{100 * mean(r[kind] for r in trials):.0f}" for kind in ("success", "greedy"))
    if part == "total":
        areas = (mean(success for _, success in r["curve"]) for r in trials)
        return f"{', '.join(f'{area:.2f}' for area in areas)} ({end})"
    reached = ", ".join("never" if (s := to_90(r)) == float("inf") else f"{s / 1e6:.2f}M" for r in trials)
    checked = next((r["check"] for r in trials if r["check"]), "")
    return f"{reached} ({end}; {checked})"


def main() -> None:
    """Train the missing runs, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    done = {(r["program"], r["part"], r["factor"], r["seed"]) for r in rows(ROWS)}
    chosen = [p for task in TASKS for p in programs([task], ["strong"])[:PROGRAMS]]
    wanted = [
        Run(p, part, factor, seed)
        for seed in SEEDS for p in chosen for part, factors in FACTORS.items() for factor in factors
    ]  # fmt: skip
    measure(train, [run for run in wanted if run.key not in done], ROWS, options.jobs)
    write_table()


if __name__ == "__main__":  # processes that are spawned import this module, too
    main()
