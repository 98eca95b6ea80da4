"""Whole jobs, from a task's id to the final evaluation: wall clock and success.

.venv/bin/python -m benchmarks.main_job --task MiniGrid-DoorKey-8x8-v0 --runs 3

A job takes 3 minutes on DoorKey-8x8, 5 to 25 on larger tasks. Appends to results/main_job.jsonl and rewrites
results/main_job.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import rewardsmith
from rewardsmith.spec import default_steps

RESULTS = Path(__file__).with_name("results")


def run_once(task: str, seed: int, planner: bool, method: str, confirm: int, keep: str | None) -> dict:
    """Run one job in a fresh folder, or in `keep`, and return its row."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = rewardsmith.design(task, home=keep or folder, seed=seed, planner=planner, confirm=confirm, method=method)
    row = {
        "task": task, "method": method, "planner": planner, "seed": seed, "steps": default_steps(task),
        "seconds": round(time.monotonic() - began, 1), "state": done.state, "note": done.note,
        "machine": f"{platform.processor() or platform.machine()}, {platform.python_version()}",
    }  # fmt: skip
    if done.claim is not None:
        for name, arm in (("designed", done.claim.best), ("sparse", done.claim.baseline)):
            row[name] = {"success": arm.success, "greedy": arm.greedy, "mean": arm.mean, "to_90": arm.steps_to_90}
    return row


def write_table() -> None:
    """Rewrite results/main_job.md from all runs so far."""
    rows = [json.loads(line) for line in (RESULTS / "main_job.jsonl").read_text().splitlines()]
    lines = [
        "# The main job",
        "",
        "One line per whole job (synth as designer). Success in %, each of the fresh seeds, stochastic policy, "
        "1,000 episodes each on unseen layouts, final weights; greedy in brackets.",
        "",
        "| task | method | planner shown | job seed | wall clock | steps | designed reward | sparse reward |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        arms = [_arm(r.get(name)) for name in ("designed", "sparse")]
        lines.append(
            f"| {r['task']} | {r['method']} | {'yes' if r['planner'] else 'no'} | {r['seed']} | {r['seconds']:.0f} s "
            f"| {r['steps']:,} | {arms[0]} | {arms[1]} |"
        )
    lines += [
        "",
        "| task | planner shown | runs | median wall clock | median designed | median sparse |",
        "|---|---|---|---|---|---|",
    ]
    for key in sorted({(r["task"], r["planner"]) for r in rows}, reverse=True):
        mine = [r for r in rows if (r["task"], r["planner"]) == key and "designed" in r]
        if mine:
            means = [statistics.median(100 * r[name]["mean"] for r in mine) for name in ("designed", "sparse")]
            wall = statistics.median(r["seconds"] for r in mine)
            shown = "yes" if key[1] else "no"
            scores = f"{means[0]:.1f} % | {means[1]:.1f} %"
            lines.append(f"| {key[0]} | {shown} | {len(mine)} | {wall:.0f} s | {scores} |")
    (RESULTS / "main_job.md").write_text("\n".join(lines) + "\n")


def _arm(arm: dict | None) -> str:
    if arm is None:
        return "none"
    pairs = zip(arm["success"], arm["greedy"], strict=True)
    return ", ".join(f"{100 * s:.1f} ({100 * g:.0f})" for s, g in pairs)


def main() -> None:
    """Parse the command line, run the jobs, rewrite the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--confirm", type=int, default=3, help="fresh seeds of the final evaluation")
    parser.add_argument("--method", default="auto-mc-reward")
    parser.add_argument("--no-planner", action="store_true", help="hide the order of subgoals from the designer")
    parser.add_argument("--keep", help="folder that keeps the jobs; default: removed")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for seed in range(options.first_seed, options.first_seed + options.runs):
        row = run_once(options.task, seed, not options.no_planner, options.method, options.confirm, options.keep)
        with (RESULTS / "main_job.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        write_table()


if __name__ == "__main__":
    main()
