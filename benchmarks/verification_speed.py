"""Processor time of a check of 30 layouts now, against a check of 3 layouts with an earlier version.

git clone . ../before && git -C ../before checkout 14bbf04    # and make its .venv there
.venv/bin/python -m benchmarks.verification_speed --before ../before [--sample N] [--seconds S]    # resumable

Rewards of the labelled set are drawn at random. Both versions check a reward by turns, in processes that have checked
another one before; the time is that of the process and its reward hosts.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.verification_set import entries
from benchmarks.verification_set.label import GAMMA

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "benchmarks" / "results" / "verification_speed.jsonl"
REPORT = ROWS.with_suffix(".md")
TASKS = ("MiniGrid-DoorKey-8x8-v0", "MiniGrid-LavaCrossingS9N2-v0")
BEFORE, NOW, MOST = 3, 30, 4.0
_CODE = """
import json, os, sys
try:
    from rewardsmith.offline.check_reward import check_reward
except ImportError:
    from rewardsmith.engine.checking import check_reward
task, layouts, gamma, source = json.load(sys.stdin)
check_reward("def reward(prev, action, state, memory):\\n    return 0.0\\n", task, layouts=1, limit=500)
before = sum(os.times()[:4])
found = check_reward(source, task, layouts=layouts, gamma=gamma)
print(json.dumps([round(sum(os.times()[:4]) - before, 2), found.passed]))
"""


def measured(checkout: Path, task: str, layouts: int, source: str) -> tuple[float, bool]:
    """Check a reward with the code of a checkout; return (processor seconds, whether it passed)."""
    ran = subprocess.run(
        [str(checkout.resolve() / ".venv" / "bin" / "python"), "-c", _CODE], cwd=checkout, text=True, check=True,
        input=json.dumps([task, layouts, GAMMA, source]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seconds, passed = json.loads(ran.stdout.splitlines()[-1])
    return seconds, passed


def write(rows: list[dict[str, Any]]) -> None:
    """Write the report."""
    lines = [
        "# Processor time of a check: 30 layouts now, 3 layouts before", "",
        f"Written by `python -m benchmarks.verification_speed`. Aim: a median ratio of at most {MOST:g}.", "",
        "| task | rewards | seconds before (3 layouts), median | seconds now (30 and 4 hard), median "
        "| ratio, median | smallest | largest |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for task in (*TASKS, "together"):
        mine = [row for row in rows if task in (row["task"], "together")]
        if not mine:
            continue
        ratios = [row["now"] / row["before"] for row in mine]
        middle = [statistics.median(values) for values in zip(*[(r["before"], r["now"]) for r in mine], strict=True)]
        shown = [*middle, statistics.median(ratios), min(ratios), max(ratios)]
        lines.append(f"| {task} | {len(mine)} | {' | '.join(f'{value:.2f}' for value in shown)} |")
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measure the rewards of the sample that have no row yet, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="folder of the earlier version, with its .venv")
    parser.add_argument("--sample", type=int, default=12, help="rewards of each task")
    parser.add_argument("--seconds", type=float, default=500.0, help="start no reward after this many seconds")
    chosen = parser.parse_args()
    known = ROWS.read_text(encoding="utf-8").splitlines() if ROWS.exists() else []
    rows, until = [json.loads(line) for line in known], time.monotonic() + chosen.seconds
    samples = [random.Random(0).sample(entries(task), chosen.sample) for task in TASKS]
    for entry in (each for pair in zip(*samples, strict=True) for each in pair):
        if any(row["reward"] == entry.key for row in rows) or time.monotonic() > until:
            continue
        before, passed_before = measured(chosen.before, entry.task, BEFORE, entry.source)
        now, passed = measured(ROOT, entry.task, NOW, entry.source)
        row = {"reward": entry.key, "task": entry.task, "before": before, "now": now}
        rows.append({**row, "passed_before": passed_before, "passed": passed})
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(f"{entry.key}: {before:.1f} s, {now:.1f} s, ratio {now / before:.1f}", flush=True)
    write(rows)


if __name__ == "__main__":
    main()
