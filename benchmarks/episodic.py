"""LaRe on continuous tasks with episodic reward: the mean return after training.

.venv/bin/python -m benchmarks.episodic [--tasks NAME ...] [--arms NAME ...] [--seeds N] [--steps N]

Every arm sees the return of an episode at its end only, except `each step`, which trains on the plain task's rewards.
Factors are those of synth. Resumable: appends to results/episodic.jsonl and rewrites results/episodic.md. A trial of
200,000 steps takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.methods.runs import first_program
from rewardsmith.methods.base import Setting
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import default_training, read_spec
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import TrialPlan, run_trial

RESULTS = Path(__file__).with_name("results")
FOLDER = Path(__file__).with_name("episodic_tasks")
TASKS = {
    "Pendulum": ("pendulum.yaml", "Pendulum-v1"),
    "InvertedDoublePendulum": ("double_pendulum.yaml", "InvertedDoublePendulum-v5"),
}
ARMS: dict[str, dict[str, Any]] = {
    "each step": {"method": "sparse"},
    "episodic": {"method": "sparse"},
    "lare": {"method": "lare", "options": {"lare": {"keep_env": False, "candidates": 1}}},
    "lare, shuffled factors": {
        "method": "lare",
        "options": {"lare": {"keep_env": False, "candidates": 1, "shuffled": True}},
    },
    "lare, observations": {"method": "lare", "options": {"lare": {"keep_env": False, "factors": "state"}}},
}
SEEDS_FROM = 50_000


def train(name: str, arm: str, seed: int, steps: int) -> dict[str, Any]:
    """Train one trial and return its row; returns are sums of the plain task's rewards."""
    began, (file, plain) = time.monotonic(), TASKS[name]
    task = get_task(plain if arm == "each step" else str(FOLDER / file))
    training = {**default_training(plain, "ppo"), "eval_episodes": 20, "final_episodes": 100}
    spec = read_spec({"task": task.id, "training": training, **ARMS[arm]})
    recipe = recipe_of(spec)
    reward = recipe.reward(first_program(recipe, task))
    with tempfile.TemporaryDirectory() as folder:

        def setting(options: Any) -> Setting:
            return Setting(task, spec.training, reward, seed, steps, Path(folder), options)

        plan = TrialPlan(
            task, reward, spec.training, seed, steps, 1.0, Path(folder), pool="claim", curve_points=4,
            learners=recipe.learners(setting),
        )  # fmt: skip
        report = run_trial(plan, lambda point: None, lambda trained: None)
    told = report.telemetry.get("methods", {}).get("lare", {})
    return {
        "task": name, "arm": arm, "seed": seed, "steps": steps, "mean_return": round(report.stochastic.mean_return, 1),
        "rank_correlation": told.get("rank_correlation"), "seconds": round(time.monotonic() - began),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """Return the text of results/episodic.md."""
    lines = [
        "# LaRe on continuous tasks with episodic reward", "",
        "Mean return of 100 episodes of the final stochastic policy, in sums of the plain task's rewards; each seed. "
        "Fewer than 10 seeds are preliminary. `rank correlation`: of predicted and actual return on held-out episodes.",
        "", "| task | arm | steps | mean return | rank correlation |", "|---|---|---|---|---|",
    ]  # fmt: skip
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["arm"], row["steps"]), []).append(row)
    for (task, arm, steps), mine in groups.items():
        found = ", ".join(f"{row['mean_return']:g}" for row in mine)
        known = [row["rank_correlation"] for row in mine if row["rank_correlation"] is not None]
        lines.append(f"| {task} | {arm} | {steps:,} | {found} | {f'{np.mean(known):.2f}' if known else '-'} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train the missing trials and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    path = options.results / "episodic.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(r["task"], r["arm"], r["seed"], r["steps"]) for r in rows}
    for seed in range(SEEDS_FROM, SEEDS_FROM + options.seeds):
        for name in options.tasks:
            for arm in options.arms:
                if (name, arm, seed, options.steps) in done:
                    continue
                rows.append(train(name, arm, seed, options.steps))
                with path.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                print(json.dumps(rows[-1]), flush=True)
    (options.results / "episodic.md").write_text(table(rows))


if __name__ == "__main__":
    main()
