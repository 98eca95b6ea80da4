"""The composed reward times 0.1 and 30 with off-policy algorithms: returns at the end, stochastic and greedy.

.venv/bin/python -m benchmarks.reward_scale [--only TASK ...] [--seeds N]

Takes 1 minute (CartPole) to 2 minutes (Pendulum) per trial on an idle core. Resumable: appends to
results/reward_scale.jsonl and rewrites results/reward_scale.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import TrialPlan, run_trial

RESULTS = Path(__file__).with_name("results")
ROWS = RESULTS / "reward_scale.jsonl"
FACTORS = (1.0, 0.1, 30.0)
_EPISODES = 50


@dataclass(frozen=True)
class Case:
    """One algorithm on one task: its `training.algorithm`, and the environment steps of a trial."""

    algorithm: str
    steps: int


CASES = {"Pendulum-v1": Case("sac", 6_000), "CartPole-v1": Case("dqn", 30_000)}


def train(task: str, factor: float, seed: int) -> dict[str, Any]:
    """Train on the environment's reward times a factor, and return the row of the trial."""
    case = CASES[task]
    own = {"eval_episodes": 10, "final_episodes": _EPISODES}
    training = TrainingSpec.model_validate({**default_training(task, case.algorithm), **own})
    reward = TrainingReward("", (), (Channel("env", "env", weight=factor),))
    with tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(
            get_task(task), reward, training, seed, case.steps, 1.0, Path(folder), pool="claim", curve_points=1
        )
        report = run_trial(plan, lambda point: None, lambda trained: None)
    assert report.greedy is not None
    return {
        "task": task, "factor": factor, "seed": seed, "steps": report.steps,
        "stochastic": round(report.stochastic.mean_return, 1), "greedy": round(report.greedy.mean_return, 1),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The lines of results/reward_scale.md."""
    lines = [
        "# The scale of rewards in a replay buffer", "",
        "Written by `python -m benchmarks.reward_scale`: the environment's reward times a factor, default settings,",
        f"mean return of {_EPISODES} episodes at the end under the environment's own reward, one value per seed.",
        "Preliminary.", "",
        "| task | algorithm, steps | policy | factor 1 | 0.1 | 30 |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for task, case in CASES.items():
        for policy in ("stochastic", "greedy"):
            cells = []
            for factor in FACTORS:
                found = [str(r[policy]) for r in rows if (r["task"], r["factor"]) == (task, factor)]
                cells.append(", ".join(found) or "not run")
            lines.append(f"| {task} | {case.algorithm}, {case.steps:,} | {policy} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the trials that have no row yet, seed by seed, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES), metavar="TASK")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    for seed in range(options.seeds):
        for task in options.only:
            for factor in FACTORS:
                if any((r["task"], r["factor"], r["seed"]) == (task, factor, seed) for r in rows):
                    continue
                rows.append(train(task, factor, seed))
                print(rows[-1], flush=True)
                with ROWS.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                (RESULTS / "reward_scale.md").write_text(table(rows))


if __name__ == "__main__":
    main()
