"""Entry point: .venv/bin/python -m benchmarks.learnability measure|report."""

from __future__ import annotations

import argparse
import json
import time

from benchmarks.learnability import ROWS, measure, rows, trained
from benchmarks.learnability.report import write


def main() -> None:
    """Measure the rewards without a row, or write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("measure", "report"))
    parser.add_argument("--only", default="", help="only rewards whose key contains this")
    parser.add_argument("--seconds", type=float, default=500.0, help="start no reward after this many seconds")
    chosen = parser.parse_args()
    if chosen.part == "measure":
        known, until = rows(), time.monotonic() + chosen.seconds
        for one in trained():
            if one.key in known or chosen.only not in one.key or time.monotonic() > until:
                continue
            row = {"key": one.key, "task": one.task, "of": one.of, "area": round(one.area, 4), **measure(one)}
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
    write()


if __name__ == "__main__":
    main()
