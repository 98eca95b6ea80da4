"""Comparison of methods and baselines: steps to 90 % success, area under the success curve.

.venv/bin/python -m benchmarks.methods --quick     # 20 minutes on 2 cores
.venv/bin/python -m benchmarks.methods             # 5 hours of one process; stops after 2 hours
.venv/bin/python -m benchmarks.methods --tune      # three settings per arm on tuning seeds; later runs use the best

Resumable: finished trials are in results/methods.jsonl, unfinished ones continue from their checkpoints. Writes
results/methods.md. An arm of the comparison is one entry of ARMS in arms.py.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from .arms import ARMS, CALM_CLAIM, QUICK, TASKS
from .runs import best_settings, perform, planned, prolonged, read_rows, tuning_runs
from .table import table

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Parse the command line, train the missing trials, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument(
        "--minutes", type=float, help="start no trial after this many minutes; default: 20 with --quick, else 120"
    )
    parser.add_argument("--arms", nargs="*", help="only arms whose names begin with one of these")
    parser.add_argument("--tasks", nargs="*", help="only these tasks")
    parser.add_argument("--steps", type=int, help="environment steps of every trial, to try the benchmark out")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * (options.minutes or (20 if options.quick else 120))
    arms = [a for a in ARMS if not options.arms or any(a.name.startswith(n) for n in options.arms)]
    arms = [a for a in arms if a.grid or not options.quick]  # --quick compares the tuned arms only
    tasks = {
        t: options.steps or s for t, s in (QUICK if options.quick else TASKS).items() if t in (options.tasks or (t,))
    }
    path, work = options.results / "methods.jsonl", options.results / "methods-unfinished"
    settings = options.results / "methods-tuned.json"
    tuned = json.loads(settings.read_text()) if settings.exists() else {}
    if options.tune:
        perform(tuning_runs(arms), path, work, options.slots, until)
        chosen = best_settings([r for r in read_rows(path) if r["pool"] == "select"], arms)
        settings.write_text(json.dumps({**tuned, **chosen}, indent=1) + "\n")
        return
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
