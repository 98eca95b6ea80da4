"""Methods and baselines compared: steps to 90 % success, area under the success curve. Writes results/methods.md.

    python -m benchmarks.methods --quick         20 minutes on 2 cores
    python -m benchmarks.methods                 two hours on 2 cores
    python -m benchmarks.methods --tune          three settings per arm on tuning seeds; the full run then uses the best

It can be stopped and started again: finished trials are in results/methods.jsonl, unfinished ones go on from their
checkpoints. An arm is one line of ARMS.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rewardsmith.methods.recipe import recipe_of
from rewardsmith.reporting.statistics import interquartile_mean, preliminary, steps_to_threshold, stratified_bootstrap
from rewardsmith.spec import JobSpec, read_spec, with_defaults

RESULTS = Path(__file__).with_name("results")
SEEDS_FROM, TUNING_SEEDS_FROM = 30_000, 40_000
POINTS = 40  # of a curve: steps to 90 % are read off it


@dataclass(frozen=True)
class Arm:
    """One line of the table: a method with options, and the grid that `--tune` chooses from (as long for all)."""

    name: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: tuple[Mapping[str, Any], ...] = ({}, {}, {})


def _betas(name: str, *values: float) -> tuple[Mapping[str, Any], ...]:
    return tuple({name: value} for value in values)


_JUDGE = {"mode": "judge", "subgoals": "preset"}
_BETAS = _betas("beta", 0.1, 0.5, 1.0)
ARMS = (
    Arm("sparse", "sparse"),
    Arm("hand", "hand"),
    Arm("count", "count", grid=_betas("beta", 0.001, 0.01, 0.1)),
    Arm("rnd", "rnd", grid=_betas("weight", 0.001, 0.01, 0.1)),
    Arm("noveld", "noveld", grid=_betas("weight", 0.001, 0.01, 0.1)),
    Arm("e3b", "e3b", grid=_betas("weight", 0.001, 0.01, 0.1)),
    Arm("calm, code", "calm", grid=_BETAS),
    Arm("calm, judge 0 %", "calm", _JUDGE, _BETAS),
    Arm("calm, judge 10 %", "calm", {**_JUDGE, "false_positive": 0.1, "false_negative": 0.1}, _BETAS),
    Arm("calm, judge 30 %", "calm", {**_JUDGE, "false_positive": 0.3, "false_negative": 0.3}, _BETAS),
)
CALM_CLAIM, LONG = ("calm, code", "calm, judge 0 %"), 10
"""On LONG_TASKS the arm `sparse` also runs for LONG times the steps that these arms needed."""
LONG_TASKS = ("DoorKey-8x8", "UnlockPickup", "KeyCorridorS3R3")
TASKS = {
    "DoorKey-6x6": 300_000,
    "DoorKey-8x8": 500_000,
    "Unlock": 300_000,
    "UnlockPickup": 1_000_000,
    "KeyCorridorS3R2": 600_000,
    "KeyCorridorS3R3": 1_500_000,
    "MultiRoom-N2-S4": 300_000,
}
QUICK = {"DoorKey-6x6": 200_000, "DoorKey-8x8": 300_000, "UnlockPickup": 500_000}
TUNING = {"DoorKey-8x8": 300_000, "UnlockPickup": 600_000}


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

    @property
    def key(self) -> str:
        """What tells runs apart; also a folder's name."""
        told = json.dumps(asdict(self), sort_keys=True)
        return f"{self.task}-{self.method}-{self.seed}-{abs(hash_of(told)):x}"

    @property
    def spec(self) -> JobSpec:
        """As a job would be asked for."""
        asked = {
            "task": f"MiniGrid-{self.task}-v0",
            "method": self.method,
            "options": {self.method: dict(self.options)},
        }
        return read_spec(with_defaults(asked))


def hash_of(text: str) -> int:
    """64 bits of sha256."""
    import hashlib

    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def train(run: Run, work: str) -> dict[str, Any]:
    """One trial, from its checkpoint if it has one; a row of results/methods.jsonl."""
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
        task, reward, spec.training, run.seed, run.steps, 1.0, folder, run.pool, curve_points=POINTS, learners=learners
    )
    curve = _Curve(folder)
    report = run_trial(plan, curve.add, lambda _: None)
    return {
        **asdict(run), "key": run.key, "curve": curve.points,
        "final": report.stochastic.success, "greedy": report.greedy.success, "episodes": report.stochastic.episodes,
        "steps_per_second": round(report.steps_per_second), "seconds": round(time.monotonic() - began, 1),
        "oracle_informed": recipe.oracle_informed, "sandbox": report.sandbox_level,
    }  # fmt: skip


class _Curve:
    """Points of a trial's curve [steps, success, episodes], kept beside its checkpoint."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "curve.json"
        self.points: list[list[float]] = json.loads(self._path.read_text()) if self._path.exists() else []

    def add(self, point: Any) -> None:
        """Add a point; a resumed trial plays those since its checkpoint again."""
        self.points = [p for p in self.points if p[0] < point.steps]
        self.points.append([point.steps, point.evaluation.success, point.evaluation.episodes])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.points))


def _program(spec: JobSpec) -> str:
    """The method's own program, or what synth answers to the first request, the planner's order hidden from it."""
    from rewardsmith.agents import roles
    from rewardsmith.agents.models import open_model
    from rewardsmith.tasks import get_task

    recipe, task = recipe_of(spec), get_task(spec.task)
    if recipe.contract is None:
        return recipe.program(task)
    asked = roles.DesignRequest(
        recipe.contract, task.interface(), 1, 0, 1, "new", 0, [], [], given=recipe.given(task)
    )  # fmt: skip
    outcome = roles.design(open_model("synth"), asked)
    assert outcome.result is not None, outcome.reason
    return outcome.result.source


# ---- which trials


def planned(tasks: Mapping[str, int], arms: Iterable[Arm], seeds: int, tuned: Mapping[str, Any]) -> list[Run]:
    """Every arm on every task with the same seeds; tasks in turn, so that a stopped run has whole tasks."""
    return [
        Run(task, arm.name, arm.method, {**arm.options, **tuned.get(arm.name, {})}, SEEDS_FROM + k, steps)
        for task, steps in tasks.items()
        for k in range(seeds)
        for arm in arms
    ]


def prolonged(rows: list[dict[str, Any]], tasks: Mapping[str, int], seeds: int) -> list[Run]:
    """`sparse` for ten times the most steps that CALM needed, where its usual runs are shorter than that."""
    runs = []
    for task in (t for t in LONG_TASKS if t in tasks):
        needed = [reached(r) for r in rows if r["task"] == task and r["arm"] in CALM_CLAIM and r["pool"] == "claim"]
        steps = LONG * max((n for n in needed if n is not None), default=0)
        if steps > tasks[task]:
            runs += [Run(task, "sparse, prolonged", "sparse", {}, SEEDS_FROM + k, steps) for k in range(seeds)]
    return runs


def reached(row: Mapping[str, Any]) -> int | None:
    """Steps to 90 %, None if never."""
    steps, success, _ = zip(*row["curve"], strict=True)
    return steps_to_threshold(steps, success)


def area(row: Mapping[str, Any]) -> float:
    """Mean success over the trial's steps, by the trapezoid rule from 0 at the start."""
    points = [(0, 0.0), *((s, p) for s, p, _ in row["curve"])]
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points)) / points[-1][0]


def perform(runs: list[Run], path: Path, work: Path, slots: int, until: float) -> None:
    """Train what is not in `path` yet, `slots` at a time, starting nothing after `until`; append each row."""
    done = {row["key"] for row in read_rows(path)}
    left = [run for run in runs if run.key not in done]
    # A fresh interpreter each: a forked one would inherit torch's threads.
    with ProcessPoolExecutor(slots, mp_context=get_context("spawn")) as pool:
        open_runs: dict[Any, Run] = {}
        while left or open_runs:
            while left and len(open_runs) < slots and time.monotonic() < until:
                run = left.pop(0)
                open_runs[pool.submit(train, run, str(work))] = run
            if not open_runs:
                print(f"time is up; {len(left)} trials are left: the same command goes on", flush=True)
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
    """Finished trials."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# ---- tuning


def tuning_runs(arms: Iterable[Arm]) -> list[Run]:
    """Three settings per arm, the same tasks and seed for all, on layouts that no claim uses."""
    # An arm without settings has as many seeds instead.
    return [
        Run(
            task,
            f"{arm.name} #{k}",
            arm.method,
            {**arm.options, **setting},
            TUNING_SEEDS_FROM + (0 if setting else k),
            steps,
            "select",
        )
        for task, steps in TUNING.items()
        for arm in arms
        for k, setting in enumerate(arm.grid)
    ]


def best_settings(rows: list[dict[str, Any]], arms: Iterable[Arm]) -> dict[str, Any]:
    """The setting of each arm with the largest area, the mean over the tuning tasks."""
    chosen = {}
    for arm in arms:
        areas = [[area(r) for r in rows if r["arm"] == f"{arm.name} #{k}"] for k in range(len(arm.grid))]
        if all(areas):
            means = [sum(a) / len(a) for a in areas]
            chosen[arm.name] = dict(arm.grid[means.index(max(means))])
    return chosen


# ---- the table


def table(rows: list[dict[str, Any]], tasks: Iterable[str], arms: Iterable[Arm]) -> str:
    """results/methods.md."""
    seeds = max((len({r["seed"] for r in rows if r["task"] == t}) for t in tasks), default=0)
    label = "**preliminary** (fewer than 10 seeds)" if preliminary(seeds) else ""
    lines = [
        "# Methods compared", "",
        f"{seeds} seeds, the same for every arm {label}. Stochastic policy, success of the unshaped environment on "
        "layouts that training did not see.", "",
        "- steps to 90 %: the first of three evaluations in a row (200 episodes each) at 90 % or more; the median over "
        "seeds, and each seed in brackets. `> n`: not within n steps (right-censored). A median of censored runs is a "
        "lower bound.",
        "- area: mean success over the steps of the column `steps`; interquartile mean over seeds with a 95 % "
        "bootstrap interval.",
        "- against sparse: the ratio of median steps to 90 %, of the longest sparse runs of the task; `>=`: sparse was "
        "censored.",
        "- *: oracle-informed (a planner's subgoals, or a stand-in that reads the simulator's truth).", "",
        "| task | arm | setting | steps | steps to 90 % | against sparse | area | final success % |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    names = [*dict.fromkeys(a.name for a in arms), "sparse, prolonged"]
    for task in tasks:
        mine = {
            name: [r for r in rows if r["task"] == task and r["arm"] == name and r["pool"] == "claim"] for name in names
        }
        sparse = mine["sparse, prolonged"] or mine["sparse"]
        lines += [_line(task, name, sorted(found, key=_seed), sparse) for name, found in mine.items() if found]
    return "\n".join(lines) + "\n"


def _seed(row: Mapping[str, Any]) -> int:
    return row["seed"]


def _line(task: str, arm: str, rows: list[dict[str, Any]], sparse: list[dict[str, Any]]) -> str:
    setting = " ".join(f"{k}={v}" for k, v in rows[0]["options"].items() if k not in ("mode", "subgoals"))
    areas = [area(r) for r in rows]
    low, high = stratified_bootstrap(areas)
    interval = f" [{low:.3f}, {high:.3f}]" if math.isfinite(low) else " (one seed: no interval)"
    star = " *" if rows[0]["oracle_informed"] else ""
    final = ", ".join(f"{100 * r['final']:.1f}" for r in rows)
    median, censored = _median(rows)
    each = ", ".join(_steps(reached(r), r["steps"]) for r in rows)
    return (
        f"| {task} | {arm}{star} | {setting or '-'} | {rows[0]['steps']:,} | {'> ' if censored else ''}{median:,.0f} "
        f"({each}) | {_ratio(rows, sparse)} | {interquartile_mean(areas):.3f}{interval} | {final} |"
    )


def _steps(value: int | None, budget: int) -> str:
    return f"> {budget:,}" if value is None else f"{value:,}"


def _median(rows: list[dict[str, Any]]) -> tuple[float, bool]:
    """Median steps to 90 %, and whether it is a lower bound: the middle run, or one of two, was censored."""
    found = sorted((reached(r) if reached(r) is not None else math.inf, r["steps"]) for r in rows)
    middle = found[(len(found) - 1) // 2 : len(found) // 2 + 1]
    values = [budget if math.isinf(value) else value for value, budget in middle]
    return sum(values) / len(values), any(math.isinf(value) for value, _ in middle)


def _ratio(rows: list[dict[str, Any]], sparse: list[dict[str, Any]]) -> str:
    if not sparse or rows[0]["method"] == "sparse":
        return "-"
    mine, censored = _median(rows)
    theirs, bound = _median(sparse)
    return "-" if censored else f"{'>= ' if bound else ''}{theirs / mine:.1f}x"


def main() -> None:
    """Parse the command line, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="start no trial later; 20 for --quick, else 120")
    parser.add_argument("--arms", nargs="*", help="only arms whose names begin so")
    parser.add_argument("--tasks", nargs="*", help="only these")
    parser.add_argument("--steps", type=int, help="of every trial, to try the benchmark out")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * (options.minutes or (20 if options.quick else 120))
    arms = [a for a in ARMS if not options.arms or any(a.name.startswith(n) for n in options.arms)]
    tasks = {
        t: options.steps or s for t, s in (QUICK if options.quick else TASKS).items() if t in (options.tasks or (t,))
    }
    path, work = options.results / "methods.jsonl", options.results / "methods-unfinished"
    settings = options.results / "methods-tuned.json"
    if options.tune:
        perform(tuning_runs(arms), path, work, options.slots, until)
        chosen = best_settings([r for r in read_rows(path) if r["pool"] == "select"], arms)
        settings.write_text(json.dumps(chosen, indent=1) + "\n")
        return
    tuned = json.loads(settings.read_text()) if settings.exists() else {}
    runs = planned(tasks, arms, options.seeds, tuned)
    perform(runs, path, work, options.slots, until)
    keys = {r.key for r in runs}
    rows = [r for r in read_rows(path) if r["key"] in keys]
    if any(a.name in CALM_CLAIM for a in arms) and not options.steps:
        more = prolonged(rows, tasks, options.seeds)
        perform(more, path, work, options.slots, until)
        keys |= {r.key for r in more}
    rows = [r for r in read_rows(path) if r["key"] in keys]
    name = "methods-quick.md" if options.quick else "methods.md"
    (options.results / name).write_text(table(rows, tasks, arms))
    print((options.results / name).read_text())


if __name__ == "__main__":
    main()
