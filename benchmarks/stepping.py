"""Speed of stepping real environments through a batch, against a plain loop over the same environment, by turns.

.venv/bin/python -m benchmarks.stepping [--turns N] [ID ...]
.venv/bin/python -m benchmarks.stepping --processes
.venv/bin/python -m benchmarks.stepping --envpool

The batch records the state and tests success; there is no program and no learning. Both sides play random actions, and
start each episode with a seed. A ratio is the plain loop's processor time of a step over the batch's, in turns that
follow each other; the table shows the median of the turns. `--processes` compares wall-clock time of one process and
two.
`--envpool` compares a plain loop, a batch of 16 and the same batch in EnvPool; it needs the extra envpool.
Writes results/stepping.md, results/processes.md or results/envpool.md; a run of some ids replaces their rows only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.batches import batch_of
from rewardsmith.tasks.described.task import DescribedTask, Description

RESULTS = Path(__file__).with_name("results")
SIZES = (1, 8, 16)
IDS = (
    "CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Acrobot-v1", "FrozenLake-v1", "LunarLander-v3", "BipedalWalker-v3",
    "Hopper-v5", "Reacher-v5", "PointMaze_UMaze-v3", "FetchReach-v4",
)  # fmt: skip
SECONDS = 0.12
"""Processor time of one turn of one side."""


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("ids", nargs="*", default=IDS)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--processes", action="store_true", help="one process against two")
    parser.add_argument("--envpool", action="store_true", help="a plain loop, a batch, and EnvPool")
    chosen = parser.parse_args()
    if chosen.envpool:
        _write_envpool(chosen.turns)
        return
    if chosen.processes:
        _write_processes(chosen.turns)
        return
    kept = RESULTS / "stepping.jsonl"
    rows = {row["id"]: row for row in map(json.loads, kept.read_text().splitlines())} if kept.exists() else {}
    for name in chosen.ids:
        rows[name] = measure(name, chosen.turns)
        ordered = [rows[each] for each in (*IDS, *(key for key in rows if key not in IDS)) if each in rows]
        kept.write_text("".join(json.dumps(row) + "\n" for row in ordered))
        (RESULTS / "stepping.md").write_text(_table(ordered))
        print(rows[name], flush=True)


def measure(name: str, turns: int) -> dict[str, Any]:
    """Microseconds of a step of the plain loop, and the ratio of each size of a batch."""
    task = _task(name)
    plain, found = _plain(task), {}
    row: dict[str, Any] = {"id": name}
    for size in SIZES:
        batched, close = _batched(task, size)
        pairs = [(plain(SECONDS), batched(SECONDS)) for _ in range(turns)]
        close()
        found[str(size)] = statistics.median(alone / together for alone, together in pairs)
        row["plain"] = statistics.median(alone for alone, _ in pairs)
    return {**row, "ratios": found}


def _task(name: str) -> DescribedTask:
    task = get_task(name)
    assert isinstance(task, DescribedTask)
    return task


def _plain(task: DescribedTask) -> Callable[[float], float]:
    """A loop over the environment alone: seconds of a step, in a turn of so many seconds."""
    env = task.make_env()
    actions = task.actions.all_in_environment(task.actions.sample(np.random.default_rng(0), 64))
    env.reset(seed=0)

    def turn(seconds: float) -> float:
        steps, episodes, began = 0, 0, time.process_time()
        while (taken := time.process_time() - began) < seconds:
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    episodes += 1
                    env.reset(seed=episodes)
            steps += len(actions)
        return taken / steps

    return turn


def _batched(task: DescribedTask, size: int) -> tuple[Callable[[float], float], Callable[[], None]]:
    """The same of a batch whose states are recorded, and what closes it."""
    batch = batch_of(task._setup, size, "train")
    rng = np.random.default_rng(0)
    actions = [task.actions.sample(rng, size) for _ in range(64)]
    record = task.schema.rows(64, size)
    batch.reset(0)

    def turn(seconds: float) -> float:
        steps, began = 0, time.process_time()
        while (taken := time.process_time() - began) < seconds:
            for t in range(0, 64, size):
                batch.step(actions[t])
                batch.state_rows(record[t])
                over = batch.terminated | batch.truncated
                if over.any():
                    batch.restart(over)
                steps += size
        return taken / steps

    return turn, batch.close


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Stepping through a batch",
        "",
        "Speed of a batch relative to a plain loop over the same environment, per environment step, in processor time;",
        "medians of turns that follow each other. The batch records states and tests success.",
        "",
        "| environment | plain loop, us per step | " + " | ".join(f"batch of {size}" for size in SIZES) + " |",
        "|---|---|" + "---|" * len(SIZES),
    ]
    for row in rows:
        shown = " | ".join(f"{row['ratios'][str(size)]:.2f}" for size in SIZES)
        lines.append(f"| {row['id']} | {1e6 * row['plain']:.1f} | {shown} |")
    return "\n".join(lines) + "\n"


def _write_processes(turns: int) -> None:
    lines = [
        "# Stepping by several processes",
        "",
        f"Environment steps per second of a batch of 16, wall clock, medians of {turns} turns by turns, on "
        f"{len(os.sched_getaffinity(0))} cores. What else ran: load average {os.getloadavg()[0]:.1f}.",
        "",
        "| environment | one process | two processes | ratio |",
        "|---|---|---|---|",
    ]
    for task in (_task("FetchReach-v4"), _task("PointMaze_UMaze-v3"), _task("Hopper-v5"), _sleeper()):
        rates = {1: [], 2: []}
        batches = {count: batch_of(task._setup, 16, "train", count) for count in rates}
        for batch in batches.values():
            batch.reset(0)
        for _ in range(turns):
            for count, batch in batches.items():
                rates[count].append(_rate(batch, task))
        for batch in batches.values():
            batch.close()
        ratio = statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True))
        one, two = (statistics.median(rates[count]) for count in (1, 2))
        lines.append(f"| {task.id} | {one:,.0f} | {two:,.0f} | {ratio:.2f} |")
        print(lines[-1], flush=True)
    (RESULTS / "processes.md").write_text("\n".join(lines) + "\n")


def _write_envpool(turns: int) -> None:
    lines = [
        "# Stepping by EnvPool",
        "",
        f"Microseconds of an environment step, processor time, medians of {turns} turns by turns; batches of 16. The "
        "batches record the state",
        f"and test success. What else ran: load average {os.getloadavg()[0]:.1f}.",
        "",
        "| environment | plain loop | batch | EnvPool, 1 thread | plain loop / EnvPool |",
        "|---|---|---|---|---|",
    ]
    for name in ("CartPole-v1", "Pendulum-v1", "MountainCar-v0", "LunarLander-v3", "Reacher-v5", "Hopper-v5"):
        task = _observed_only(name)
        pooled = DescribedTask(task.described.model_copy(update={"engine": "envpool"}), examined=True)
        plain, (batch, close), (fast, end) = _plain(task), _batched(task, 16), _batched(pooled, 16)
        taken = [(plain(SECONDS), batch(SECONDS), fast(SECONDS)) for _ in range(turns)]
        close()
        end()
        shown = " | ".join(f"{1e6 * statistics.median(each):.1f}" for each in zip(*taken, strict=True))
        ratio = statistics.median(alone / quick for alone, _, quick in taken)
        lines.append(f"| {name} | {shown} | {ratio:.1f} |")
        print(lines[-1], flush=True)
    (RESULTS / "envpool.md").write_text("\n".join(lines) + "\n")


def _observed_only(name: str) -> DescribedTask:
    """The task of an id, without variables and success that EnvPool does not show."""
    found = _task(name).described
    kept = [v for v in found.state if v.source is None or v.source.startswith("observation")]
    return DescribedTask(found.model_copy(update={"state": kept}), examined=True)


def _rate(batch: Any, task: DescribedTask) -> float:
    rng, steps, began = np.random.default_rng(0), 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < 0.5:
        batch.step(task.actions.sample(rng, batch.num_envs))
        over = batch.terminated | batch.truncated
        if over.any():
            batch.restart(over)
        steps += batch.num_envs
    return steps / taken


def _sleeper() -> DescribedTask:
    """An environment that waits 5 ms in each step, as one does that asks another program."""
    import gymnasium

    class Waits(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            return np.zeros(1, np.float32), {}

        def step(self, action: Any) -> Any:
            time.sleep(0.005)
            return np.zeros(1, np.float32), 0.0, False, False, {}

    gymnasium.register("Waits-v0", lambda **_: Waits())
    found = Description(id="Waits-v0", goal="Wait.", success="truncated", max_steps=100)
    return DescribedTask(found, examined=True)


if __name__ == "__main__":
    main()
