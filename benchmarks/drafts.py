"""`tasks new` on twenty environments: whether each file runs unedited, and how many of its names mean something.

.venv/bin/python -m benchmarks.drafts
.venv/bin/python -m benchmarks.drafts --only Pendulum-v1 Taxi-v4     # these again

Each environment is drafted, tried (`tasks try`) and trained for two rollouts of 4 environments x 64 steps, each in a
process of its own. Results go to results/drafts.jsonl as they come, one line each, and to the table results/drafts.md;
environments that have a line are left out. An environment whose package is not installed is a line of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rewardsmith.tasks.described.description import parse_description

RESULTS = Path(__file__).with_name("results")
LIMIT = 600
"""Seconds that one command may take."""

SHORT = 16
"""Steps of an episode while training."""

IDS = (
    "Pendulum-v1", "FrozenLake-v1", "Taxi-v4", "Blackjack-v1", "LunarLander-v3", "CarRacing-v3", "Hopper-v5",
    "Pusher-v5", "FetchPush-v4", "BabyAI-BossLevel-v0", "MiniGrid-Dynamic-Obstacles-8x8-v0", "CartPole-v1",
    "Acrobot-v1", "CliffWalking-v1", "BipedalWalker-v3", "HalfCheetah-v5", "PointMaze_UMaze-v3", "AdroitHandDoor-v1",
    "highway-v0", "warehouse:Warehouse",
)  # fmt: skip
WAREHOUSE = '''
"""A robot brings a parcel to the dock."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

ACTIONS = ["up", "down", "left", "right", "grab"]


class Warehouse(gym.Env):
    """A robot on a 6 x 6 floor. The goal is to grab the parcel and carry it to the dock at (5, 5)."""

    observation_space = spaces.Box(0, 5, (4,), np.float32)
    action_space = spaces.Discrete(5)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.robot = self.np_random.integers(0, 6, 2)
        self.parcel = self.np_random.integers(0, 5, 2)
        self.holds = False
        return self._observed(), {"delivered": False}

    def _observed(self):
        return np.array([*self.robot, *self.parcel], np.float32)

    def step(self, action):
        moves = [(0, -1), (0, 1), (-1, 0), (1, 0), (0, 0)]
        self.robot = np.clip(self.robot + moves[action], 0, 5)
        self.holds = self.holds or (action == 4 and (self.robot == self.parcel).all())
        if self.holds:
            self.parcel = self.robot.copy()
        delivered = bool(self.holds and (self.robot == 5).all())
        return self._observed(), -0.01, delivered, False, {"delivered": delivered}
'''


def main() -> None:
    """Run what has no result yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="Run these ids again, and no others.")
    asked = parser.parse_args()
    path = RESULTS / "drafts.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = {row["id"]: row for row in map(json.loads, lines)}
    for name in asked.only or [each for each in IDS if each not in found]:
        found[name] = examine(name)
        print(json.dumps(found[name]), flush=True)
        path.write_text("".join(json.dumps(found[each]) + "\n" for each in IDS if each in found), encoding="utf-8")
    (RESULTS / "drafts.md").write_text(table([found[each] for each in IDS if each in found]), encoding="utf-8")


def examine(name: str) -> dict[str, Any]:
    """Draft, try and train one environment; the row of its results."""
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        (folder / "warehouse.py").write_text(WAREHOUSE, encoding="utf-8")
        row: dict[str, Any] = {"id": name}
        started = time.perf_counter()
        made = _run(folder, "tasks", "new", name, "--out", "task.yaml")
        row["seconds"] = round(time.perf_counter() - started, 1)
        row["new"] = _outcome(made)
        if made.returncode:
            return row
        text = (folder / "task.yaml").read_text(encoding="utf-8")
        description = parse_description(text, name)
        names = [v.name for v in description.state] + description.action_names
        row["named"] = [sum(re.fullmatch(r"[xa]\d+|action_\d+", each) is None for each in names), len(names)]
        row["success"] = description.success or (
            f"return >= {description.threshold:g}" if description.threshold is not None else "return is compared"
        )
        row["try"] = _outcome(_run(folder, "tasks", "try", "task.yaml"))
        row["train"] = _outcome(
            _python("import sys; from benchmarks.drafts import two_rollouts; two_rollouts(sys.argv[1])", folder)
        )
    return row


def two_rollouts(file: str) -> None:
    """Train two rollouts of 4 environments x 64 steps. Episodes are short, because evaluations play ten of them."""
    from rewardsmith.methods import get_method
    from rewardsmith.spec import TrainingSpec
    from rewardsmith.tasks import get_task
    from rewardsmith.tasks.described.task import DescribedTask
    from rewardsmith.training.trial import TrialPlan, run_trial
    from sandbox.client import Isolation

    task = get_task(file)
    if isinstance(task, DescribedTask):
        shorter = task.described.model_copy(update={"max_steps": min(task.max_steps, SHORT)})
        task = DescribedTask(shorter, Path(file).parent, examined=True)
    training = TrainingSpec(num_envs=4, rollout_steps=64, batch_size=64, epochs=1, eval_episodes=10, final_episodes=10)
    reward = get_method("free").reward("def reward(prev, action, state, memory):\n    return 0.0\n")
    with tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(task, reward, training, 1, 512, 1.0, Path(folder), isolation=Isolation.NONE, curve_points=1)
        assert run_trial(plan, lambda point: None, lambda steps: None).steps == 512


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "rewardsmith.cli.main", *arguments]
    return _limited(command, folder)


def _python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return _limited([sys.executable, "-c", code, str(folder / "task.yaml")], RESULTS.parents[1])


def _limited(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"not done after {LIMIT} s")


def _outcome(ended: subprocess.CompletedProcess[str]) -> str:
    """`yes`, or the last two lines of the error."""
    if ended.returncode == 0:
        return "yes"
    return " ".join(ended.stderr.strip().splitlines()[-2:])[:300] or f"exit code {ended.returncode}"


def table(rows: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    lines = [
        "# `tasks new` on twenty environments",
        "",
        "Made by `python -m benchmarks.drafts`. Each file was tried and trained unedited. `named` counts the variables",
        "and actions that have a name of their own, such as `pole_angle` instead of `x2`.",
        "",
        "| environment | new | seconds | named | success | try | train |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        named = "{} of {}".format(*row["named"]) if "named" in row else "-"
        cells = [
            row["id"],
            row["new"],
            row["seconds"],
            named,
            *(row.get(key, "-") for key in ("success", "try", "train")),
        ]
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
    full = sum(row.get("new") == row.get("try") == row.get("train") == "yes" for row in rows)
    return "\n".join([*lines, "", f"{full} of {len(rows)} ran unedited."]) + "\n"


if __name__ == "__main__":
    main()
