"""Whole jobs with and without `training.reuse`: environment steps of the search, and the claim.

.venv/bin/python -m benchmarks.reuse [--only TASK ...] [--jobs N]

Takes 10 to 30 minutes per pair of jobs on two idle cores. Resumable: appends to results/reuse.jsonl and rewrites
results/reuse.md. Both jobs of a pair have the same seed and settings: synth as designer, one round of three candidates,
three fresh seeds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rewardsmith

RESULTS = Path(__file__).with_name("results")
ROWS = RESULTS / "reuse.jsonl"


@dataclass(frozen=True)
class Case:
    """One algorithm on one task: its `training.algorithm`, and the environment steps of a full trial."""

    algorithm: str
    steps: int


CASES = {"Pendulum-v1": Case("sac", 8_000), "CartPole-v1": Case("dqn", 50_000)}


def job(task: str, seed: int, reuse: bool) -> dict[str, Any]:
    """Run one job in a fresh folder, and return its row."""
    case = CASES[task]
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(
            (
                sys.executable, "-m", "rewardsmith", "run", "--task", task, "--model", "synth", "--method", "free",
                "--steps", str(case.steps), "--iterations", "1", "--samples", "3", "--confirm", "3",
                "--seed", str(seed), "--set", f"training.algorithm={case.algorithm}",
                "--set", f"training.reuse={str(reuse).lower()}",
            ),
            cwd=name, check=True, stdout=sys.stderr,
        )  # fmt: skip
        done = rewardsmith.load("latest", home=Path(name) / ".rewardsmith")
    assert done.claim is not None
    search = done.steps["search"]
    return {
        "task": task, "seed": seed, "reuse": reuse, "trained": search["trained"], "saved": search.get("saved", 0),
        "played": sum(steps for purpose, steps in search.items() if purpose not in ("trained", "saved")),
        **{
            name: {"mean": arm.mean, "interval": list(arm.interval)}
            for name, arm in (("best", done.claim.best), ("baseline", done.claim.baseline))
        },
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The lines of results/reuse.md."""
    lines = [
        "# Reuse of transitions in whole jobs", "",
        "Written by `python -m benchmarks.reuse`: environment steps that the search trained, and the claim on three",
        "fresh seeds (interquartile mean with its 95 % interval): success, or a mean return.", "",
        "| task | algorithm, steps | seed | reuse | trained in the search | saved | designed reward | own reward |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for task, case in CASES.items():
        mine = [r for r in rows if r["task"] == task]
        if not mine:
            lines.append(f"| {task} | {case.algorithm}, {case.steps:,} | not run: `--only {task}` | | | | | |")
        for row in mine:
            claims = (
                f"{row[arm]['mean']:.3g} ({', '.join(f'{end:.3g}' for end in row[arm]['interval'])})"
                for arm in ("best", "baseline")
            )
            lines.append(
                f"| {task} | {case.algorithm}, {case.steps:,} | {row['seed']} | {'on' if row['reuse'] else 'off'} | "
                f"{row['trained']:,} | {row['saved']:,} | {' | '.join(claims)} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the jobs that have no row yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES), metavar="TASK")
    parser.add_argument("--jobs", type=int, default=1, help="pairs of jobs per task")
    options = parser.parse_args()
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    for seed in range(options.jobs):
        for task in options.only:
            for reuse in (False, True):
                if any((r["task"], r["seed"], r["reuse"]) == (task, seed, reuse) for r in rows):
                    continue
                rows.append(job(task, seed, reuse))
                print(rows[-1], flush=True)
                with ROWS.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                (RESULTS / "reuse.md").write_text(table(rows))


if __name__ == "__main__":
    main()
