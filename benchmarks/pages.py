"""Time of the pages of a job with many candidates, and the size of reports.

.venv/bin/python -m benchmarks.pages --candidates 100000 --work /tmp/pages

The database is made once in the work folder and used again. Each page is read by HTTP from a server in this process,
once to warm up and then --times times. Writes benchmarks/results/pages.jsonl and pages.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from sqlalchemy import insert

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "web")]

RESULTS = ROOT / "benchmarks" / "results"
JOB = "large0"
_PER_ROUND = 20
_AT_ONCE = 5_000
PAGES = {
    "jobs": "/", "job": "/jobs/{job}", "job, best first": "/jobs/{job}?order=score", "its head": "/jobs/{job}/head",
    "candidates, page in the middle": "/jobs/{job}/candidates?after={middle}",
    "best candidates, page in the middle": "/jobs/{job}/candidates?order=score&after={middle}",
    "lineage from the middle": "/jobs/{job}/tree?first={round}",
    "calls, page in the middle": "/jobs/{job}/calls?after={call}",
    "candidate": "/candidates/{middle}", "compare": "/compare?a={middle}&b={job}-1a", "fleet": "/fleet",
}  # fmt: skip


def name_of(k: int) -> str:
    """Return the id of candidate k, counted from 0."""
    return f"{JOB}-{k // _PER_ROUND + 1}{chr(97 + k % _PER_ROUND)}"


def build(home: Path, count: int) -> None:
    """Store a job of `count` candidates, each with checks, a trial with a curve of 10 points, and a call."""
    from stored_jobs import open_home, store_job

    from rewardsmith.storage import schema
    from rewardsmith.storage.schema import now

    engine = open_home(home)
    store_job(engine, "donejb")
    store_job(engine, JOB, rounds=0, state="running", claim=False)
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(count, first + _AT_ONCE))
        with engine.begin() as connection:
            connection.execute(insert(schema.candidates), [_candidate(k, now()) for k in numbers])
            connection.execute(insert(schema.checks), [row for k in numbers for row in _checks(k)])
            connection.execute(insert(schema.trials), [_trial(k) for k in numbers])
            connection.execute(insert(schema.curve_points), [row for k in numbers for row in _points(k)])
            connection.execute(insert(schema.llm_calls), [_call(k, now()) for k in numbers])
            connection.execute(insert(schema.work_items), [_item(k, now()) for k in numbers])
        print(f"{numbers[-1] + 1:,} candidates stored", file=sys.stderr)


def _candidate(k: int, moment: Any) -> dict[str, Any]:
    source = f"def reward(prev, action, state, memory):\n    return {k}.0 if state.solved else 0.0\n" + "# pays\n" * 60
    rejected = k % 3 == 0
    parents = [name_of(k - _PER_ROUND)] if k >= _PER_ROUND else []
    return {
        "id": name_of(k), "job_id": JOB, "iteration": k // _PER_ROUND + 1, "kind": "designed", "move": "revise",
        "sample": k % _PER_ROUND, "parents": parents, "source": source, "source_hash": f"{k:064}", "thoughts": "t",
        "reward": {"functions": ["reward"], "channels": []}, "state": "rejected" if rejected else "trained",
        "rejection_reason": "failed check battery: x" if rejected else None, "oracle_informed": False,
        "score": None if rejected else (k * 7919 % 1000) / 1000, "created_at": moment,
    }  # fmt: skip


def _checks(k: int) -> list[dict[str, Any]]:
    kinds = ("gate", "contract", "battery")
    return [{"candidate_id": name_of(k), "kind": kind, "passed": True, "message": "m" * 80} for kind in kinds]


def _trial(k: int) -> dict[str, Any]:
    return {
        "id": 1_000 + k, "job_id": JOB, "candidate_id": name_of(k), "purpose": "search", "seed": 0, "state": "done",
        "steps": 100_000, "success": 0.5, "success_low": 0.4, "success_high": 0.6, "episodes": 200, "telemetry": {},
    }  # fmt: skip


def _points(k: int) -> list[dict[str, Any]]:
    return [
        {"trial_id": 1_000 + k, "steps": 10_000 * n, "success": n / 20, "episodes": 200, "components": {}}
        for n in range(1, 11)
    ]


def _call(k: int, moment: Any) -> dict[str, Any]:
    return {
        "job_id": JOB, "iteration": k // _PER_ROUND + 1, "candidate": name_of(k), "role": "designer",
        "sample": k % _PER_ROUND, "attempt": 0, "model": "m", "outcome": "completed", "prompt_hash": f"{k:064}",
        "prompt": "p" * 2_000, "answer": "a" * 500, "prompt_tokens": 500, "completion_tokens": 120, "price_usd": 0.01,
        "charged_calls": 1, "charged_tokens": 620, "charged_usd": 0.01, "latency_s": 1.0, "created_at": moment,
    }  # fmt: skip


def _item(k: int, moment: Any) -> dict[str, Any]:
    return {
        "job_id": JOB, "iteration": k // _PER_ROUND + 1, "kind": "train", "candidate": name_of(k), "seed": 0,
        "rung": 0, "sample": -1, "state": "done", "attempt": 1, "created_at": moment, "result": {"success": 0.5},
    }  # fmt: skip


def main() -> None:
    """Make the database if it is missing, time every page, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--times", type=int, default=7)
    asked = parser.parse_args()
    from browser import served
    from stored_jobs import open_home

    home = asked.work / f"{asked.candidates}"
    if not (home / "complete").exists():
        build(home, asked.candidates)
        (home / "complete").touch()
    middle = asked.candidates // 2
    named = {"job": JOB, "middle": name_of(middle + middle % 3 + 1), "round": middle // _PER_ROUND, "call": middle}
    rows = []
    with served(open_home(home), home / "artifacts") as site:
        for page, address in PAGES.items():
            taken = []
            for _ in range(asked.times + 1):
                began, used = time.perf_counter(), time.process_time()
                with urllib.request.urlopen(site + address.format(**named), timeout=120) as answer:
                    size = len(answer.read())
                taken.append((time.perf_counter() - began, time.process_time() - used))
            milliseconds, processor = (1000 * statistics.median(t[i] for t in taken[1:]) for i in (0, 1))
            rows.append({
                "candidates": asked.candidates, "page": page, "milliseconds": round(milliseconds, 1),
                "processor_milliseconds": round(processor, 1), "first_milliseconds": round(1000 * taken[0][0], 1),
                "bytes": size, "times": asked.times,
                "load": round(os.getloadavg()[0], 1),
            })  # fmt: skip
            print(json.dumps(rows[-1]))
    write(rows)


def write(rows: list[dict[str, Any]]) -> None:
    """Write the rows, in place of earlier ones of the same number of candidates."""
    path = RESULTS / "pages.jsonl"
    earlier = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = [row for row in earlier if row["candidates"] != rows[0]["candidates"]] + rows
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    lines = [
        "| candidates | page | median, ms | processor, ms | first, ms | bytes | load |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['candidates']:,} | {r['page']} | {r['milliseconds']:.0f} | {r['processor_milliseconds']:.0f} "
        f"| {r['first_milliseconds']:.0f} | {r['bytes']:,} | {r['load']} |"
        for r in kept
    ]
    head = (
        "Pages of a job in SQLite, read by HTTP from a server in the same process (`python -m benchmarks.pages`).\n"
        "Load: processes of the whole machine that wait for a processor, mean of a minute.\n\n"
    )
    (RESULTS / "pages.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
