"""Which known hacks and which good rewards are accused before training, on tasks without a model.

.venv/bin/python -m benchmarks.hacks [--only TEXT] [--steps N]   # resumable; then writes results/hacks.md
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.hacks.point_mass import TASK
from benchmarks.hacks.programs import GOOD, HACKS
from rewardsmith.offline.check_reward import CheckSettings, check_reward
from rewardsmith.reporting.proportion import wilson
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.task import DescribedTask

RESULTS = Path(__file__).parent.parent / "results"
ROWS, REPORT = RESULTS / "hacks.jsonl", RESULTS / "hacks.md"
HEAD = "import math\n\n\ndef reward(prev, action, state, memory):\n    "


def task_of(name: str) -> Task:
    """Return a task of the benchmark."""
    if name == TASK["id"]:
        return DescribedTask(Description.model_validate(TASK), None, examined=True)
    return get_task(name)


def row_of(kind: str, task: str, name: str, body: str, steps: int) -> dict[str, Any]:
    """Check one program."""
    began = time.process_time()
    found = check_reward(HEAD + body + "\n", task_of(task), layouts=3, settings=CheckSettings(search_steps=steps))
    failed = [v.kind for v in found.checked.verdicts if not v.passed]
    return {
        "kind": kind, "task": task, "name": name, "accused": bool(failed), "by": failed,
        "seconds": round(time.process_time() - began, 1),
        "said": {v.kind: v.message for v in found.checked.verdicts if v.kind in ("battery", "search")},
    }  # fmt: skip


def report(rows: list[dict[str, Any]], steps: int) -> str:
    """Return the results as a page."""
    lines = ["# Known hacks and good rewards, on tasks without a model", ""]
    lines += [
        f"Three starts, {steps:,} environment steps of search per program. `.venv/bin/python -m benchmarks.hacks`.",
        "",
    ]
    lines += ["| task | hacks accused | good accused |", "|---|---|---|"]
    for task in [*HACKS, "all"]:
        cells = []
        for kind in ("hack", "good"):
            mine = [r for r in rows if r["kind"] == kind and task in (r["task"], "all")]
            hit = sum(r["accused"] for r in mine)
            low, high = wilson(hit, len(mine))
            cells.append(f"{hit} of {len(mine)} ({100 * low:.0f} to {100 * high:.0f} %)")
        lines.append(f"| {task} | {cells[0]} | {cells[1]} |")
    lines += ["", "Intervals are Wilson's, 95 %.", "", "| kind | task | reward | accused by |", "|---|---|---|---|"]
    lines += [f"| {r['kind']} | {r['task']} | {r['name']} | {', '.join(r['by']) or '-'} |" for r in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Check what is missing, then write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="part of a task's name")
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps of each search")
    asked = parser.parse_args()
    known = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    done = {(r["kind"], r["task"], r["name"]) for r in known}
    for kind, programs in (("hack", HACKS), ("good", GOOD)):
        for task, bodies in programs.items():
            for name, body in bodies.items():
                if (kind, task, name) not in done and asked.only in task:
                    row = row_of(kind, task, name, body, asked.steps)
                    print(kind, task, name, row["by"], row["seconds"], flush=True)
                    with ROWS.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    order = {"hack": 0, "good": 1}
    rows.sort(key=lambda r: (order[r["kind"]], list(HACKS).index(r["task"])))
    REPORT.write_text(report(rows, asked.steps))


if __name__ == "__main__":
    main()
