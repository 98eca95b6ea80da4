"""How fast training is, each figure beside what it is compared with, by turns in one run. Writes results/training.md.

.venv/bin/python -m benchmarks.training [engine ppo solve start pair]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401 - registers the tasks
import numpy as np
import torch
from minigrid.wrappers import FlatObsWrapper
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.trial import designed
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import CurvePoint, TrialPlan, run_trial

TASK = "MiniGrid-DoorKey-8x8-v0"
RESULTS = Path(__file__).with_name("results")
RUNS = 5


def timed(work: Callable[[], int]) -> float:
    """Steps per second of `work`, which returns how many it made."""
    began = time.perf_counter()
    steps = work()
    return steps / (time.perf_counter() - began)


def by_turns(works: dict[str, Callable[[], int]], runs: int = RUNS) -> dict[str, float]:
    """Median steps per second of each, measured by turns after one round that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(runs + 1):
        for name, work in works.items():
            speed = timed(work)
            if turn:
                taken[name].append(speed)
    return {name: statistics.median(speeds) for name, speeds in taken.items()}


# --- the engine alone -----------------------------------------------------------------------------------


def engine() -> list[str]:
    """256 compiled environments with observations, beside one of MiniGrid's own."""
    envs, steps = 256, 2_000
    batch = get_task(TASK).batch(envs, "train")
    rng = np.random.default_rng(0)
    actions = rng.integers(7, size=(steps, envs))
    seen = np.zeros((envs, batch.observation_size), dtype=np.float32)
    rows = np.zeros((envs, get_task(TASK).schema["width"]), dtype=get_task(TASK).schema["dtype"])

    def compiled(with_rows: bool) -> int:
        batch.reset(0)
        for t in range(steps):
            batch.step(actions[t])
            done = batch.terminated | batch.truncated
            if done.any():
                batch.restart(done)
            batch.observe(seen)
            if with_rows:
                batch.state_rows(rows)
        return envs * steps

    own = gym.make(TASK)

    def real() -> int:
        own.reset(seed=0)
        for t in range(3_000):
            _, _, ended, late, _ = own.step(int(actions[t % steps, 0]))
            if ended or late:
                own.reset()
        return 3_000

    speeds = by_turns({"compiled": lambda: compiled(False), "with rows": lambda: compiled(True), "own": real})
    seen_only, both = (f"{speeds[k]:,.0f} | {speeds[k] / speeds['own']:,.0f}" for k in ("compiled", "with rows"))
    return [
        "## The engine alone, DoorKey-8x8, one core",
        "",
        "| | steps/s | ratio to MiniGrid's own |",
        "|---|---|---|",
        f"| compiled, 256 environments, observations | {seen_only} |",
        f"| the same and the symbolic state | {both} |",
        f"| MiniGrid's own, one environment | {speeds['own']:,.0f} | 1 |",
        "",
    ]


# --- PPO end to end -------------------------------------------------------------------------------------

SCALAR_REWARD = """
def reward(prev, action, state, memory):
    total = 0.0
    if state.solved:
        total += 1.0
    if state.event == "picked_up" and not memory.get("picked_up", False):
        memory["picked_up"] = True
        total += 0.2
    if state.event == "unlocked" and not memory.get("unlocked", False):
        memory["unlocked"] = True
        total += 0.4
    door = key = None
    for thing in state.objects:
        if thing.kind == "door":
            door = thing
        elif thing.kind == "key":
            key = thing
    wanted = door if state.carrying is not None else key
    if wanted is not None:
        before = abs(prev.agent.x - wanted.x) + abs(prev.agent.y - wanted.y)
        after = abs(state.agent.x - wanted.x) + abs(state.agent.y - wanted.y)
        total += 0.01 * (before - after)
    return total
"""


def ours(num_envs: int, reward: TrainingReward, cells: str, steps: int) -> Callable[[], int]:
    """A trial without evaluations worth mentioning."""
    training = TrainingSpec.model_validate(
        {**default_training(TASK), "num_envs": num_envs, "cells": cells, "eval_episodes": 10, "final_episodes": 10}
    )

    def work() -> int:
        with tempfile.TemporaryDirectory() as folder:
            run_trial(
                TrialPlan(get_task(TASK), reward, training, 1, steps, 1.0, Path(folder)), lambda _: None, lambda _: None
            )
        return steps

    return work


class _Flat(gym.ObservationWrapper):
    """The policy input of our engine, made from MiniGrid's own observation."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (151,), np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        out = np.zeros(151, dtype=np.float32)
        out[:147] = (observation["image"] / np.array([10, 5, 2], dtype=np.float32)).ravel()
        out[147 + observation["direction"]] = 1
        return out


def dummy(num_envs: int, steps: int) -> Callable[[], int]:
    """SB3's PPO with our batch sizes and network over a DummyVecEnv of MiniGrid's own environments."""

    def work() -> int:
        env = DummyVecEnv([lambda: _Flat(gym.make(TASK)) for _ in range(num_envs)])
        model = PPO("MlpPolicy", env, n_steps=64, batch_size=1024, n_epochs=4, device="cpu", seed=1)
        model.learn(steps)
        return steps

    return work


def zoo(steps: int) -> Callable[[], int]:
    """The RL-Zoo's settings for MiniGrid: 8 environments, 128 steps, batch 64, 10 epochs, flat observations."""

    def work() -> int:
        env = DummyVecEnv([lambda: FlatObsWrapper(gym.make(TASK)) for _ in range(8)])
        model = PPO(
            "MlpPolicy", env, n_steps=128, batch_size=64, n_epochs=10, gae_lambda=0.95, gamma=0.99,
            ent_coef=0.0, learning_rate=2.5e-4, clip_range=0.2, device="cpu", seed=1,
        )  # fmt: skip
        model.learn(steps)
        return steps

    return work


def ppo() -> list[str]:
    """Training steps per second."""
    sandboxed = TrainingReward.from_dict(_free(SCALAR_REWARD).as_dict())
    works = {
        "ours, 64, one-hot cells": ours(64, SPARSE, "one-hot", 65_536),
        "ours, 64, scaled cells (the network of the next line but two)": ours(64, SPARSE, "scaled", 65_536),
        "ours, 128, scaled cells": ours(128, SPARSE, "scaled", 131_072),
        "ours, 64, scaled cells, sandboxed 20-line reward": ours(64, sandboxed, "scaled", 65_536),
        "DummyVecEnv over MiniGrid, 64": dummy(64, 8_192),
        "RL-Zoo's settings, 8": zoo(2_048),
    }
    speeds = by_turns(works)
    base, slow = speeds["DummyVecEnv over MiniGrid, 64"], speeds["RL-Zoo's settings, 8"]
    lines = [
        "## PPO from end to end, DoorKey-8x8, one torch thread",
        "",
        "| | steps/s | to DummyVecEnv | to RL-Zoo |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {v:,.0f} | {v / base:.1f} | {v / slow:.1f} |" for name, v in speeds.items()]
    return [*lines, ""]


def _free(source: str) -> TrainingReward:
    from rewardsmith.methods import get_method

    return get_method("free").reward(source)


# --- other figures --------------------------------------------------------------------------------------

HARD = ("KeyCorridorS3R3", "UnlockPickup", "BlockedUnlockPickup", "DoorKey-16x16", "MultiRoom-N6")


def solve() -> list[str]:
    """Seconds of one core to 95 % success on unseen layouts, with synth's first program."""
    lines = [
        "## Seconds to 95 % on unseen layouts (the search's), one core, synth's first program, seed 70000",
        "",
        "| task | seconds to the first evaluation at 95 % | steps | final success | greedy | trial's seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("DoorKey-8x8", *HARD):
        task = get_task(f"MiniGrid-{name}-v0")
        reached: list[tuple[float, int]] = []
        began = time.perf_counter()

        def note(point: CurvePoint, began: float = began, reached: list[tuple[float, int]] = reached) -> None:
            if point.evaluation.success >= 0.95:
                reached.append((time.perf_counter() - began, point.steps))

        with tempfile.TemporaryDirectory() as folder:
            training = TrainingSpec.model_validate(default_training(task.id))
            plan = TrialPlan(
                task, designed(task, "auto-mc-reward", 0, True), training, 70_000, 1_500_000, 1.0, Path(folder)
            )
            report = run_trial(plan, note, lambda _: None)
        first = f"{reached[0][0]:.0f} | {reached[0][1]:,}" if reached else "not reached | "
        final = f"{100 * report.stochastic.success:.1f} | {100 * report.greedy.success:.1f}"
        lines.append(f"| {name} | {first} | {final} | {time.perf_counter() - began:.0f} |")
        print(lines[-1], flush=True)
    return [*lines, ""]


def pair() -> list[str]:
    """Two trials at once on two cores beside one alone."""
    command = [sys.executable, "-m", "benchmarks.trial", "--task", TASK, "--sparse", "--steps", "100000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(count: int) -> Callable[[], int]:
        def work() -> int:
            running = [
                subprocess.Popen([*command, "--seed", str(k)], stdout=subprocess.DEVNULL, env=environment)
                for k in range(count)
            ]
            for process in running:
                process.wait()
            return 100_000 * count

        return work

    speeds = by_turns({"one": run(1), "two": run(2)}, runs=3)
    ratio = speeds["two"] / speeds["one"]
    return ["## Two trials at once on two cores", "", f"Throughput {ratio:.2f} times that of one alone.", ""]


def start() -> list[str]:
    """From a trial's launch to its first training step, forked and fresh; memory of a fresh one."""
    from workers.warm import WarmParent

    warm = WarmParent(TASK)
    taken: dict[str, list[float]] = {"forked": [], "fresh": []}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "first.py"
        script.write_text(_FIRST_STEP)
        for turn in range(RUNS + 1):
            began = time.time()
            log = Path(folder) / f"log{turn}"
            with log.open("w") as output:
                subprocess.run([sys.executable, str(script)], check=True, stdout=output, cwd=RESULTS.parents[1])
            if turn:
                taken["fresh"].append(float(log.read_text().split()[-1]) - began)
            began = time.perf_counter()
            child = warm.launch(["0", "nobody", "1"], dict(os.environ, REWARDSMITH_HOME=folder), Path(folder) / "warm")
            if turn:
                taken["forked"].append(time.perf_counter() - began)
            child.wait()
    warm.close()
    lines = ["## Starting a trial", "", "| | seconds |", "|---|---|"]
    lines.append(f"| fresh interpreter to the first training step | {statistics.median(taken['fresh']):.2f} |")
    lines.append(f"| fork from the warm parent | {statistics.median(taken['forked']):.4f} |")
    return [*lines, ""]


_FIRST_STEP = """
import sys, tempfile, time
sys.path.insert(0, ".")
from pathlib import Path
from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training import trial, vecenv
step = vecenv.BatchVecEnv.step_wait
def first(self):
    result = step(self)
    print(time.time(), flush=True)
    sys.exit(0)
vecenv.BatchVecEnv.step_wait = first
task = "MiniGrid-DoorKey-8x8-v0"
with tempfile.TemporaryDirectory() as folder:
    training = TrainingSpec.model_validate(default_training(task))
    plan = trial.TrialPlan(get_task(task), SPARSE, training, 1, 99999, 1.0, Path(folder))
    trial.run_trial(plan, lambda _: None, lambda _: None)
"""

PARTS = {"engine": engine, "ppo": ppo, "start": start, "pair": pair, "solve": solve}


def main() -> None:
    """Measure the named parts (all by default) and write them, keeping what other runs wrote of the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=[*PARTS, []])
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = RESULTS / "training"
    folder.mkdir(parents=True, exist_ok=True)
    for name in options.parts:
        text = "\n".join(PARTS[name]())
        print(text)
        (folder / f"{name}.md").write_text(text)
    found = [(folder / f"{name}.md").read_text() for name in PARTS if (folder / f"{name}.md").exists()]
    (RESULTS / "training.md").write_text("# Training\n\n" + "\n".join(found))


if __name__ == "__main__":
    main()
