"""Speed and success of training; each figure is measured by turns with the one it is compared with.

.venv/bin/python -m benchmarks.training [engine ppo same pair start settings race hard variables]

Runs the named parts (default: all, about one hour); benchmarks/README.md describes them and states their durations.
Writes results/training/PART.md for each part and joins all of them in results/training.md.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Learner
from rewardsmith.training.trial import TrialPlan, TrialReport, run_trial

TASK = "MiniGrid-DoorKey-8x8-v0"
RESULTS = Path(__file__).parents[1] / "results"
RUNS = 5

# 20 lines that pay on nearly every step; a policy trained on them solves DoorKey.
REWARD = """
def reward(prev, action, state, memory):
    total = 1.0 if state.solved else 0.0
    for event, pay in (("picked_up", 0.2), ("unlocked", 0.4)):
        if state.event == event and not memory.get(event, False):
            memory[event] = True
            total += pay
    key = door = goal = None
    for thing in state.objects:
        if thing.kind == "door":
            door = thing
        elif thing.kind == "key":
            key = thing
        elif thing.kind == "goal":
            goal = thing
    wanted = key if state.carrying is None else door
    if door.state != "locked":
        wanted = goal
    before = abs(prev.agent.x - wanted.x) + abs(prev.agent.y - wanted.y)
    after = abs(state.agent.x - wanted.x) + abs(state.agent.y - wanted.y)
    return total + 0.01 * (before - after)
"""


def by_turns(works: dict[str, Callable[[], float]], runs: int = RUNS) -> dict[str, list[float]]:
    """By name, the values of `runs` calls of each function, called by turns; a first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(runs + 1):
        for name, work in works.items():
            value = work()
            if turn:
                found[name].append(value)
    return found


def medians(found: dict[str, list[float]]) -> dict[str, float]:
    """The median of each list of values."""
    return {name: statistics.median(values) for name, values in found.items()}


class Clock:
    """Steps per second of the median rollout with its update, without start-up, evaluations and checkpoints."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []

    def beat(self, steps: int) -> None:
        """Note the time at which the policy has been updated on one rollout."""
        self._marks.append((time.perf_counter(), steps))

    @property
    def speed(self) -> float:
        """Steps per second of the median rollout."""
        return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(self._marks))


def trial(
    reward: TrainingReward, steps: int, *, seed: int = 1, task: Task | None = None, learners: Any = None,
    beat: Callable[[int], None] = lambda _: None, **settings: Any,
) -> TrialReport:  # fmt: skip
    """Train one trial with the task's default settings and `settings`; evaluations have 10 episodes by default."""
    played = task or get_task(TASK)
    few = {"eval_episodes": 10, "final_episodes": 10}
    training = TrainingSpec.model_validate({**default_training(played.id), **few, **settings})
    named: dict[str, Learner] = learners or {}
    with tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(played, reward, training, seed, steps, 1.0, Path(folder), curve_points=1, learners=named)
        return run_trial(plan, lambda _: None, beat)


def free(source: str) -> TrainingReward:
    """The training reward of a program under the method `free`."""
    from rewardsmith.methods import get_method

    return get_method("free").reward(source)
