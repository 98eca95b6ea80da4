"""Train every algorithm on its tasks, with the environment's own reward and with designed ones.

.venv/bin/python -m benchmarks.algorithms run                                   # the missing trials of the table
.venv/bin/python -m benchmarks.algorithms run --task Pendulum-v1 --arms own synth --seeds 0
.venv/bin/python -m benchmarks.algorithms run --task MetaWorld/door-open-v3     # another task of the families
.venv/bin/python -m benchmarks.algorithms table                                 # writes results/algorithms.md

Trials take from half a minute (CartPole) to an hour (MetaWorld). Resumable: appends to results/algorithms.jsonl. With
--work FOLDER a stopped trial continues from its last checkpoint. No trial starts once 24 core-hours are spent.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import yaml

from benchmarks.algorithms import COMPARISONS, SEEDS, Comparison, families
from benchmarks.algorithms.runs import HOURS, Run, perform
from benchmarks.algorithms.table import write_table
from rewardsmith.errors import UsageError

_ARMS = ("own", "synth", "written")


def chosen(task: str | None, algorithm: str | None) -> list[Comparison]:
    """The comparisons of a task and an algorithm, or all of the table. Raises UsageError if there is none."""
    known = COMPARISONS if task is None else (*COMPARISONS, *families())
    found = [c for c in known if task in (None, c.task) and algorithm in (None, c.algorithm)]
    if not found:
        raise UsageError(
            f"The benchmark has no comparison of {task or 'any task'} with {algorithm or 'any algorithm'}.",
            "`python -m benchmarks.algorithms table` lists all of them in results/algorithms.md.",
        )
    return found


def main() -> None:
    """Parse the command line; train the missing runs or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--task")
    parser.add_argument("--algorithm")
    parser.add_argument("--arms", nargs="+", default=list(_ARMS), choices=_ARMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(SEEDS)))
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="training settings")
    parser.add_argument("--jobs", type=int, default=1, help="trials at the same time")
    parser.add_argument("--hours", type=float, default=HOURS, help="core-hours of all rows together")
    parser.add_argument("--work", metavar="FOLDER", help="keep checkpoints there, to continue a stopped trial")
    options = parser.parse_args()
    if options.what == "run":
        try:
            wanted = chosen(options.task, options.algorithm)
        except UsageError as error:
            parser.exit(2, f"{error.cause}\n{error.remedy}\n")
        changes = {name: yaml.safe_load(value) for name, value in (pair.split("=", 1) for pair in options.set)}
        wanted = [replace(c, settings={**c.settings, **changes}) for c in wanted]
        # The first seed of everything comes first, so that a stopped run leaves a whole table.
        runs = [Run(c, a, seed) for seed in options.seeds for c in wanted for a in c.arms if a in options.arms]
        perform(runs, options.jobs, options.hours, options.work)
    write_table()


if __name__ == "__main__":  # processes that are spawned import this module, too
    main()
