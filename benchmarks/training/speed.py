"""Steps per second: the engine alone, PPO from end to end, two trials at once."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import gymnasium as gym
import minigrid  # noqa: F401 - registers the tasks
import numpy as np

from benchmarks.programs.train import before
from benchmarks.training import REWARD, TASK, Clock, by_turns, free, medians, trial
from benchmarks.training.zoo import batch_of_ours, zoo
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.tasks import get_task


def _speed_of(work: Callable[[], int]) -> Callable[[], float]:
    def measured() -> float:
        began = time.perf_counter()
        steps = work()
        return steps / (time.perf_counter() - began)

    return measured


def engine() -> list[str]:
    """Steps per second of 256 compiled environments and of one MiniGrid environment; returns lines."""
    envs, steps = 256, 2_000
    task = get_task(TASK)
    batch = task.batch(envs, "train")
    actions = np.random.default_rng(0).integers(7, size=(steps, envs))
    seen = np.zeros((envs, batch.observation_size), dtype=np.float32)
    rows = task.schema.rows(envs)

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

    works = {"compiled": lambda: compiled(False), "with rows": lambda: compiled(True), "own": real}
    speeds = medians(by_turns({name: _speed_of(work) for name, work in works.items()}))
    seen_only, both = (f"{speeds[k]:,.0f} | {speeds[k] / speeds['own']:,.0f}" for k in ("compiled", "with rows"))
    return [
        "## The engine alone, DoorKey-8x8, one core",
        "",
        "| | steps/s | ratio to MiniGrid's own |",
        "|---|---|---|",
        f"| compiled, 256 environments, observations | {seen_only} |",
        f"| the same and the symbolic state | {both} |",
        f"| MiniGrid's own, one environment | {speeds['own']:,.0f} | 1 |",
    ]


def ours(
    num_envs: int, reward: TrainingReward, cells: str, rollouts: int = 16, batch_size: int = 1024
) -> Callable[[], float]:
    """A function that trains a trial and returns its speed in steps per second."""

    def work() -> float:
        clock = Clock()
        same = {"hidden": (64, 64), "epochs": 4, "cells": cells, "batch_size": batch_size}  # as in the DummyVecEnv row
        trial(reward, rollouts * 64 * num_envs, beat=clock.beat, num_envs=num_envs, **same)
        return clock.speed

    return work


COUNTING = "64 environments, one-hot cells, beside a process that only counts"


def ppo() -> list[str]:
    """Training steps per second of PPO, with and without scoring in the sandbox; returns lines."""
    found = by_turns({
        "64 environments, one-hot cells": ours(64, SPARSE, "one-hot"),
        "the same, 20-line reward in the sandbox": ours(64, free(REWARD), "one-hot"),
        COUNTING: _beside_counting(ours(64, SPARSE, "one-hot")),
        "64 environments, scaled cells": ours(64, SPARSE, "scaled"),
        "the same, 20-line reward in the sandbox ": ours(64, free(REWARD), "scaled"),
        "128 environments, scaled cells": ours(128, SPARSE, "scaled"),
        "the same, batches of 2048": ours(128, SPARSE, "scaled", batch_size=2048),
        "SB3 over DummyVecEnv, 64, the same network": _speed_of(batch_of_ours(64, 8_192)),
        "RL-Zoo's settings, 8": _speed_of(zoo(2_048)),
    })  # fmt: skip
    speeds = medians(found)
    *_, base, slow = speeds.values()
    lines = [
        "## PPO from end to end, DoorKey-8x8, one torch thread",
        "",
        "Of the median rollout with its update; start-up, evaluations, checkpoints left out. `scaled` is the network",
        "of the DummyVecEnv line. Batches of 1024, and of 2048 where it says so.",
        "",
        "| | steps/s | to DummyVecEnv | to RL-Zoo |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {v:,.0f} | {v / base:.1f} | {v / slow:.1f} |" for name, v in speeds.items()]
    names = [name for name in found if name != COUNTING]
    for plain, scored in (names[0:2], names[2:4]):
        shares = [b / a for a, b in zip(found[plain], found[scored], strict=True)]
        lines += ["", f"With the sandboxed reward, {plain}: {statistics.median(shares):.3f} of the speed without "
                      f"(median of {len(shares)} pairs; a second core is idle)."]  # fmt: skip
    shares = [b / a for a, b in zip(found[names[0]], found[COUNTING], strict=True)]
    lines += ["", f"Without a reward, while another process counts all the time: {statistics.median(shares):.3f} "
                  "of the speed."]  # fmt: skip
    return lines


def _beside_counting(work: Callable[[], float]) -> Callable[[], float]:
    def both() -> float:
        counting = subprocess.Popen([sys.executable, "-c", "n = 0\nwhile True: n += 1"])
        try:
            return work()
        finally:
            counting.kill()
            counting.wait()

    return both


def pair() -> list[str]:
    """Throughput of two trials at once on two cores against one alone; returns lines."""
    command = [sys.executable, "-m", "benchmarks.trial", "--task", TASK, "--sparse", "--steps", "150000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(count: int) -> Callable[[], int]:
        def work() -> int:
            running = [
                subprocess.Popen([*command, "--seed", str(k)], stdout=subprocess.DEVNULL, env=environment)
                for k in range(count)
            ]
            codes = [process.wait() for process in running]
            if any(codes):
                raise SystemExit(
                    "A trial failed; run `python -m benchmarks.trial` with the same options to see its error."
                )
            return 150_000 * count

        return work

    found = by_turns({"one": _speed_of(run(1)), "two": _speed_of(run(2)), "spin": _spin(1), "spins": _spin(2)})
    ratios = [b / a for a, b in zip(found["one"], found["two"], strict=True)]
    machine = [b / a for a, b in zip(found["spin"], found["spins"], strict=True)]
    return [
        "## Two trials at once on two cores", "",
        f"Throughput {statistics.median(ratios):.2f} times that of one alone (interpreters' start included).",
        f"The machine itself gives two processes that only count {statistics.median(machine):.2f} times that of one.",
    ]  # fmt: skip


def _spin(count: int) -> Callable[[], float]:
    command = [sys.executable, "-c", "n = 0\nwhile n < 40_000_000: n += 1"]

    def work() -> int:
        running = [subprocess.Popen(command) for _ in range(count)]
        for process in running:
            process.wait()
        return count

    return _speed_of(work)


def settings() -> list[str]:
    """Training steps per second with the default settings and with the earlier ones, on two tasks; returns lines."""
    lines = [
        "## The default settings and the earlier ones, one torch thread", "",
        "Of the median rollout with its update, sparse reward; medians of five by turns.", "",
        "| task | earlier, steps/s | default, steps/s | ratio |", "|---|---|---|---|",
    ]  # fmt: skip
    for name in ("MiniGrid-DoorKey-8x8-v0", "MiniGrid-UnlockPickup-v0"):

        def work(chosen: dict[str, object], name: str = name) -> Callable[[], float]:
            def measured() -> float:
                clock = Clock()
                trial(SPARSE, 16 * 4096, task=get_task(name), beat=clock.beat, **chosen)
                return clock.speed

            return measured

        found = by_turns({"earlier": work(before(name)), "default": work({})})
        ratio = statistics.median(b / a for a, b in zip(found["earlier"], found["default"], strict=True))
        speeds = medians(found)
        lines.append(f"| {name} | {speeds['earlier']:,.0f} | {speeds['default']:,.0f} | {ratio:.2f} |")
    return lines
