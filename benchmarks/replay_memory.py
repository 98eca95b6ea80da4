"""Resident memory of a SAC trial with a full replay buffer of a million transitions, against plain SB3.

.venv/bin/python -m benchmarks.replay_memory [--transitions N]

Takes 2 minutes, 1 GB of memory and 1 GB of disk. Writes results/replay_memory.md.

Observations have 40 numbers and actions 6. Each side runs in a process of its own: it builds SAC, fills every row of
the replay buffer, collects 300 steps with a gradient step after each, and reads its memory from the system. Ours is
scored by a program in the sandbox and saves a checkpoint at the end; the memory of its reward host is added. Mapped
files (`RssFile`) are shown apart, because the operating system frees their memory when it is needed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer

from benchmarks.scoring_speed import CHANNELS, Collected
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks.described.task import DescribedTask, Description
from rewardsmith.telemetry import Telemetry
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.checkpoint import save_checkpoint
from rewardsmith.training.off_policy import connect_off_policy, start_replay
from rewardsmith.training.replay import ShapedReplayBuffer
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.trial import TrialPlan, build
from rewardsmith.training.vecenv import BatchVecEnv

RESULTS = Path(__file__).with_name("results")
TASK, STEPS, _AT_ONCE = "RewardsmithWide-v0", 300, 50_000
PROGRAM = "def reward(prev, action, state, memory):\n    return {'first': state.observation[0], 'all': 0.1}\n"


class Wide(gym.Env):
    """Forty random numbers; six continuous actions that change nothing."""

    observation_space = spaces.Box(-1, 1, (40,), np.float32)
    action_space = spaces.Box(-1, 1, (6,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Draw the first numbers."""
        super().reset(seed=seed)
        return self._seen(), {}

    def _seen(self) -> np.ndarray:
        return self.np_random.uniform(-1, 1, 40).astype(np.float32)

    def step(self, action: np.ndarray) -> Any:
        """Draw the next numbers."""
        return self._seen(), 0.0, False, False, {}


gym.register(TASK, f"{__name__}:Wide", max_episode_steps=100)


def settings(transitions: int) -> TrainingSpec:
    """The settings of both sides."""
    own = {"buffer_size": transitions, "learning_starts": 0}
    return TrainingSpec.model_validate({**default_training("", "sac"), **own})


def filled(buffer: ReplayBuffer, arrays: list[Any]) -> None:
    """Write every row of the arrays, as a long trial does."""
    for array in arrays:
        for first in range(0, buffer.buffer_size, _AT_ONCE):
            array[first : first + _AT_ONCE] = 0.5
    buffer.dones[:] = buffer.timeouts[:] = 0.0
    buffer.full = True


def ours(transitions: int) -> int:
    """Train with the sandbox and mapped files. Returns the reward host's process id."""
    given = {"id": TASK, "goal": "Nothing.", "max_steps": 100, "score": "return"}
    task, training = DescribedTask(Description.model_validate(given)), settings(transitions)
    batch = task.batch(1, "train")
    env = BatchVecEnv(batch, task, training.collected, seed=0)
    folder = Path(tempfile.mkdtemp(dir=Path.cwd()))
    plan = TrialPlan(task, TrainingReward(PROGRAM, ("reward",), CHANNELS), training, 0, transitions, 1.0, folder)
    model: Any = build(plan, env)
    adaptation, shaper = Adaptation(training, task), RewardShaper(plan.problem, batch.tables, 1, training.collected)
    shaper.start()
    start_replay(model)
    buffer = model.replay_buffer
    assert isinstance(buffer, ShapedReplayBuffer)
    pending = connect_off_policy(model, env, shaper, adaptation)
    filled(
        buffer, [owner[key] if isinstance(owner, dict) else getattr(owner, key) for _, owner, key in buffer._arrays()]
    )
    model.learn(STEPS, callback=Collected(pending.collected))
    pending.settle()
    save_checkpoint(folder, model, 0, Telemetry(), {}, adaptation.state(), 2_000)
    assert shaper.host is not None
    return shaper.host.pid


def plain(transitions: int) -> int:
    """Train with SB3 alone. Returns 0: there is no other process."""
    training = settings(transitions)
    model = SAC(
        "MlpPolicy", gym.make(TASK), buffer_size=transitions, learning_starts=0, batch_size=training.batch_size,
        learning_rate=training.learning_rate, policy_kwargs={"net_arch": list(training.hidden)}, device="cpu",
    )  # fmt: skip
    buffer = model.replay_buffer
    assert isinstance(buffer, ReplayBuffer)
    filled(buffer, [buffer.observations, buffer.next_observations, buffer.actions, buffer.rewards])
    model.learn(STEPS)
    return 0


def resident(pid: int | str) -> dict[str, float]:
    """Resident memory of a process in MB: its own, and that of mapped files."""
    found = dict(re.findall(r"(Rss\w+):\s+(\d+)", Path(f"/proc/{pid}/status").read_text()))
    return {
        "own": (int(found["RssAnon"]) + int(found["RssShmem"])) / 1024,
        "files": int(found["RssFile"]) / 1024,
    }


def side(name: str, transitions: int) -> dict[str, Any]:
    """Run one side in a fresh process with a folder of its own, and return what it measured."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.replay_memory", "--side", name, "--transitions", str(transitions)]
        root = str(Path(__file__).parents[1])
        run = subprocess.run(command, cwd=folder, env={"PYTHONPATH": root, "PATH": ""}, stdout=-1, check=True)
    return json.loads(run.stdout)


def main() -> None:
    """Measure both sides, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transitions", type=int, default=1_000_000)
    parser.add_argument("--side", choices=["ours", "plain"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.side:
        host = {"ours": ours, "plain": plain}[options.side](options.transitions)
        print(json.dumps({"trainer": resident("self"), "host": resident(host) if host else {"own": 0.0, "files": 0.0}}))
        return
    rows = {name: side(name, options.transitions) for name in ("plain", "ours")}
    totals = {name: row["trainer"]["own"] + row["host"]["own"] for name, row in rows.items()}
    titles = {"plain": "plain SB3", "ours": "a trial"}
    lines = [
        "# Memory of a full replay buffer", "",
        f"Written by `python -m benchmarks.replay_memory`: SAC, {options.transitions:,} transitions of 40 numbers, in "
        "MB.",
        "", "| | trainer | reward host | both | mapped files |", "|---|---|---|---|---|",
        *(
            f"| {titles[name]} | {row['trainer']['own']:.0f} | {row['host']['own']:.0f} | {totals[name]:.0f} | "
            f"{row['trainer']['files']:.0f} |"
            for name, row in rows.items()
        ),
        "", f"Difference without mapped files: {totals['ours'] - totals['plain']:+.0f} MB. Mapped files include the "
        "libraries of Python and torch.",
    ]  # fmt: skip
    print("\n".join(lines))
    if options.transitions == 1_000_000:
        (RESULTS / "replay_memory.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
