"""Whole jobs on environments that rewardsmith describes: from `tasks new` to a verified export.

.venv/bin/python -m benchmarks.whole_jobs --task FetchReach-v4 --steps 8000 --set training.algorithm=sac

Runs four commands in a fresh folder: `tasks new`, `run` (synth, one round of two candidates, one fresh seed), `export`
and `verify`. Appends to results/whole_jobs.jsonl and rewrites results/whole_jobs.md. A job takes 1 to 15 minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import rewardsmith

RESULTS = Path(__file__).with_name("results")
COMMAND = (sys.executable, "-m", "rewardsmith")


def command(folder: Path, *arguments: str) -> None:
    """Run a command of rewardsmith in `folder`. Raises CalledProcessError if it fails."""
    subprocess.run([*COMMAND, *arguments], cwd=folder, check=True, stdout=sys.stderr)


def whole_job(task: str, steps: int, changes: list[str]) -> dict[str, Any]:
    """Run the four commands and return the row of the job."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command(folder, "tasks", "new", task, "--out", "task.yaml")
        settings = [text for change in changes for text in ("--set", change)]
        sizes = ("--steps", str(steps), "--confirm", "1", "--iterations", "1", "--samples", "2")
        command(folder, "run", "--task", "task.yaml", "--model", "synth", *sizes, *settings)
        done = rewardsmith.load("latest", home=folder / ".rewardsmith")
        command(folder, "export", "latest", "--best", "--out", "exported")
        command(folder, "verify", "exported")
    assert done.claim is not None
    arms = {name: getattr(done.claim, name) for name in ("best", "baseline")}
    return {
        "task": task,
        "steps": steps,
        "settings": changes,
        "seconds": round(time.monotonic() - began),
        **{
            name: {"success": arm.success, "greedy": arm.greedy, "to_90": arm.steps_to_90} for name, arm in arms.items()
        },
    }


def write_table() -> None:
    """Rewrite results/whole_jobs.md from all rows."""
    rows = [json.loads(line) for line in (RESULTS / "whole_jobs.jsonl").read_text().splitlines()]
    lines = [
        "# Whole jobs",
        "",
        "From `tasks new` to a verified export, with synth as designer. Success in % on one fresh seed, 200 episodes",
        "on unseen starts, final weights: stochastic policy, greedy in brackets.",
        "",
        "| task | settings | steps | wall clock | designed reward | the environment's own reward |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        arms = [f"{_percent(row[name]['success'])} ({_percent(row[name]['greedy'])})" for name in ("best", "baseline")]
        settings = ", ".join(change.removeprefix("training.") for change in row["settings"]) or "defaults"
        lines.append(f"| {row['task']} | {settings} | {row['steps']:,} | {row['seconds']} s | {' | '.join(arms)} |")
    (RESULTS / "whole_jobs.md").write_text("\n".join(lines) + "\n")


def _percent(found: Any) -> str:
    values = [value for value in found if value is not None] if isinstance(found, list | tuple) else [found]
    return ", ".join("-" if value is None else f"{100 * value:.1f}" for value in values) or "-"


def main() -> None:
    """Run one job, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True, help="an id of Gymnasium")
    parser.add_argument("--steps", type=int, required=True, help="environment steps of a full trial")
    parser.add_argument("--set", action="append", default=[], dest="changes", help="KEY=VALUE, as for `run`")
    given = parser.parse_args()
    row = whole_job(given.task, given.steps, given.changes)
    with (RESULTS / "whole_jobs.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    write_table()
    print(json.dumps(row))


if __name__ == "__main__":
    main()
