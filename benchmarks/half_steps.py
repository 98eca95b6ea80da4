"""Environment steps that a job needs with and without verification, both served in order from one list of answers.

.venv/bin/python -m benchmarks.half_steps --task MiniGrid-DoorKey-8x8-v0 --jobs 10

Takes about 3.5 minutes per job. Resumable: appends to results/half_steps.jsonl and rewrites results/half_steps.md.

Each job draws its designer's answers from the reward() programs of its task in the labelled set. The draw depends on
the job's seed only, so both conditions of a seed see the same answers. Verification does no harm if the 95 % interval
of the paired difference of final success lies above -5 points (non-inferiority, docs/contracts.md D).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import rewardsmith
from benchmarks.verification_set import TASKS, entries

RESULTS = Path(__file__).with_name("results")
ROWS = RESULTS / "half_steps.jsonl"
ARMS = ("with", "without")
ANSWERS = 80


def answers_of(task: str, seed: int) -> dict[str, list[str]]:
    """The answers of each role in the job of this seed, in the form that a `listed:` model reads."""
    draw = random.Random(f"{task} {seed}")
    texts = [e.source for e in entries(task) if "def reward" in e.source and "def potential" not in e.source]
    chosen = [draw.choice(texts) for _ in range(ANSWERS)]
    return {
        "designer": [f"A reward.\n\n```python\n{text.strip()}\n```\n" for text in chosen],
        "critic": ['{"verdict": "accept", "issues": []}'],
        "analyzer": ['{"causes": [], "suggestion": "try another", "prediction": ""}'],
    }


def run_job(task: str, seed: int, arm: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one job in a fresh folder, and return its row: environment steps of the search, success of the best."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "answers.json"
        listed.write_text(json.dumps(answers_of(task, seed)), encoding="utf-8")
        found = rewardsmith.design(
            task, home=folder, seed=seed, method="free", model=f"listed:{listed}", verification=arm == "with", slots=1,
            iterations=options.iterations, samples=options.samples, confirm=0, planner=False,
            **({"steps": options.steps} if options.steps else {}),
        )  # fmt: skip
        steps, success = _spent(Path(folder), found.job_id)
    return {
        "task": task, "seed": seed, "arm": arm, "env_steps": steps, "success": success, "state": found.state,
        "note": found.note, "seconds": round(time.monotonic() - began, 1), "steps": options.steps,
    }  # fmt: skip


def _spent(folder: Path, job_id: str) -> tuple[int, float]:
    """(environment steps of the designed candidates' trials, success of the best candidate in [0, 1])."""
    from rewardsmith.config import Settings
    from rewardsmith.engine.context import open_context
    from rewardsmith.storage import records

    with open_context(Settings(home=folder)).database.connect() as connection:
        job = records.get_job(connection, job_id)
        trials = [t for t in records.trials_of(connection, job_id=job_id) if not t.candidate_id.endswith("-sparse")]
        best = next((t.success for t in trials if t.candidate_id == job.best_candidate), None)
    return sum(t.steps for t in trials), float(best or 0.0)


def rows() -> list[dict[str, Any]]:
    """Rows of all jobs measured so far."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def write_table() -> None:
    """Rewrite results/half_steps.md from all rows."""
    lines = ["# Environment steps with and without verification", "", (__doc__ or "").splitlines()[0], "",
             "| task | steps of a trial | jobs | steps with | without | ratio of means | success with | without | "
             "difference, 95 % |", "|" + "---|" * 9]  # fmt: skip
    found = {(r["task"], r["steps"], r["seed"], r["arm"]): r for r in rows()}
    for task, steps in sorted({key[:2] for key in found}, key=str):
        seeds = [s for t, n, s, arm in found if (t, n, arm) == (task, steps, "with") and (t, n, s, "without") in found]
        if not seeds:
            continue
        pairs = [[found[(task, steps, s, arm)] for arm in ARMS] for s in seeds]
        spent = np.array([[r["env_steps"] for r in pair] for pair in pairs], float)
        success = np.array([[r["success"] for r in pair] for pair in pairs])
        low, high = _interval(100 * (success[:, 0] - success[:, 1]))
        means = spent.mean(axis=0)
        lines.append(
            f"| {task} | {steps or 'the default'} | {len(seeds)} | {means[0]:,.0f} | {means[1]:,.0f} | "
            f"{means[0] / max(means[1], 1):.2f} | {100 * success[:, 0].mean():.1f} % | "
            f"{100 * success[:, 1].mean():.1f} % | [{low:.1f}, {high:.1f}] points |"
        )
    (RESULTS / "half_steps.md").write_text("\n".join(lines) + "\n")


def _interval(values: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(5000, len(values)))].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def main() -> None:
    """Parse the command line and run the missing jobs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--jobs", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=6)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--steps", type=int, help="environment steps of a full trial; default: the task's")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    known = {(r["task"], r["steps"], r["seed"], r["arm"]) for r in rows()}
    for seed in range(options.jobs):
        for arm in ARMS:
            if (options.task, options.steps, seed, arm) in known:
                continue
            row = run_job(options.task, seed, arm, options)
            with ROWS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
            write_table()


if __name__ == "__main__":
    main()
