"""Verdicts of programs that language models wrote, on one layout each, and how they were reached.

.venv/bin/python -m benchmarks.bounds [--only TEXT] [--calls N] [--seconds S]   # resumable; writes results/bounds.md

Every program of benchmarks/programs is certified on layout 0 as in a job before training, or with other limits.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rewardsmith.methods import get_method
from rewardsmith.programs.problem import Problem
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.verification.bounds import JOB_CALLS
from rewardsmith.verification.certificate import QUICK_LIMIT, certify_layout
from rewardsmith.verification.model import NotCertified
from sandbox.client import HostError

HERE = Path(__file__).parent
ROWS, REPORT = HERE / "results" / "bounds.jsonl", HERE / "results" / "bounds.md"


def certified(name: str, limit: int, calls: int) -> dict[str, Any]:
    """Certify a program on one layout, and return what the report needs."""
    task_id, method = name.split(".")[:2]
    source, used = (HERE / "programs" / f"{name}.py").read_text(encoding="utf-8"), sum(os.times()[:4])
    problem = Problem(
        get_task(task_id), get_method(method).reward(source), TrainingSpec(**default_training(task_id)).gamma
    )
    try:
        found = certify_layout(problem, 0, limit, bounds=calls)
    except NotCertified as reason:
        return {"verdict": "not certified", "how": "", "reason": str(reason)}
    except HostError as error:
        return {"verdict": "program fails", "how": "", "reason": str(error)}
    how = "part" if found.verdict == "not certified" else "enumerated" if found.bounds_gap is None else "bounds"
    if found.counterexample is not None and how == "part":
        how = "counter-example"
    return {
        "verdict": found.verdict, "how": how, "reason": found.reason, "gap": found.bounds_gap, "states": found.states,
        "nodes": found.nodes, "processor_seconds": round(sum(os.times()[:4]) - used, 1), "calls": calls,
    }  # fmt: skip


def write(rows: dict[str, dict[str, Any]]) -> None:
    """Write the report."""
    lines = [
        "# How rewards are decided", "",
        "Written by `python -m benchmarks.bounds`: layout 0 of each program of `benchmarks/programs`.",
        "Limits are those of a job before training. Where a number of calls is stated, bounds may call a program so",
        "often. *decided*: of the programs that run, those with a verdict or a replayed counter-example. Seconds:",
        "processor time of one layout, median and largest, reward hosts included, on a busy machine.", "",
        "| task and method | programs | program fails | enumerated | bounds | counter-example in a part | undecided "
        "| decided | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, row in rows.items():
        groups.setdefault(name.rpartition(".")[0], []).append(row)
    for group, mine in sorted(groups.items()):
        how, fails = Counter(row["how"] for row in mine), sum(row["verdict"] == "program fails" for row in mine)
        decided = [how["enumerated"], how["bounds"], how["counter-example"]]
        runs, seconds = (
            len(mine) - fails,
            sorted(row["processor_seconds"] for row in mine if "processor_seconds" in row),
        )
        share = f"{100 * sum(decided) / runs:.0f} %" if runs else "-"
        time_of_one = f"{seconds[len(seconds) // 2]:.1f}, {seconds[-1]:.1f}" if seconds else "-"
        calls = max((row.get("calls", 0) for row in mine), default=0)
        named = group if calls <= JOB_CALLS else f"{group}, {calls:,} calls"
        counts = f"{len(mine)} | {fails} | {' | '.join(map(str, decided))} | {runs - sum(decided)}"
        lines.append(f"| {named} | {counts} | {share} | {time_of_one} |")
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Certify the programs that have no row yet, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only programs whose name contains this")
    parser.add_argument("--limit", type=int, default=QUICK_LIMIT, help="most states and pairs per layout")
    parser.add_argument("--calls", type=int, default=JOB_CALLS, help="most calls of a program for bounds")
    parser.add_argument("--seconds", type=float, default=500.0, help="start no program after this many seconds")
    chosen = parser.parse_args()
    known = ROWS.read_text(encoding="utf-8").splitlines() if ROWS.exists() else []
    rows = {row.pop("program"): row for row in map(json.loads, known)}
    until = time.monotonic() + chosen.seconds
    for path in sorted((HERE / "programs").glob("MiniGrid-*.py")):
        name = path.stem
        if name in rows or chosen.only not in name or time.monotonic() > until:
            continue
        rows[name] = certified(name, chosen.limit, chosen.calls)
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"program": name, **rows[name]}) + "\n")
        print(f"{name}: {rows[name]['verdict']} ({rows[name]['how']})", flush=True)
    write(rows)


if __name__ == "__main__":
    main()
