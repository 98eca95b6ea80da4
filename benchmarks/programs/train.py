"""Train programs that language models wrote, with the default settings or the earlier ones.

.venv/bin/python -m benchmarks.programs train --jobs 2                       # one seed of every program
.venv/bin/python -m benchmarks.programs train --sizes strong --seeds 0 1 2
.venv/bin/python -m benchmarks.programs train --arm before --sizes strong    # the earlier default settings
.venv/bin/python -m benchmarks.programs check                                # verdicts and predicted difficulty
.venv/bin/python -m benchmarks.programs table                                # writes results/programs.md

A trial takes 10 seconds to 2 minutes, all recorded ones 2 hours of one process. Resumable: appends to
results/programs.jsonl and results/programs-checks.jsonl.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.programs import STEPS, Program, programs
from rewardsmith.programs.problem import Problem
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import CurvePoint, TrialPlan, run_trial
from sandbox.client import HostError

RESULTS = Path(__file__).parents[1] / "results"
ROWS = RESULTS / "programs.jsonl"
CHECKS = RESULTS / "programs-checks.jsonl"
LAYOUTS = 4  # per check

_ONE_ROOM = {"learning_rate": 7e-4, "entropy": 0.003, "normalize_advantage": False, "hidden": (64, 64)}
_ROOMS = {
    "learning_rate": 1e-3, "gamma": 0.97, "hidden": (128, 64), "entropy": 0.01, "gae_lambda": 0.98,
    "normalize_advantage": True,
}  # fmt: skip
_BEFORE = {
    "epochs": 4, "batch_size": 1024, "rollout_steps": 64, "gamma": 0.99, "gae_lambda": 0.95,
    "normalize_reward": False, "entropy_schedule": "constant",
}  # fmt: skip


def before(task: str) -> dict[str, Any]:
    """The earlier default settings: a constant entropy coefficient, rewards without normalisation."""
    return {**_BEFORE, **(_ONE_ROOM if task.startswith("MiniGrid-DoorKey-8x8") else _ROOMS)}


ARMS: dict[str, Callable[[str], dict[str, Any]]] = {"default": default_training, "before": before}


@dataclass(frozen=True)
class Run:
    """One trial: a program, the arm with its settings, and a seed."""

    arm: str
    program: Program
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """Unique key of the trial among the rows."""
        return self.arm, self.program.name, self.seed


def train(run: Run) -> dict[str, Any]:
    """Train a program for its task's number of steps; returns its row of results/programs.jsonl."""
    task = get_task(run.program.task)
    few = {"eval_episodes": 100, "final_episodes": 500}
    training = TrainingSpec.model_validate({**ARMS[run.arm](task.id), **few})
    curve: list[tuple[int, float]] = []

    def note(point: CurvePoint) -> None:
        assert point.evaluation is not None
        curve.append((point.steps, round(point.evaluation.success, 3)))

    row: dict[str, Any] = {"arm": run.arm, "program": run.program.name, "seed": run.seed}
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            plan = TrialPlan(task, run.program.reward(), training, run.seed, STEPS[task.id], 1.0, Path(folder))
            report = run_trial(plan, note, lambda _: None)
    except HostError as error:
        return {**row, "fault": str(error)[:200]}
    assert report.greedy is not None
    return {
        **row, "success": report.stochastic.success, "greedy": report.greedy.success, "curve": curve,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def check(program: Program) -> dict[str, Any]:
    """Check a program; returns its row of results/programs-checks.jsonl."""
    from rewardsmith.verification.checks import Proof, run_checks

    task = get_task(program.task)
    gamma = TrainingSpec.model_validate(default_training(task.id)).gamma
    checked = run_checks(Problem(task, program.reward(), gamma), proof=Proof(layouts=LAYOUTS))
    failed = next((v.kind for v in checked.verdicts if not v.passed), None)
    certificate = next((v.details.get("verdict") for v in checked.verdicts if v.kind == "certificate"), None)
    return {"program": program.name, "failed": failed, "verdict": certificate, "difficulty": checked.difficulty}


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a results file; empty if it does not exist."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def measure(work: Callable[[Any], dict[str, Any]], asked: Iterable[Any], path: Path, jobs: int) -> None:
    """Apply `work` to each of `asked` in `jobs` processes, and append each row to `path` when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(work, one) for one in asked]
        for future in as_completed(running):
            row = future.result()
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps({k: v for k, v in row.items() if k != "curve"}), flush=True)


def main() -> None:
    """Parse the command line; train or check the missing programs, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "check", "table"])
    parser.add_argument("--tasks", nargs="*", default=list(STEPS), choices=list(STEPS), metavar="TASK")
    parser.add_argument("--sizes", nargs="*", default=["strong", "mid", "small"], choices=["strong", "mid", "small"])
    parser.add_argument("--arm", default="default", choices=list(ARMS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    chosen = programs(options.tasks, options.sizes)
    if options.what == "train":
        done = {(r["arm"], r["program"], r["seed"]) for r in rows(ROWS)}
        wanted = [Run(options.arm, p, seed) for seed in options.seeds for p in chosen]
        measure(train, [run for run in wanted if run.key not in done], ROWS, options.jobs)
    if options.what == "check":
        known = {r["program"] for r in rows(CHECKS)}
        measure(check, [p for p in chosen if p.name not in known], CHECKS, options.jobs)
    from benchmarks.programs.table import write_table

    write_table()
