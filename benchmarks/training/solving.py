"""Seconds until a task is solved: against the RL-Zoo's settings, and on harder tasks."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.training import REWARD, free, trial
from benchmarks.training.zoo import Until, paid_envs, zoo_model
from rewardsmith.methods import get_method
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import TrainingSpec, default_steps, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.learner import Experience, Learner
from rewardsmith.training.trial import CurvePoint, TrialPlan, run_trial

WINDOW = 200
MOST = {"ours": 1_000_000, "zoo": 600_000}
HARD = ("DoorKey-8x8", "KeyCorridorS3R3", "UnlockPickup", "BlockedUnlockPickup", "DoorKey-16x16", "MultiRoom-N6")


class _Solved(Exception):
    """95 % of the last WINDOW training episodes succeeded."""


class _Watch(Learner):
    """Ends the trial once 95 % of the last WINDOW training episodes succeeded."""

    def __init__(self) -> None:
        self._last: deque[bool] = deque(maxlen=WINDOW)
        self.steps = 0

    def rewards(self, seen: Experience) -> dict[str, Any]:
        rollout = seen.rollout
        over = (rollout.terminated | rollout.truncated) & ~rollout.cut
        self._last.extend(rollout.success[over].tolist())
        self.steps = seen.steps + over.size
        if len(self._last) == WINDOW and sum(self._last) >= 0.95 * WINDOW:
            raise _Solved
        return {}


def race() -> Iterator[str]:
    """Seconds to 95 % success with the same reward, with the default settings and with the RL-Zoo's; yields lines."""
    free_reward = free(REWARD)
    trial(free_reward, 8_192)  # compiles kernels and loads libraries before the first timed trial
    yield from (
        "## Seconds to 95 % success of the last 200 training episodes, DoorKey-8x8, one fixed reward, one core", "",
        "Stochastic policy; ours with the sandbox and its start, default settings; imports are not counted on either",
        f"side. A run of the RL-Zoo's settings ends at {MOST['zoo']:,} steps; its ratio is then a lower bound.", "",
        "| seed | ours, s | steps | RL-Zoo's settings, s | steps | ratio |", "|" + "---|" * 6,
    )  # fmt: skip
    ratios = []
    for seed in range(3):
        mine, steps = _ours(free_reward, seed)
        theirs, needed = _zoo(seed)
        ratios.append(theirs / mine)
        bound = ">= " if needed is None else ""
        shown = f"{needed:,}" if needed is not None else "not reached"
        yield f"| {seed} | {mine:.1f} | {steps:,} | {theirs:.1f} | {shown} | {bound}{ratios[-1]:.1f} |"
    yield from ("", f"Median ratio: {statistics.median(ratios):.1f}.")


def _ours(reward: TrainingReward, seed: int) -> tuple[float, int]:
    watch = _Watch()
    began = time.perf_counter()
    try:
        trial(reward, MOST["ours"], seed=seed, learners={"watch": watch})
    except _Solved:
        return time.perf_counter() - began, watch.steps
    raise SystemExit(f"Seed {seed} did not reach 95 % success within {MOST['ours']:,} steps.")


def _zoo(seed: int) -> tuple[float, int | None]:
    envs, until = paid_envs(), Until(WINDOW)
    began = time.perf_counter()
    model = zoo_model(envs, seed).learn(MOST["zoo"], callback=until)
    return time.perf_counter() - began, model.num_timesteps if until.reached else None


def hard() -> Iterator[str]:
    """Success on unseen layouts with hand-written rewards, and the time to 95 %; yields lines."""
    yield from (
        "## Hand-written rewards, one core, layouts that training never sees", "",
        "`--method hand`, the task's default settings and steps, three seeds. Success is that of 1,000 episodes at the",
        "end; seconds are those to the first evaluation (200 episodes) at 95 %, and of the whole trial.", "",
        "| task | seed | first at 95 %, s | steps | whole trial, s | steps | stochastic, % | greedy, % |",
        "|" + "---|" * 8,
    )  # fmt: skip
    for seed in range(3):
        for name in HARD:
            yield _hard_row(name, seed)


def _hard_row(name: str, seed: int) -> str:
    task = get_task(f"MiniGrid-{name}-v0")
    method = get_method("hand")
    reward = method.reward(method.program(task, method.Options()))
    steps = default_steps(task.id)
    task.batch(1, "select").close()
    reached: list[tuple[float, int]] = []
    began = time.perf_counter()

    def note(point: CurvePoint) -> None:
        if point.evaluation.success >= 0.95:
            reached.append((time.perf_counter() - began, point.steps))

    with tempfile.TemporaryDirectory() as folder:
        training = TrainingSpec.model_validate(default_training(task.id))
        plan = TrialPlan(task, reward, training, 70_000 + seed, steps, 1.0, Path(folder))
        report = run_trial(plan, note, lambda _: None)
    first = f"{reached[0][0]:.0f} | {reached[0][1]:,}" if reached else "not reached | "
    final = f"{100 * report.stochastic.success:.1f} | {100 * report.greedy.success:.1f}"
    return f"| {name} | {seed} | {first} | {time.perf_counter() - began:.0f} | {report.steps:,} | {final} |"
