"""The trials of the comparison: their list, the training of one, and of all that are missing."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import JobSpec, read_spec, with_defaults

from .arms import CALM_CLAIM, LONG, LONG_TASKS, TUNING, Arm
from .curves import area, reached

SEEDS_FROM, TUNING_SEEDS_FROM = 30_000, 40_000
POINTS, FINE = 24, 144  # points of a curve, which determine the resolution of steps to 90 %


@dataclass(frozen=True)
class Run:
    """One trial of the benchmark."""

    task: str
    arm: str
    method: str
    options: Mapping[str, Any]
    seed: int
    steps: int
    pool: str = "claim"
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Unique name of the run, also of its folder; that of an earlier version if no training setting differs."""
        text = json.dumps({k: v for k, v in asdict(self).items() if k != "training" or v}, sort_keys=True)
        return f"{self.task}-{self.method}-{self.seed}-{abs(hash_of(text)):x}"

    @property
    def points(self) -> int:
        """Evaluations during training: one after each rollout for methods that learn within a few of them."""
        return FINE if self.method in ("ulps", "clone") and self.pool == "claim" else POINTS

    @property
    def spec(self) -> JobSpec:
        """The spec of a job with this task, method and options."""
        asked = {
            "task": f"MiniGrid-{self.task}-v0",
            "method": self.method,
            "options": {self.method: dict(self.options)},
            "training": dict(self.training),
        }
        return read_spec(with_defaults(asked))


def hash_of(text: str) -> int:
    """The first 64 bits of the SHA-256 of a text."""

    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def train(run: Run, work: str) -> dict[str, Any]:
    """Train one trial, from its checkpoint if there is one; returns its row of results/methods.jsonl."""
    from rewardsmith.methods.base import Setting
    from rewardsmith.tasks import get_task
    from rewardsmith.training.trial import TrialPlan, run_trial

    spec, began = run.spec, time.monotonic()
    recipe, task = recipe_of(spec), get_task(spec.task)
    reward = recipe.reward(_program(spec))
    folder = Path(work) / run.key

    def setting(options: Any) -> Setting:
        return Setting(task, spec.training, reward, run.seed, run.steps, folder, options)

    learners = recipe.learners(setting)
    plan = TrialPlan(
        task,
        reward,
        spec.training,
        run.seed,
        run.steps,
        1.0,
        folder,
        run.pool,
        curve_points=run.points,
        learners=learners,
    )
    curve = _Curve(folder)
    report = run_trial(plan, curve.add, lambda _: None)
    return {
        **asdict(run), "key": run.key, "curve": curve.points,
        "final": report.stochastic.success, "greedy": report.greedy.success, "episodes": report.stochastic.episodes,
        "steps_per_second": round(report.steps_per_second), "seconds": round(time.monotonic() - began, 1),
        "told": report.telemetry.get("methods", {}).get(run.method, {}),
        "oracle_informed": recipe.oracle_informed, "sandbox": report.sandbox_level,
    }  # fmt: skip


class _Curve:
    """Points of a trial's curve, [steps, success, episodes], stored beside its checkpoint."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "curve.json"
        self.points: list[list[float]] = json.loads(self._path.read_text()) if self._path.exists() else []

    def add(self, point: Any) -> None:
        """Add a point and drop later ones, which a resumed trial evaluates again."""
        self.points = [p for p in self.points if p[0] < point.steps]
        self.points.append([point.steps, point.evaluation.success, point.evaluation.episodes])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.points))


def _program(spec: JobSpec) -> str:
    from rewardsmith.tasks import get_task

    return first_program(recipe_of(spec), get_task(spec.task))


def first_program(recipe: Any, task: Any) -> str:
    """Return a method's own program, or the first answer of synth without the planner's order of subgoals.

    Args:
        recipe: The method's recipe, see methods.recipe.
        task: The task.
    """
    from rewardsmith.agents import roles
    from rewardsmith.agents.registry import open_model

    if recipe.contract is None:
        return recipe.program(task)
    asked = roles.DesignRequest(
        recipe.contract, task.interface(), 1, 0, 1, "new", 0, [], [], given=recipe.given(task)
    )  # fmt: skip
    outcome = roles.design(open_model("synth"), asked)
    assert outcome.result is not None, outcome.reason
    return outcome.result.source


# ---- the list of trials


def planned(tasks: Mapping[str, int], arms: Iterable[Arm], seeds: int, tuned: Mapping[str, Any]) -> list[Run]:
    """Every arm on every task with the same seeds, task by task, so that a stopped benchmark has whole tasks."""
    return [
        Run(
            task,
            arm.name,
            arm.method,
            {**arm.options, **tuned.get(arm.name, {})},
            SEEDS_FROM + k,
            steps,
            training=arm.training,
        )
        for task, steps in tasks.items()
        for k in range(seeds)
        for arm in arms
        if not arm.tasks or task in arm.tasks
    ]


def prolonged(rows: list[dict[str, Any]], tasks: Mapping[str, int], seeds: int) -> list[Run]:
    """Runs of `sparse` for LONG times the steps that CALM needed, if the usual runs are shorter."""
    runs = []
    for task in (t for t in LONG_TASKS if t in tasks):
        needed = [reached(r) for r in rows if r["task"] == task and r["arm"] in CALM_CLAIM and r["pool"] == "claim"]
        steps = LONG * max((n for n in needed if n is not None), default=0)
        if steps > tasks[task]:
            runs += [Run(task, "sparse, prolonged", "sparse", {}, SEEDS_FROM + k, steps) for k in range(seeds)]
    return runs


def perform(runs: list[Run], path: Path, work: Path, slots: int, until: float) -> None:
    """Train the runs that `path` does not contain, `slots` at a time, and append each row; start none after `until`."""
    done = {row["key"] for row in read_rows(path)}
    left = [run for run in runs if run.key not in done]
    # A fresh interpreter for each: a forked one would inherit torch's threads.
    with ProcessPoolExecutor(slots, mp_context=get_context("spawn")) as pool:
        open_runs: dict[Any, Run] = {}
        while left or open_runs:
            while left and len(open_runs) < slots and time.monotonic() < until:
                run = left.pop(0)
                open_runs[pool.submit(train, run, str(work))] = run
            if not open_runs:
                print(f"Time is up; {len(left)} trials are missing. Run the same command to continue.", flush=True)
                return
            finished = next(as_completed(open_runs))
            row = finished.result()
            shutil.rmtree(work / open_runs.pop(finished).key, ignore_errors=True)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(
                f"{row['task']} {row['arm']} seed {row['seed']}: {row['final']:.1%} in {row['seconds']} s", flush=True
            )


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of the finished trials."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# ---- tuning


def tuning_runs(arms: Iterable[Arm]) -> list[Run]:
    """Three settings per arm, with the same task and seed for all, on layouts that no final evaluation uses."""
    # An arm without settings trains on three seeds instead.
    return [
        Run(
            task,
            f"{arm.name} #{k}",
            arm.method,
            {**arm.options, **setting},
            TUNING_SEEDS_FROM + (0 if setting else k),
            steps,
            "select",
            arm.training,
        )
        for task, steps in TUNING.items()
        for arm in arms
        if not arm.tasks or task in arm.tasks
        for k, setting in enumerate(arm.grid)
    ]


def best_settings(rows: list[dict[str, Any]], arms: Iterable[Arm]) -> dict[str, Any]:
    """For each arm, the setting with the largest mean area over the tuning tasks."""
    chosen = {}
    for arm in arms:
        areas = [[area(r) for r in rows if r["arm"] == f"{arm.name} #{k}"] for k in range(len(arm.grid))]
        if areas and all(areas):
            means = [sum(a) / len(a) for a in areas]
            chosen[arm.name] = dict(arm.grid[means.index(max(means))])
    return chosen
