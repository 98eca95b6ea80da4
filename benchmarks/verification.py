"""The quality of the checks before training, measured on the labelled set.

.venv/bin/python -m benchmarks.verification_set.label          # labels by an independent exact optimum
.venv/bin/python -m benchmarks.verification check              # unsound caught, good rejected, seconds, coverage
.venv/bin/python -m benchmarks.verification rank --task ID     # trains rewards that passed; predicted against measured
.venv/bin/python -m benchmarks.verification outcome --task ID  # trains a sample of sound and unsound rewards
.venv/bin/python -m benchmarks.verification report             # writes results/verification.md

`check` takes 1 hour for all tasks, `rank` 3.2 hours, `outcome` 25 minutes. All parts are resumable: they append to
results/verification.jsonl.
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
    parser.add_argument("--seconds", type=float, default=500.0, help="start no new row after this many seconds")
    parser.add_argument("--steps", type=int, default=RANK_STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="also check the held-out third, for final figures only")
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
    """Train the rewards that passed and have a predicted difficulty, held-out ones if they were checked."""
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
    """Train rewards of both labels regardless of their verdicts, as `--train-anyway` does."""
    known, labelled = read_rows("outcome"), labels()
    for label in ("sound", "unsound"):
        found = [e for e in mine if labelled.get(e.key, {}).get("label") == label]
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
