"""Checks and trains goals and reward machines on eight tasks, beside the hand-written reward.

.venv/bin/python -m benchmarks.contracts check     # verdicts; minutes a task on 2 cores
.venv/bin/python -m benchmarks.contracts train     # steps to 90 %; --seeds 3, --tasks, --minutes
.venv/bin/python -m benchmarks.contracts table     # writes results/contracts.md

Resumable: finished rows are in results/contracts.jsonl. answers/TASK.CONTRACT.txt holds what a language model answered
to the first prompt of a job without the planner's order. That prompt was an earlier one, which promised a discounted
potential. One context answered all 16 prompts; 3 answers used `range` on object conditions, which was added afterwards.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

ANSWERS = Path(__file__).with_name("answers")
RESULTS = Path(__file__).parents[1] / "results"
STEPS = {
    "MiniGrid-DoorKey-8x8-v0": 300_000,
    "MiniGrid-UnlockPickup-v0": 400_000,
    "MiniGrid-KeyCorridorS3R3-v0": 600_000,
    "MiniGrid-BlockedUnlockPickup-v0": 800_000,
    "MiniGrid-MultiRoom-N2-S4-v0": 200_000,
    "MiniGrid-RedBlueDoors-6x6-v0": 200_000,
    "MountainCar-v0": 300_000,
    "examples/own_task/corridor.yaml": 60_000,
}
ARMS = ("hand", "goal, synth", "goal, model", "machine, synth", "machine, model")
SEEDS_FROM, POINTS, LAYOUTS, REACHED = 50_000, 40, 16, 0.9


def reward_of(task_id: str, arm: str) -> Any:
    """Return the training reward of an arm on a task; None if the task has none."""
    from rewardsmith.agents import roles
    from rewardsmith.agents.registry import open_model
    from rewardsmith.errors import UsageError
    from rewardsmith.methods.recipe import recipe_of
    from rewardsmith.spec import read_spec, with_defaults
    from rewardsmith.tasks import get_task

    method, _, author = arm.partition(", ")
    spec = read_spec(with_defaults({"task": task_id, "method": method}))
    task, recipe = get_task(spec.task, spec.description), recipe_of(spec)
    if recipe.contract is None:
        try:
            return recipe.reward(recipe.program(task))
        except UsageError:
            return None
    if author == "model":
        text = (ANSWERS / f"{short(task_id)}.{method}.txt").read_text(encoding="utf-8")
        return recipe.reward(recipe.contract.read(text, task.interface().facts).source)
    asked = roles.DesignRequest(recipe.contract, task.interface(), 1, 0, 1, "new", 0, [], [], given=recipe.given(task))
    outcome = roles.design(open_model("synth"), asked)
    assert outcome.result is not None, outcome.reason
    return recipe.reward(outcome.result.source)


def short(task_id: str) -> str:
    """Return the name of a task in files and tables."""
    return Path(task_id).stem.removeprefix("MiniGrid-").removesuffix("-v0")


def check(task_id: str, arm: str) -> dict[str, Any]:
    """Return the verdicts on an arm's reward."""
    from rewardsmith.offline.check_reward import check_reward

    reward = reward_of(task_id, arm)
    if reward is None:
        return {"missing": True}
    found = check_reward(reward.source, task_id, layouts=LAYOUTS)
    certificate = found.verdict("certificate")
    return {
        "passed": found.passed,
        "failed": [v.kind for v in found.checked.verdicts if not v.passed],
        "certificate": None if certificate is None else certificate.message.split(".")[0],
        "difficulty": found.difficulty,
    }


def train(task_id: str, arm: str, seed: int) -> dict[str, Any]:
    """Train an arm's reward once, and return its curve."""
    import torch

    from rewardsmith.spec import read_spec, with_defaults
    from rewardsmith.tasks import get_task
    from rewardsmith.training.trial import TrialPlan, run_trial

    torch.set_num_threads(1)
    reward = reward_of(task_id, arm)
    if reward is None:
        return {"missing": True}
    spec = read_spec(with_defaults({"task": task_id, "method": arm.partition(", ")[0]}))
    task, curve = get_task(spec.task, spec.description), []
    folder = RESULTS / "contracts-unfinished" / f"{short(task_id)}-{arm}-{seed}".replace(", ", "-")
    plan = TrialPlan(
        task, reward, spec.training, seed, STEPS[task_id], 1.0, folder, "claim", curve_points=POINTS
    )  # fmt: skip
    report = run_trial(plan, lambda p: curve.append([p.steps, p.evaluation.success]), lambda _: None)
    return {"curve": curve, "final": report.stochastic.success}


def steps_to(row: dict[str, Any]) -> int | None:
    """Return the steps of the first of three evaluations in a row at 90 % or more."""
    points = row["curve"]
    for k in range(len(points) - 2):
        if all(success >= REACHED for _, success in points[k : k + 3]):
            return int(points[k][0])
    return None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the finished rows."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Goals and reward machines",
        "",
        "Steps to 90 % success by seed, 1,000 steps; `-`: never. Certificate of",
        "",
    ]
    lines[2] = f"Steps to 90 % success in thousands, one number a seed; `-`: never. Checked on {LAYOUTS} layouts."
    lines += [
        "| task | reward | certificate | failed checks | steps to 90 % | final success |",
        "|---|---|---|---|---|---|",
    ]
    for task_id in STEPS:
        for arm in ARMS:
            mine = [r for r in rows if r["task"] == task_id and r["arm"] == arm and not r.get("missing")]
            checked = next((r for r in mine if r["kind"] == "check"), {})
            trained = [r for r in mine if r["kind"] == "train"]
            if not mine:
                continue
            steps = ", ".join("-" if (s := steps_to(r)) is None else f"{s / 1000:.0f}" for r in trained)
            final = ", ".join(f"{100 * r['final']:.0f} %" for r in trained)
            failed = ", ".join(checked.get("failed", [])) or ("none" if checked else "")
            told = checked.get("certificate") or ""
            lines.append(f"| {short(task_id)} | {arm} | {told} | {failed} | {steps} | {final} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the command line and fill in the missing rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("check", "train", "table"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="*")
    parser.add_argument("--arms", nargs="*")
    parser.add_argument("--minutes", type=float, default=120, help="start no row after this many minutes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    path = options.results / "contracts.jsonl"
    until = time.monotonic() + 60 * options.minutes
    seeds = [SEEDS_FROM + k for k in range(options.seeds)] if options.kind == "train" else [0]
    for seed in seeds if options.kind != "table" else []:
        for task_id in (t for t in STEPS if not options.tasks or short(t) in options.tasks):
            for arm in options.arms or ARMS:
                key = {"kind": options.kind, "task": task_id, "arm": arm, "seed": seed}
                done = any(all(row[k] == v for k, v in key.items()) for row in read_rows(path))
                if done or time.monotonic() > until:
                    continue
                row = {**key, **(check(task_id, arm) if options.kind == "check" else train(task_id, arm, seed))}
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(short(task_id), arm, seed, {k: v for k, v in row.items() if k not in (*key, "curve")}, flush=True)
    (options.results / "contracts.md").write_text(table(read_rows(path)))


if __name__ == "__main__":
    main()
