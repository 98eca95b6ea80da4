"""The compiled engine against the real MiniGrid, step by step.

`python -m tests.tasks.minigrid.differential [--episodes N] [id ...]` plays N episodes (200) of every
covered id, or of the given ones, and exits 1 on the first difference of an id.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rewardsmith.tasks.minigrid import get_task
from rewardsmith.tasks.minigrid.batched import BatchedGrid
from rewardsmith.tasks.minigrid.compiled import CompiledTask
from rewardsmith.tasks.minigrid.families import COVERED
from rewardsmith.tasks.minigrid.state_tracker import StateTracker

SMALL = {"train": 64, "select": 16, "claim": 16}
MOST_STEPS = 400
PLAN_STATES = 60_000
LEFT, RIGHT, FORWARD, PICK_UP, DROP, TOGGLE, DONE = range(7)

Chooser = Callable[[Any, np.random.Generator], int]


def choose_at_random(env: Any, rng: np.random.Generator) -> int:
    """Any action; DONE and TOGGLE rarely, as they end some tasks at once."""
    return int(rng.choice(7, p=[0.2, 0.2, 0.35, 0.1, 0.06, 0.07, 0.02]))


def choose_to_meddle(env: Any, rng: np.random.Generator) -> int:
    """Act on the cell ahead as often as possible: pick, drop, toggle, even without effect."""
    x, y = env.front_pos
    ahead = env.grid.get(int(x), int(y))
    if ahead is not None and ahead.type not in ("wall", "lava") and rng.random() < 0.7:
        return int(rng.choice([PICK_UP, TOGGLE, DROP, FORWARD, DONE], p=[0.35, 0.3, 0.1, 0.2, 0.05]))
    if env.carrying is not None and ahead is None and rng.random() < 0.2:
        return DROP
    if ahead is not None and ahead.type == "lava" and rng.random() < 0.9:
        return int(rng.choice([LEFT, RIGHT]))
    return int(rng.choice([LEFT, RIGHT, FORWARD], p=[0.2, 0.2, 0.6]))


def choose_to_walk(env: Any, rng: np.random.Generator) -> int:
    """Walk far, open doors, spare the rest."""
    x, y = env.front_pos
    ahead = env.grid.get(int(x), int(y))
    if ahead is not None and ahead.type in ("door", "box") and rng.random() < 0.5:
        return TOGGLE
    if ahead is not None and ahead.type == "key" and rng.random() < 0.8:
        return PICK_UP
    if ahead is not None and not ahead.can_overlap():
        return int(rng.choice([LEFT, RIGHT]))
    return int(rng.choice([LEFT, RIGHT, FORWARD], p=[0.1, 0.1, 0.8]))


CHOOSERS: tuple[Chooser, ...] = (choose_at_random, choose_to_meddle, choose_to_walk)


class EnginePair:
    """One real environment and the compiled one, started on the same layout."""

    def __init__(self, task: CompiledTask) -> None:
        self.pool = task.pool("train")
        batch = task.batch(1, "train")
        assert isinstance(batch, BatchedGrid)
        self.fast = batch
        self.real = task.make_env()
        self.tracker = StateTracker(task.schema.as_dict())
        self.row = np.zeros((1, task.schema.width), np.int32)
        self.image = np.zeros((1, 7, 7, 3), np.uint8)

    def start(self, layout: int) -> str | None:
        """Begin an episode in both; returns what differs, or None."""
        observation, _ = self.real.reset(seed=int(self.pool.seeds[layout]))
        self.fast.play(layout)
        row, tables = self.tracker.start(self.real)
        for name in ("walls", "lava"):
            if not np.array_equal(tables[name][0], self.fast.tables[name][layout]):
                return name
        return self._compare(observation, layout, row)

    def step(self, action: int) -> tuple[str | None, bool]:
        """One action in both; returns what differs, and whether the episode is over."""
        observation, reward, terminated, truncated, _ = self.real.step(action)
        row = self.tracker.after(self.real, action, float(reward), terminated)
        self.fast.step(np.array([action]))
        pairs = (
            ("reward", float(reward), self.fast.rewards[0]),
            ("terminated", terminated, self.fast.terminated[0]),
            ("truncated", truncated and not terminated, self.fast.truncated[0]),
            ("success", terminated and reward > 0, self.fast.success[0]),
        )
        for name, real, fast in pairs:
            if real != fast:
                return f"{name}: real {real}, engine {fast}", True
        return self._compare(observation, int(self.fast.layout[0]), row), bool(terminated or truncated)

    def _compare(self, observation: dict[str, Any], layout: int, row: np.ndarray) -> str | None:
        self.fast.images(self.image)
        self.fast.state_rows(self.row)
        if not np.array_equal(observation["image"], self.image[0]):
            return "image"
        if observation["direction"] != self.fast.directions[0]:
            return "direction"
        if observation["mission"] != self.fast.tables["missions"][layout]:
            return "mission"
        if not np.array_equal(row[1:], self.row[0, 1:]):
            columns = np.flatnonzero(row[1:] != self.row[0, 1:]) + 1
            return f"row, columns {columns}: tracker {row[columns]}, engine {self.row[0, columns]}"
        return None


def play_episodes(task: CompiledTask, episodes: int, seed: int) -> tuple[int, int, list[str]]:
    """Play `episodes` episodes in both; returns steps, successes and the differences found."""
    pair, rng, steps, solved = EnginePair(task), np.random.default_rng(seed), 0, 0
    differences = []
    for episode in range(episodes):
        layout = int(rng.integers(len(pair.pool)))
        chooser = CHOOSERS[episode % len(CHOOSERS)]
        # Random play hardly solves the longer tasks, so every fourth episode follows a plan.
        plan = task.plan(layout, PLAN_STATES) if episode % 4 == 3 else None
        planned = [] if plan is None else plan.actions[::-1]
        difference, over, actions = pair.start(layout), False, []
        while difference is None and not over and len(actions) < MOST_STEPS:
            actions.append(planned.pop() if planned else chooser(pair.real.unwrapped, rng))
            difference, over = pair.step(actions[-1])
        steps += len(actions)
        solved += bool(pair.fast.success[0])
        if difference is not None:
            differences.append(f"layout {layout}, step {len(actions)}, {difference}")
    return steps, solved, differences


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and print one line per id."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("ids", nargs="*")
    options = parser.parse_args(arguments)
    failed = 0
    print(f"{'task':<40} {'episodes':>8} {'steps':>8} {'solved':>7} {'differ':>7}")
    for name in options.ids or COVERED:
        steps, solved, differences = play_episodes(get_task(name, SMALL), options.episodes, options.seed)
        print(f"{name:<40} {options.episodes:>8} {steps:>8} {solved:>7} {len(differences):>7}", flush=True)
        for line in differences[:3]:
            print(f"    {line}", flush=True)
        failed += bool(differences)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
