"""Exploration bonuses on DoorKey-8x8 with the sparse reward: success within 200,000 steps.

.venv/bin/python -m benchmarks.bonuses --tune     # three weights for each bonus, on one tuning seed
.venv/bin/python -m benchmarks.bonuses            # three seeds of each, with the best weights

A trial takes one or two minutes of one core. Resumable: finished trials are in results/bonuses.jsonl, unfinished
ones continue from their checkpoints. Writes results/bonuses.md. Tuning uses other seeds and layouts than the
comparison.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.methods.arms import Arm
from benchmarks.methods.curves import area, reached
from benchmarks.methods.runs import SEEDS_FROM, TUNING_SEEDS_FROM, Run, perform, read_rows
from rewardsmith.spec import JobSpec, read_spec, with_defaults

RESULTS = Path(__file__).parent / "results"
TASK, STEPS = "DoorKey-8x8", 200_000
_TRAINING = {"gamma": 0.99, "gae_lambda": 0.95}
"""As in the authors' configurations; the task's own defaults are 0.97 and 0.9."""
_MOVING = {"normalize": "moving"}
_WEIGHTS = tuple({"weight": w} for w in (0.01, 0.003, 0.03))
_BETAS = tuple({"beta": w} for w in (0.01, 0.003, 0.03))
ARMS = (
    Arm("deir", "deir", {}, _WEIGHTS),
    Arm("etd", "etd", {}, _WEIGHTS),
    Arm("product, moving", "product", _MOVING, _WEIGHTS),
    Arm("e3b, moving", "e3b", _MOVING, _WEIGHTS),
    Arm("noveld, moving", "noveld", _MOVING, _WEIGHTS),
    Arm("count, moving", "count", _MOVING, _BETAS),
    Arm("rnd, moving", "rnd", _MOVING, _WEIGHTS),
    Arm("rapid", "rapid", {}, ({"steps": 5}, {"steps": 20}, {"steps": 50})),
    Arm("product", "product", {}, _WEIGHTS),
    Arm("sparse", "sparse", {}, ({},)),
)
"""The first setting of each is used where the arm has not been tuned; that of DEIR and ETD is the published one."""


@dataclass(frozen=True)
class BonusRun(Run):
    """A trial with the benchmark's training settings."""

    training: Mapping[str, Any] = field(default_factory=lambda: _TRAINING)

    @property
    def points(self) -> int:
        """Points of the curve: one every 16,384 steps."""
        return 12

    @property
    def spec(self) -> JobSpec:
        """The spec of a job with this method, its options and the training settings."""
        asked = {"task": f"MiniGrid-{self.task}-v0", "method": self.method, "training": dict(self.training)}
        return read_spec(with_defaults({**asked, "options": {self.method: dict(self.options)}}))


def tuning(arms: list[Arm], steps: int) -> list[Run]:
    """One run for each setting of each arm, on a tuning seed."""
    return [
        BonusRun(TASK, f"{arm.name} #{k}", arm.method, {**arm.options, **setting}, TUNING_SEEDS_FROM, steps, "select")
        for arm in arms
        for k, setting in enumerate(arm.grid)
    ]


def comparison(arms: list[Arm], steps: int, seeds: int, tuned: Mapping[str, Any]) -> list[Run]:
    """The runs of the table: every arm with its best setting, on the same seeds."""
    return [
        BonusRun(TASK, arm.name, arm.method, {**arm.options, **tuned.get(arm.name, arm.grid[0])}, SEEDS_FROM + k, steps)
        for k in range(seeds)
        for arm in arms
    ]


def best(rows: list[dict[str, Any]], steps: int) -> dict[str, Any]:
    """The setting with the largest area of each arm whose settings have all been tried."""
    found = {}
    for arm in ARMS:
        areas = [
            next((area(r) for r in rows if r["arm"] == f"{arm.name} #{k}" and r["steps"] == steps), None)
            for k in range(len(arm.grid))
        ]
        known = [a for a in areas if a is not None]
        if len(known) == len(areas):
            found[arm.name] = dict(arm.grid[areas.index(max(known))])
    return found


def table(rows: list[dict[str, Any]], steps: int) -> str:
    """The text of results/bonuses.md."""
    lines = [
        f"# Exploration bonuses on {TASK} with the sparse reward, {steps:,} steps", "",
        "gamma = 0.99, gae_lambda = 0.95, otherwise the task's default settings. "
        "Stochastic policy, 1,000 episodes on layouts that training did not see; preliminary below 10 seeds. Steps to "
        "90 %: the first of three evaluations in a row at 90 % or more; `-`: never. A setting marked * is the best of "
        "its row's three on one tuning seed; the others are the first of them, untuned.", "",
        "| bonus | setting | seeds | final success % | steps to 90 % | seconds of a trial |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    tuned = best(rows, steps)
    for arm in ARMS:
        mine = [r for r in rows if r["arm"] == arm.name and r["pool"] == "claim" and r["steps"] == steps]
        mine.sort(key=lambda r: r["seed"])
        if mine:
            setting = " ".join(f"{k}={v}" for k, v in mine[-1]["options"].items()) + (" *" if arm.name in tuned else "")
            to_90 = ", ".join(f"{reached(r):,}" if reached(r) else "-" for r in mine)
            final = ", ".join(f"{100 * r['final']:.1f}" for r in mine)
            seconds = ", ".join(f"{r['seconds']:.0f}" for r in mine)
            lines.append(f"| {arm.name} | {setting} | {len(mine)} | {final} | {to_90} | {seconds} |")
    tried = [r for r in rows if r["pool"] == "select" and r["steps"] == steps]
    if tried:
        lines += ["", "## Tuning (one seed)", "", "| bonus | setting | final success % | area |", "|---|---|---|---|"]
        for r in sorted(tried, key=lambda r: r["arm"]):
            setting = " ".join(f"{k}={v}" for k, v in r["options"].items())
            lines.append(f"| {r['arm'].partition(' #')[0]} | {setting} | {100 * r['final']:.1f} | {area(r):.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train the missing trials, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=STEPS, help="environment steps of every trial")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="start no trial after this many minutes")
    parser.add_argument("--arms", nargs="*", help="only bonuses whose names begin with one of these")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    arms = [a for a in ARMS if not options.arms or any(a.name.startswith(n) for n in options.arms)]
    path, work = options.results / "bonuses.jsonl", options.results / "bonuses-unfinished"
    tuned = best(read_rows(path), options.steps)
    asked = tuning(arms, options.steps) if options.tune else comparison(arms, options.steps, options.seeds, tuned)
    perform(asked, path, work, options.slots, time.monotonic() + 60 * options.minutes)
    (options.results / "bonuses.md").write_text(table(read_rows(path), options.steps))
    print((options.results / "bonuses.md").read_text())


if __name__ == "__main__":
    main()
