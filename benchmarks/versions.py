"""The speed of two checkouts of the project, measured by turns.

.venv/bin/python -m benchmarks.versions ../before .          # each checkout needs its own environment in .venv

Takes about 6 minutes. Writes results/versions.md: medians of the wall clock of `rewardsmith --help` and of `check` on
DoorKey-8x8 with 3 layouts, and of the training steps per second of one trial. The ratio is the median of the second
checkout over that of the first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RESULTS = Path(__file__).with_name("results")
TASK = "MiniGrid-DoorKey-8x8-v0"
PROGRAM = Path(__file__).parent / "programs" / f"{TASK}.free.04.py"
STEPS = 100_000


def wall(checkout: Path, *command: str) -> float:
    """Wall clock in seconds of a command run by the checkout's own interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        ran = subprocess.run([checkout / ".venv/bin/python", "-P", *command], cwd=folder, capture_output=True)
        took = time.perf_counter() - began
    if ran.returncode not in (0, 1):  # a reward that fails a check is a result
        raise SystemExit(f"{' '.join(command)} in {checkout} failed:\n{ran.stderr.decode()}")
    return took


def help_seconds(checkout: Path) -> float:
    """Seconds of `rewardsmith --help`."""
    return wall(checkout, "-m", "rewardsmith", "--help")


def check_seconds(checkout: Path) -> float:
    """Seconds of `rewardsmith check` for a program that a language model wrote."""
    return wall(checkout, "-m", "rewardsmith", "check", str(PROGRAM), "--task", TASK, "--layouts", "3")


def steps_per_second(checkout: Path) -> float:
    """Training steps per second of one trial, without evaluation, as the trial reports them."""
    command = [checkout / ".venv/bin/python", "-m", "benchmarks.trial", "--task", TASK, "--steps", str(STEPS)]
    ran = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    return float(json.loads(ran.stdout.splitlines()[-1])["steps_per_second"])


MEASURED: dict[str, tuple[Callable[[Path], float], int]] = {
    "`rewardsmith --help`, s": (help_seconds, 9),
    "`rewardsmith check --layouts 3`, s": (check_seconds, 5),
    "training, steps/s": (steps_per_second, 5),
}
"""By name of the row: the function that measures it once, and the number of runs."""


def main() -> None:
    """Measure both checkouts by turns and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", choices=["help", "check", "training"], help="measure one row and print it")
    options = parser.parse_args()
    checkouts = [options.before.resolve(), options.after.resolve()]
    commits = [
        subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=c, capture_output=True, text=True).stdout.strip()
        for c in checkouts
    ]
    lines = [
        "# Two versions",
        "",
        f"Commit {commits[0]} against {commits[1]}, by turns in one run, {TASK}. Medians (smallest to largest).",
        "",
        "| | runs | before | after | ratio |",
        "|---|---|---|---|---|",
    ]
    chosen = {n: m for n, m in MEASURED.items() if options.only is None or options.only in n}
    for name, (measure, runs) in chosen.items():
        taken = [[measure(checkout) for checkout in checkouts] for _ in range(runs + 1)][1:]  # the first warms caches
        columns = list(zip(*taken, strict=True))
        middles = [statistics.median(column) for column in columns]
        shown = [f"{m:.4g} ({min(c):.4g} to {max(c):.4g})" for m, c in zip(middles, columns, strict=True)]
        lines.append(f"| {name} | {runs} | {shown[0]} | {shown[1]} | {middles[1] / middles[0]:.2f} |")
        print(lines[-1])
    if options.only is None:
        (RESULTS / "versions.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
