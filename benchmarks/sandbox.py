"""Training speed with the sandboxed reward, over that with the same function called in process.

.venv/bin/python -m benchmarks.sandbox

Takes about 4 minutes. Writes results/sandbox.md.

Both conditions train by turns in one process with the same seeds. The table also has the host's processor time per
million trained steps: the cost on a machine without a second core.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.scoring import PROGRAM
from rewardsmith.methods import get_method
from rewardsmith.programs.problem import Problem
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.trial import TrialPlan, build
from rewardsmith.training.vecenv import BatchVecEnv
from sandbox import facade
from sandbox.budget import seconds_used
from sandbox.client import HostSetup, RewardHost, Scores, observe_level
from sandbox.protocol import MAX_NAMES, action_constants
from sandbox.scoring import Program

RESULTS = Path(__file__).with_name("results")
TASK = "MiniGrid-DoorKey-8x8-v0"
ROLLOUTS = 8  # trained per turn


class InProcess:
    """The host's scoring loop in the trainer's process: no second process, no shared memory, no sandbox."""

    level = "none"

    def __init__(self, problem: Problem, tables, envs: int) -> None:
        reward, task = problem.reward, problem.task
        facades = facade.load_facades()
        names = {**action_constants(task.actions.names), "__builtins__": facade.reward_builtins(facades)}
        self.program = Program(reward.source, HostSetup(reward.functions, task.schema.as_dict(), tables), envs, names)
        self.uses = self.program.uses
        self.parts: list[np.ndarray] = []

    def submit(self, before, actions, after, starts) -> None:
        """Score the steps now."""
        out = np.zeros((MAX_NAMES + 2, *starts.shape))
        self.program.score(before, actions, after, starts, out)
        self.parts.append(np.moveaxis(out, 0, -1))

    def finish(self) -> Scores:
        """Scores of all steps submitted since the last call."""
        whole, self.parts = np.concatenate(self.parts), []
        names = tuple(self.program.names)
        return Scores(names, whole[..., : len(names)], None, None, 0.0)

    def tend(self) -> None:
        """Do nothing: there is no process to watch."""

    def close(self) -> None:
        """Do nothing: there is no process to end."""


class InProcessProblem(Problem):
    """A problem whose program is called in the trainer's process."""

    def host(self, tables, envs: int, steps: int, *, wait: bool = True) -> Any:
        """The program, called in process."""
        return InProcess(self, tables, envs)


class Arm:
    """One training that goes on turn by turn."""

    def __init__(self, envs: int, sandboxed: bool, folder: Path) -> None:
        task = get_task(TASK)
        training = TrainingSpec(num_envs=envs, rollout_steps=64, batch_size=min(1024, 16 * envs))
        reward = get_method("free").reward(PROGRAM)
        self.steps = envs * 64 * ROLLOUTS
        batch = task.batch(envs, "train")
        env = BatchVecEnv(batch, task, 64, seed=0)
        self.model = build(TrialPlan(task, reward, training, 0, 10**6, 1.0, folder), env)
        problem: Any = Problem(task, reward, training.gamma)
        if not sandboxed:
            problem = InProcessProblem(task, reward, training.gamma)
        self.shaper = RewardShaper(problem, batch.tables, envs, 64)
        self.shaper.start()
        buffer: Any = self.model.rollout_buffer
        buffer.shape_rollout = lambda: self.shaper(env.rollout)
        env.on_step = lambda recorded: self.shaper.follow(env.rollout, recorded)

    def turn(self) -> tuple[float, float]:
        """(steps per second, the host's processor seconds per million steps) of one turn."""
        host: Any = self.shaper.host
        before = seconds_used(host.pid) if isinstance(host, RewardHost) else 0.0
        began = time.perf_counter()
        self.model.learn(self.steps, reset_num_timesteps=False)
        seconds = time.perf_counter() - began
        after = seconds_used(host.pid) if isinstance(host, RewardHost) else 0.0
        return self.steps / seconds, 1e6 * ((after or 0.0) - (before or 0.0)) / self.steps


def compare(envs: int, turns: int) -> str:
    """Measure one number of environments, and return its row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        arms = [Arm(envs, sandboxed, Path(folder)) for sandboxed in (True, False)]
        for arm in arms:
            arm.turn()
        pairs = []
        for turn in range(turns):
            order = arms if turn % 2 else arms[::-1]
            found = {id(arm): arm.turn() for arm in order}
            pairs.append([found[id(arm)] for arm in arms])
        for arm in arms:
            arm.shaper.close()
    ratios = [sandboxed[0] / direct[0] for sandboxed, direct in pairs]
    median = statistics.median
    return (
        f"| {envs} | {median(p[0][0] for p in pairs):,.0f} | {median(p[1][0] for p in pairs):,.0f} | "
        f"{median(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f} | {median(p[0][1] for p in pairs):.2f} |"
    )


def cold_start(runs: int) -> tuple[float, float, float]:
    """Medians of (ms until a host has loaded its program, MB resident, ms of an interpreter that imports numpy)."""
    task = get_task(TASK)
    tables = task.batch(1, "train").tables
    times, sizes, bare = [], [], []
    imports = "import sys; sys.path.append(sys.argv[1]); import numpy"
    site = str(Path(np.__file__).parents[1])
    for _ in range(runs):
        began = time.perf_counter()
        setup = HostSetup(["reward"], task.schema.as_dict(), tables, task.actions.names)
        with RewardHost(PROGRAM, setup, 64, 4096) as host:
            times.append(1000 * (time.perf_counter() - began))
            status = Path(f"/proc/{host.pid}/status").read_text()
            sizes.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-S", "-P", "-c", imports, site], check=True)
        bare.append(1000 * (time.perf_counter() - began))
    return statistics.median(times), statistics.median(sizes), statistics.median(bare)


def main() -> None:
    """Measure cold start and training speed, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=11, help="pairs of turns per number of environments")
    parser.add_argument("--envs", type=int, nargs="*", default=[16, 64, 128])
    options = parser.parse_args()
    torch.set_num_threads(1)
    milliseconds, megabytes, bare = cold_start(2 * options.turns + 1)
    lines = [
        "# Training with the sandboxed reward",
        "",
        f"{TASK}, PPO on one thread, a 20-line scalar reward, level `{observe_level().level}`; medians of "
        f"{options.turns} pairs of turns of {ROLLOUTS} rollouts x 64 steps, by turns in one run.",
        "",
        "| environments | steps/s, sandboxed | steps/s, in process | ratio | lowest to highest | "
        "host's CPU s per million steps |",
        "|---|---|---|---|---|---|",
        *(compare(envs, options.turns) for envs in options.envs),
        "",
        f"Cold start: {milliseconds:.0f} ms until the program is loaded, {megabytes:.1f} MB resident; an interpreter "
        f"that only imports numpy takes {bare:.0f} ms (medians of {2 * options.turns + 1}, by turns).",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sandbox.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
