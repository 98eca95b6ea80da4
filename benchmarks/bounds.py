"""Verdicts of programs that language models wrote, on one layout each, and how they were reached.

.venv/bin/python -m benchmarks.bounds [--only TEXT] [--seconds S]   # resumable; then writes results/bounds.md

Every program of benchmarks/programs is certified on layout 0 with a job's limit of states, or with `--limit`.
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
from rewardsmith.verification.certificate import QUICK_LIMIT, certify_layout
from rewardsmith.verification.model import NotCertified
from sandbox.client import HostError

HERE = Path(__file__).parent
ROWS, REPORT = HERE / "results" / "bounds.jsonl", HERE / "results" / "bounds.md"


def certified(name: str, limit: int) -> dict[str, Any]:
    """Certify a program on one layout, and return what the report needs."""
    task_id, method = name.split(".")[:2]
    source, used = (HERE / "programs" / f"{name}.py").read_text(encoding="utf-8"), sum(os.times()[:4])
    problem = Problem(
        get_task(task_id), get_method(method).reward(source), TrainingSpec(**default_training(task_id)).gamma
    )
    try:
        found = certify_layout(problem, 0, limit)
    except NotCertified as reason:
        return {"verdict": "not certified", "how": "", "reason": str(reason)}
    except HostError as error:
        return {"verdict": "program fails", "how": "", "reason": str(error)}
    how = "part" if found.verdict == "not certified" else "enumerated" if found.bounds_gap is None else "bounds"
    if found.counterexample is not None and how == "part":
        how = "counter-example"
    return {
        "verdict": found.verdict, "how": how, "reason": found.reason, "gap": found.bounds_gap, "states": found.states,
        "nodes": found.nodes, "processor_seconds": round(sum(os.times()[:4]) - used, 1),
    }  # fmt: skip


def write(rows: dict[str, dict[str, Any]]) -> None:
    """Write the report."""
    lines = [
        "# How rewards are decided", "",
        "Written by `python -m benchmarks.bounds`: layout 0 of each program of `benchmarks/programs`.", "",
        "| task and method | programs | program fails | enumerated | bounds | counter-example in a part | undecided |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, row in rows.items():
        groups.setdefault(name.rpartition(".")[0], []).append(row)
    for group, mine in sorted(groups.items()):
        how, fails = Counter(row["how"] for row in mine), sum(row["verdict"] == "program fails" for row in mine)
        decided = [how["enumerated"], how["bounds"], how["counter-example"]]
        left = len(mine) - fails - sum(decided)
        lines.append(f"| {group} | {len(mine)} | {fails} | {' | '.join(map(str, decided))} | {left} |")
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Certify the programs that have no row yet, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only programs whose name contains this")
    parser.add_argument("--limit", type=int, default=QUICK_LIMIT, help="most states and pairs per layout")
    parser.add_argument("--seconds", type=float, default=500.0, help="start no program after this many seconds")
    chosen = parser.parse_args()
    known = ROWS.read_text(encoding="utf-8").splitlines() if ROWS.exists() else []
    rows = {row.pop("program"): row for row in map(json.loads, known)}
    until = time.monotonic() + chosen.seconds
    for path in sorted((HERE / "programs").glob("MiniGrid-*.py")):
        name = path.stem
        if name in rows or chosen.only not in name or time.monotonic() > until:
            continue
        rows[name] = certified(name, chosen.limit)
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"program": name, **rows[name]}) + "\n")
        print(f"{name}: {rows[name]['verdict']} ({rows[name]['how']})", flush=True)
    write(rows)


if __name__ == "__main__":
    main()
