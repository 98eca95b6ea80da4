"""The same trial on the compiled engine and on MiniGrid itself, compared bit for bit."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from benchmarks.training import REWARD, TASK, free, trial
from rewardsmith.programs.reward import SPARSE
from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.minigrid.compiled import CompiledTask
from rewardsmith.training.learner import Experience, Learner

STEPS = 53_248  # 13 rollouts
LOSSES = ("train/loss", "train/policy_gradient_loss", "train/value_loss", "train/entropy_loss", "train/approx_kl")


class _Real(CompiledTask):
    """A task of the compiled engine that MiniGrid itself steps and observes."""

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        return self.real_batch(num_envs, pool)


class _Record(Learner):
    """Hashes of each rollout's actions, rewards, states and observations, and the losses after it."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    def rewards(self, seen: Experience) -> dict[str, Any]:
        rollout = seen.rollout
        arrays = (rollout.actions, rollout.rewards, rollout.after, seen.observations, seen.following)
        self._hashes = tuple(hashlib.sha256(array.tobytes()).hexdigest() for array in arrays)
        return {}

    def learn(self, seen: Experience, model: Any) -> None:
        buffer = model.rollout_buffer
        paid = hashlib.sha256(buffer.rewards.tobytes() + buffer.advantages.tobytes()).hexdigest()
        losses = tuple(model.logger.name_to_value[name] for name in LOSSES)
        self.rows.append((*self._hashes, paid, *losses))


def same() -> list[str]:
    """Train on both engines and compare the rollouts; returns lines of results/training/same.md."""
    lines = [
        f"## Learning on the engine and on MiniGrid itself, DoorKey-8x8, {STEPS:,} steps", "",
        "Compared after each rollout: actions, rewards, states, observations, composed reward, advantages, losses.", "",
        "| reward | rollouts | identical | last loss, engine | real | seconds, engine | real |", "|" + "---|" * 7,
    ]  # fmt: skip
    for name, reward in (("sparse", SPARSE), ("20 lines, in the sandbox", free(REWARD))):
        found, taken = [], []
        tasks: tuple[Any, ...] = (CompiledTask(TASK), _Real(TASK))
        for task in tasks:
            record = _Record()
            began = time.perf_counter()
            trial(reward, STEPS, task=task, learners={"record": record})
            taken.append(time.perf_counter() - began)
            found.append(record.rows)
        equal = sum(a == b for a, b in zip(*found, strict=True))
        losses = " | ".join(f"{rows[-1][-5]!r}" for rows in found)
        lines.append(f"| {name} | {len(found[0])} | {equal} | {losses} | {taken[0]:.1f} | {taken[1]:.1f} |")
    return lines
