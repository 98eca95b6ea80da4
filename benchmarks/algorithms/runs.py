"""Trials of benchmarks.algorithms: one run is a comparison, an arm and a seed; each runs in a process of its own."""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.algorithms import SEEDS_FROM, Comparison, reward_of, task_of
from rewardsmith.errors import RewardsmithError
from rewardsmith.spec import TrainingSpec
from rewardsmith.training.evaluation import Evaluation
from rewardsmith.training.scale import RETURNS
from rewardsmith.training.trial import CurvePoint, TrialPlan, run_trial
from sandbox.client import HostError

RESULTS = Path(__file__).parents[1] / "results"
ROWS = RESULTS / "algorithms.jsonl"
HOURS = 24.0  # core-hours of all rows together, by default
POINTS = 4  # of a learning curve


@dataclass(frozen=True)
class Run:
    """One trial."""

    comparison: Comparison
    arm: str
    seed: int

    @property
    def key(self) -> str:
        """Unique key of the run and its settings among the rows: other defaults make another run."""
        task = task_of(self.comparison)
        # What a setting leaves to the code: the scale of replayed rewards, which decides what SAC and DQN learn.
        scale = RETURNS if self.comparison.training().off_policy else 1.0
        told = [settings_of(self.comparison), reward_of(self.arm, task).hash, self.comparison.steps, scale]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
        name = f"{self.comparison.task}.{self.comparison.algorithm}.{self.arm}.{self.seed}"
        return f"{name.replace('/', '_')}.{digest}"


def settings_of(comparison: Comparison) -> dict[str, Any]:
    """The settings of a comparison that differ from the defaults of TrainingSpec."""
    defaults = TrainingSpec().model_dump(mode="json")
    given = comparison.training().model_dump(mode="json")
    return {name: value for name, value in given.items() if value != defaults[name]}


def train(run: Run, key: str, work: str | None) -> dict[str, Any]:
    """Train one run and return its row; a refused or failed trial has `error` instead of results."""
    began, used = time.monotonic(), _cpu_seconds()
    row: dict[str, Any] = {
        "key": key, "task": run.comparison.task, "algorithm": run.comparison.algorithm, "arm": run.arm,
        "seed": run.seed, "steps": run.comparison.steps, "settings": settings_of(run.comparison), "code": _commit(),
    }  # fmt: skip
    try:
        if work is not None:
            folder = Path(work) / key
            folder.mkdir(parents=True, exist_ok=True)
            row |= _trained(run, folder)
        else:
            with tempfile.TemporaryDirectory() as name:
                row |= _trained(run, Path(name))
    except (RewardsmithError, HostError) as error:
        row["error"] = " ".join(str(error).split())[:300]
    return {**row, "seconds": round(time.monotonic() - began), "cpu_seconds": round(_cpu_seconds() - used)}


def _trained(run: Run, folder: Path) -> dict[str, Any]:
    task, curve = task_of(run.comparison), []

    def note(point: CurvePoint) -> None:
        seen = point.evaluation
        if seen is not None:
            curve.append([point.steps, round(seen.success, 3), round(seen.mean_return, 2)])

    plan = TrialPlan(
        task, reward_of(run.arm, task), run.comparison.training(), SEEDS_FROM + run.seed, run.comparison.steps, 1.0,
        folder, pool="claim", curve_points=POINTS,
    )  # fmt: skip
    report = run_trial(plan, note, lambda _: None)
    assert report.greedy is not None
    return {
        "stochastic": _numbers(report.stochastic), "greedy": _numbers(report.greedy), "curve": curve,
        "steps_per_second": round(report.steps_per_second, 1),
    }  # fmt: skip


def _numbers(seen: Evaluation) -> dict[str, Any]:
    deviation = max(0.0, seen.mean_squared_return - seen.mean_return**2) ** 0.5
    return {
        "successes": seen.successes, "episodes": seen.episodes, "length": round(seen.mean_length, 1),
        "return": round(seen.mean_return, 4), "deviation": round(deviation, 4),
    }  # fmt: skip


def _cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended, such as the reward host."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def read_rows() -> list[dict[str, Any]]:
    """The rows so far."""
    return [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()] if ROWS.exists() else []


def perform(runs: Iterable[Run], jobs: int, hours: float, work: str | None) -> None:
    """Train the runs that have no row, `jobs` at a time, and append each row.

    No run starts once all rows together have taken `hours` core-hours. A run that ended in an error is tried again.
    """
    done = {row["key"] for row in read_rows() if "error" not in row}
    left = [(run, key) for run in runs if (key := _key_or_refusal(run)) is not None and key not in done]
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        running: set[Any] = set()
        while left or running:
            while left and len(running) < jobs and spent_hours() < hours:
                run, key = left.pop(0)
                running.add(pool.submit(train, run, key, work))
            if not running:
                print(f"{hours:g} core-hours are spent; {len(left)} trials are missing.", flush=True)
                return
            finished = next(as_completed(running))
            running.remove(finished)
            append(finished.result())


def _key_or_refusal(run: Run) -> str | None:
    """The key of a run; None, with a line that says why, if its settings or its task are refused."""
    try:
        return run.key
    except RewardsmithError as error:
        print(f"{run.comparison.task}, {run.comparison.algorithm}, {run.arm}: {error.cause}", flush=True)
        return None


def spent_hours() -> float:
    """The processor time of all rows, in hours."""
    return sum(row["cpu_seconds"] for row in read_rows()) / 3600


def append(row: dict[str, Any]) -> None:
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    told = row.get("error") or {kind: row[kind] for kind in ("stochastic", "greedy")}
    print(f"{row['key']}: {told} in {row['seconds']} s ({row['cpu_seconds']} s of one core)", flush=True)
