"""Success rates and returns of the references that come with rewardsmith, beside random play.

.venv/bin/python -m benchmarks.references
.venv/bin/python -m benchmarks.references --episodes 200 Pendulum-v1

Needs the extras box2d, mujoco and robotics; environments whose extra is missing are skipped and named. Takes about 5
minutes. Writes results/references.md, the table of docs/tasks.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rewardsmith.errors import RewardsmithError
from rewardsmith.reporting.proportion import wilson
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.references.opening import random_play
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.reference import Achieved

RESULTS = Path(__file__).with_name("results") / "references.md"
IDS = (
    *("MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1", "LunarLander-v3", "LunarLanderContinuous-v3"),
    *("FetchReach-v4", "Reacher-v5", "PointMaze_UMaze-v3", "PointMaze_Open-v3", "PointMaze_Medium-v3"),
    "PointMaze_Large-v3",
)


def measured(task_id: str, episodes: int) -> tuple[Achieved, Achieved]:
    """Return what the reference and random play achieve. Raises RewardsmithError if the environment is missing."""
    task = get_task(task_id)
    assert isinstance(task, DescribedTask) and task.reference is not None
    reference = task.reference
    return reference.achieves(episodes), random_play(reference, episodes)


def line(task_id: str, found: Achieved, usual: Achieved) -> str:
    """Return a row of the table."""
    low, high = wilson(found.successes, found.episodes)
    return (
        f"| {task_id} | {found.success_rate:.0%} ({low:.0%} to {high:.0%}) | {usual.success_rate:.0%} "
        f"| {found.mean_return:.4g} | {usual.mean_return:.4g} | {found.mean_length:.0f} |"
    )


def main() -> None:
    """Measure every reference, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", help="environments; all by default")
    parser.add_argument("--episodes", type=int, default=100, help="episodes of each")
    given = parser.parse_args()
    rows = []
    for task_id in given.ids or IDS:
        try:
            rows.append(line(task_id, *measured(task_id, given.episodes)))
        except RewardsmithError as error:
            print(f"{task_id} is skipped: {error.cause}", file=sys.stderr)
            continue
        print(rows[-1], flush=True)
    head = "| environment | success (95 % interval) | random play | mean return | random play | steps |"
    text = f"{given.episodes} episodes each, from training starts.\n\n{head}\n|---|---|---|---|---|---|\n"
    if not given.ids:
        RESULTS.write_text(text + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
