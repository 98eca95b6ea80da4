"""Failed episodes of greedy policies whose stochastic versions succeed: how many end in a cycle of states.

.venv/bin/python -m benchmarks.programs.greedy

Takes about 3 minutes. Writes results/programs-greedy.md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.programs import STEPS, Program, programs
from benchmarks.programs.train import ARMS, RESULTS
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Learner
from rewardsmith.training.player import Player
from rewardsmith.training.trial import TrialPlan, TrialReport, run_trial

TASKS = ("MiniGrid-DoorKey-8x8-v0", "MiniGrid-UnlockPickup-v0", "MiniGrid-LavaCrossingS9N2-v0")
EPISODES = 200


class _Keep(Learner):
    """Keeps a reference to the trained policy."""

    policy: Any = None

    def learn(self, seen: Any, model: Any) -> None:
        self.policy = model.policy


def train(program: Program, arm: str) -> tuple[TrialReport, Any]:
    """Train a program with the settings of an arm; returns the trial's report and the policy."""
    task, kept = get_task(program.task), _Keep()
    training = TrainingSpec.model_validate({**ARMS[arm](task.id), "eval_episodes": 50, "final_episodes": 500})
    with tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(
            task, program.reward(), training, 0, STEPS[task.id], 1.0, Path(folder), learners={"kept": kept}
        )
        return run_trial(plan, lambda _: None, lambda _: None), kept.policy


def watch(task: Task, policy: Any) -> dict[str, float]:
    """Play EPISODES greedy episodes and look for cycles of states in the failed ones.

    Returns:
        failed: proportion of episodes that fail.
        cycling: proportion of the failed episodes that end in a cycle.
        length: median length of the cycles, in steps; 0 without one.
        first: mean probability of the greedy action in the states of the cycles; 0 without one.
    """
    batch = task.batch(EPISODES, "select")
    batch.reset(1)
    player = Player(policy, task, EPISODES, np.random.default_rng(0), greedy=True)
    step = task.schema.field("step").column
    columns = [c for c in range(task.schema.width) if c != step]
    rows = task.schema.rows(EPISODES)
    seen = np.zeros((EPISODES, task.observation_size), dtype=np.float32)
    states, sure = [], []
    over, won = np.zeros(EPISODES, bool), np.zeros(EPISODES, bool)
    for _ in range(task.max_steps):
        batch.state_rows(rows)
        batch.observe(seen)
        states.append(rows[:, columns].copy())
        sure.append(_surest(policy, seen))
        batch.step(player.act(seen))
        done = batch.terminated | batch.truncated
        won |= batch.success & ~over
        over |= done
        if done.any():
            batch.restart(done)
    batch.close()
    failed = np.flatnonzero(~won)
    cycles = [(n, length) for n in failed if (length := _cycle(np.array([s[n] for s in states])))]
    in_cycles = [np.mean([sure[-k][n] for k in range(1, length + 1)]) for n, length in cycles]
    return {
        "failed": len(failed) / EPISODES,
        "cycling": len(cycles) / max(len(failed), 1),
        "length": float(np.median([length for _, length in cycles])) if cycles else 0.0,
        "first": float(np.mean(in_cycles)) if in_cycles else 0.0,
    }


def _surest(policy: Any, seen: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.no_grad():
        distribution = policy.get_distribution(torch.as_tensor(seen)).distribution
    return distribution.probs.max(1).values.numpy()


def _cycle(states: NDArray[Any]) -> int:
    """Length in steps of the cycle in which an episode ends; 0 if it ends in none."""
    for length in range(1, len(states) // 2):
        if (states[-length:] == states[-2 * length : -length]).all():
            return length
    return 0


def main() -> None:
    """Train and watch each policy, and write the table."""
    lines = [
        "# Failed episodes of greedy policies", "",
        f"Written by `python -m benchmarks.programs.greedy`: {EPISODES} episodes each, one program of a strong model",
        "and one seed per task. A cycle: the same states again and again until the step limit.", "",
        "| task | settings | stochastic, % | greedy, % | of the failed end in a cycle, % | steps of the cycle | "
        "probability of the action in it |", "|" + "---|" * 7,
    ]  # fmt: skip
    for task in TASKS:
        for arm in ("before", "default"):
            report, policy = train(programs([task], ["strong"])[0], arm)
            assert report.greedy is not None
            found = watch(get_task(task), policy)
            shares = (100 * s for s in (report.stochastic.success, report.greedy.success, found["cycling"]))
            cells = [*(f"{s:.0f}" for s in shares), f"{found['length']:.0f}", f"{found['first']:.2f}"]
            lines.append(f"| {task} | {arm} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
            (RESULTS / "programs-greedy.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
