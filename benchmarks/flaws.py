"""Faults of programs that language models wrote: what the checks before training send back, note and pass.

.venv/bin/python -m benchmarks.flaws [--only TEXT] [--seconds S]   # resumable; then writes results/flaws.md

Every program of benchmarks/programs is checked as a job checks it. `before` counts the checks gate, contract, cost,
determinism, battery and certificate alone; `after` counts also fields, components and direction.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.programs.problem import Problem
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.verification.checks import Checked, run_checks

HERE = Path(__file__).parent
ROWS, REPORT = HERE / "results" / "flaws.jsonl", HERE / "results" / "flaws.md"
NEW = ("fields", "components", "direction")

_KINDS = (
    ("misread interface, dead milestone", ("misread", "wrong event", "event names", "never fires", "interface", "int")),
    ("wrong sign", ("sign", "closer is worse")),
    ("field that does not exist", ("attribute", "do not exist", "does not exist", "missing attr")),
    ("distance through walls", ("walls", "manhattan", "straight", "left to right")),
    (
        "exploitable, flooding or scale",
        ("exploit", "farmable", "oscillation", "flood", "scale", "survival", "magnitude"),
    ),
    ("missing milestone", ("missing milestone", "missing the", "missing success", "weak shaping", "no key")),
    ("penalty that freezes", ("penalty", "negative every step", "constant negative", "discourage", "drop")),
)


def flaw_kind(flaw: str | None) -> str:
    """Return the kind of a flaw as it was described by its author."""
    if flaw is None:
        return "none intended"
    return next((kind for kind, words in _KINDS if any(word in flaw.lower() for word in words)), "other")


def checked(name: str) -> dict[str, Any]:
    """Check a program as a job does, and return what the report needs."""
    task_id, method = name.split(".")[:2]
    source, started = (HERE / "programs" / f"{name}.py").read_text(encoding="utf-8"), time.process_time()
    task = get_task(task_id)
    problem = Problem(task, get_method(method).reward(source), TrainingSpec(**default_training(task_id)).gamma)
    found = run_checks(problem)
    failed = [v.kind for v in found.verdicts if not v.passed]
    noted = [v.kind for v in found.verdicts if v.passed and "noted: " in v.message]
    return {
        "failed": failed, "noted": noted, "seconds": round(time.process_time() - started, 1),
        "said": {v.kind: v.message for v in found.verdicts if v.kind in NEW}, "verdict": _verdict(found),
    }  # fmt: skip


def _verdict(found: Checked) -> str | None:
    certificate = next((v for v in found.verdicts if v.kind == "certificate"), None)
    return None if certificate is None else str(certificate.details["verdict"])


def outcome(failed: list[str], noted: list[str]) -> str:
    """Return "sent back", "noted" or "passed"."""
    return "sent back" if failed else "noted" if noted else "passed"


def write(rows: dict[str, dict[str, Any]], index: list[dict[str, Any]]) -> None:
    """Write the report."""
    lines = [
        "# Faults of programs that language models wrote", "",
        "Written by `python -m benchmarks.flaws`. Each program of `benchmarks/programs` is checked as a job checks it: "
        "three layouts, 30,000 (state, memory) pairs. `before` leaves out the checks fields, components and direction.",
        "", f"Checked: {len(rows)} of {len(index)} programs.", "",
        "| author | kind of flaw | programs | sent back before | sent back after | noted after | passed after |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in index:
        if entry["name"] in rows:
            groups.setdefault((entry["size"], flaw_kind(entry["flaw"])), []).append(rows[entry["name"]])
    for (size, kind), mine in sorted(groups.items()):
        before = sum(bool(set(row["failed"]) - set(NEW)) for row in mine)
        after = Counter(outcome(row["failed"], row["noted"]) for row in mine)
        counts = [after["sent back"], after["noted"], after["passed"]]
        lines.append(f"| {size} | {kind} | {len(mine)} | {before} | {' | '.join(map(str, counts))} |")
    lines += [
        "",
        "## Programs that only the new checks send back",
        "",
        "| program | flaw intended | check |",
        "|---|---|---|",
    ]
    for entry in index:
        row = rows.get(entry["name"])
        if row is not None and row["failed"] and set(row["failed"]) <= set(NEW):
            lines.append(f"| {entry['name']} | {entry['flaw'] or 'none'} | {', '.join(row['failed'])} |")
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Check the programs that have no row yet, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only programs whose name contains this")
    parser.add_argument("--seconds", type=float, default=500.0, help="start no program after this many seconds")
    chosen = parser.parse_args()
    index = [json.loads(line) for line in (HERE / "programs" / "index.jsonl").read_text(encoding="utf-8").splitlines()]
    known = ROWS.read_text(encoding="utf-8").splitlines() if ROWS.exists() else []
    rows = {row.pop("program"): row for row in map(json.loads, known)}
    until = time.monotonic() + chosen.seconds
    for name in (entry["name"] for entry in index if chosen.only in entry["name"]):
        if name in rows or time.monotonic() > until:
            continue
        try:
            rows[name] = checked(name)
        except UsageError as error:
            rows[name] = {"failed": ["reading"], "noted": [], "seconds": 0.0, "said": {"reading": str(error)}}
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"program": name, **rows[name]}) + "\n")
        print(f"{name}: {rows[name]['failed']} {rows[name]['seconds']} s", flush=True)
    write(rows, index)


if __name__ == "__main__":
    main()
