"""How good the checks before training are, on the labelled set. Every part goes on where it stopped.

.venv/bin/python -m benchmarks.verification_set.label          labels (an independent exact optimum)
.venv/bin/python -m benchmarks.verification check              catch rate, rejection of the good, seconds, coverage
.venv/bin/python -m benchmarks.verification rank --task ID     short trainings of what passed, against the prediction
.venv/bin/python -m benchmarks.verification outcome --task ID  trains a sample of sound and unsound rewards, three seeds
.venv/bin/python -m benchmarks.verification report             results/verification.md from all rows so far
"""

from __future__ import annotations

import argparse
import hashlib
import time

from benchmarks.verification_set import TASKS, Entry, entries, labels, measure, report
from benchmarks.verification_set.rows import add_row, read_rows

RANK_STEPS = 200_000
SAMPLE, OUTCOME_SEEDS = 8, (1, 2, 3)  # rewards per label


def main() -> None:
    """Parse the command line and run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("check", "rank", "outcome", "report"))
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--seconds", type=float, default=500.0, help="begin nothing new after so many")
    parser.add_argument("--steps", type=int, default=RANK_STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="check the held-out third too (for final figures)")
    chosen = parser.parse_args()
    until = time.monotonic() + chosen.seconds
    mine = [e for e in entries(chosen.task) if chosen.held_out or not e.held_out]
    if chosen.part == "check":
        _check(mine, until)
    elif chosen.part == "rank":
        _rank(entries(chosen.task), chosen.steps, chosen.seed, until)
    elif chosen.part == "outcome":
        _outcome(entries(chosen.task), chosen.steps, until)
    report.write()


def _check(mine: list[Entry], until: float) -> None:
    known = read_rows("check")
    for entry in mine:
        if entry.key in known or time.monotonic() > until:
            continue
        row = measure.checked(entry)
        add_row("check", entry.key, **row)
        print(f"{entry.key}: {row['verdict']}, failed {row['failed']}, {row['seconds']} s", flush=True)


def _rank(mine: list[Entry], steps: int, seed: int, until: float) -> None:
    """Train what passed and has a prediction; the held-out third is not looked at before the final figures."""
    checks, known = read_rows("check"), read_rows("rank")
    for entry in mine:
        checked = checks.get(entry.key)
        key = f"{entry.key} {steps} {seed}"
        wanted = checked is not None and checked["passed"] and checked["difficulty"] is not None
        if not wanted or key in known or time.monotonic() > until:
            continue
        row = measure.trained(entry, steps, seed)
        add_row("rank", key, task=entry.task, entry=entry.key, **row)
        print(f"{key}: area {row['area']:.3f}, predicted {checked['difficulty']:.1f}", flush=True)


def _outcome(mine: list[Entry], steps: int, until: float) -> None:
    """Train rewards of both labels, whatever the checks say of them: what `--train-anyway` would achieve."""
    known, told = read_rows("outcome"), labels()
    for label in ("sound", "unsound"):
        found = [e for e in mine if told.get(e.key, {}).get("label") == label]
        for entry in sorted(found, key=lambda e: hashlib.sha256(e.key.encode()).hexdigest())[:SAMPLE]:
            for seed in OUTCOME_SEEDS:
                key = f"{entry.key} {steps} {seed}"
                if key in known or time.monotonic() > until:
                    continue
                row = measure.trained(entry, steps, seed)
                add_row("outcome", key, task=entry.task, entry=entry.key, label=label, **row)
                print(f"{key}: {label}, {row['success']:.0%}", flush=True)


if __name__ == "__main__":
    main()
