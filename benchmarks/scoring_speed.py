"""Training speed with a program's reward in the sandbox, over that with the environment's own reward.

.venv/bin/python -m benchmarks.scoring_speed [--only NAME ...] [--turns N]

Takes about 8 minutes on idle cores. Replaces the rows of the given cases in results/scoring_speed.jsonl, and rewrites
results/scoring_speed.md.

Both arms train by turns in one process, with the same seed and settings, without evaluations and checkpoints. The
program has 20 lines, several components and memory. Turns begin after the first gradient steps.

The ratio of steps per second needs an idle second core, on which the host scores. The ratio by the trainer's processor
time leaves out what the trainer waits for the host; it hardly depends on other load.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.learner import Learners
from rewardsmith.training.off_policy import connect_off_policy, start_replay
from rewardsmith.training.on_policy import connect_on_policy
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.trial import TrialPlan, build
from rewardsmith.training.vecenv import BatchVecEnv

RESULTS = Path(__file__).with_name("results")
ROWS = RESULTS / "scoring_speed.jsonl"
CHANNELS = (Channel("env", "env"), Channel("reward", "program"))
PENDULUM = '''
def reward(prev, action, state, memory):
    """Swing up, then balance: progress, speed, effort, and the time spent upright."""
    parts = {"upright": 0.0, "progress": 0.0, "calm": 0.0, "effort": 0.0, "hold": 0.0}
    height, before = state.cos_angle, prev.cos_angle
    parts["upright"] = 0.5 * (height + 1.0)
    best = memory.get("best", before)
    if height > best:
        parts["progress"] = 2.0 * (height - best)
        memory["best"] = height
    speed = abs(state.angular_velocity)
    if height > 0.9:
        parts["calm"] = -0.05 * speed
        memory["held"] = memory.get("held", 0) + 1
    else:
        memory["held"] = 0
    parts["effort"] = -0.01 * action.torque ** 2
    if memory["held"] >= 20:
        parts["hold"] = 0.1
    if height < -0.9 and speed < 0.1:
        parts["progress"] -= 0.01
    return parts
'''
CARTPOLE = '''
def reward(prev, action, state, memory):
    """Keep the pole upright near the middle: angle, place, changes of direction, and the time upright."""
    parts = {"upright": 0.0, "middle": 0.0, "calm": 0.0, "switch": 0.0, "hold": 0.0}
    lean, before = abs(state.pole_angle), abs(prev.pole_angle)
    parts["upright"] = 1.0 - lean / 0.2095
    if lean < before:
        parts["upright"] += 0.1
    away = abs(state.cart_position)
    parts["middle"] = -0.1 * away
    speed = abs(state.pole_velocity)
    if lean < 0.05:
        parts["calm"] = -0.05 * speed
        memory["held"] = memory.get("held", 0) + 1
    else:
        memory["held"] = 0
    if memory.get("action", action) != action:
        parts["switch"] = -0.01
    memory["action"] = action
    if memory["held"] >= 20:
        parts["hold"] = 0.1
    return parts
'''


@dataclass(frozen=True)
class Case:
    """One algorithm on one task.

    Attributes:
        task: The task's id.
        algorithm: `training.algorithm`.
        source: The program.
        steps: Environment steps of a turn.
        settings: Settings that differ from the defaults.
        shown: These settings, as the table shows them.
    """

    task: str
    algorithm: str
    source: str
    steps: int
    settings: dict[str, Any] = field(default_factory=dict)
    shown: str = "defaults"

    @property
    def training(self) -> TrainingSpec:
        """The settings of both arms."""
        return TrainingSpec.model_validate({**default_training(self.task, self.algorithm), **self.settings})


_CLASS = {"train_freq": 4, "gradient_steps": 1, "learning_starts": 100, "batch_size": 32, "hidden": (64, 64)}
CASES = {
    "sac": Case("Pendulum-v1", "sac", PENDULUM, 500),
    "sac, small": Case(
        "Pendulum-v1", "sac", PENDULUM, 500, {"hidden": (64, 64), "batch_size": 64}, "hidden 64, 64, batch 64"
    ),
    "dqn": Case("CartPole-v1", "dqn", CARTPOLE, 4096),
    "dqn, defaults of the class": Case("CartPole-v1", "dqn", CARTPOLE, 4000, _CLASS, "train_freq 4, gradient_steps 1"),
    "ppo": Case("CartPole-v1", "ppo", CARTPOLE, 8192, {"num_envs": 8}, "8 environments"),
    "ppo, continuous actions": Case("Pendulum-v1", "ppo", PENDULUM, 8192, {"num_envs": 8}, "8 environments"),
}


class Collected(BaseCallback):
    """Calls what a trial calls once steps are collected."""

    def __init__(self, on_collected: Callable[[], None]) -> None:
        super().__init__()
        self._on_collected = on_collected

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._on_collected()


class Arm:
    """One training that goes on turn by turn."""

    def __init__(self, case: Case, reward: TrainingReward, folder: Path) -> None:
        task, training = get_task(case.task), case.training
        self._steps = case.steps
        batch = task.batch(training.num_envs, "train")
        env = BatchVecEnv(batch, task, training.collected, seed=0)
        plan = TrialPlan(task, reward, training, 0, 100_000, 1.0, folder)
        self._model, adaptation = build(plan, env), Adaptation(training, task)
        self.shaper = RewardShaper(plan.problem, batch.tables, training.num_envs, training.collected)
        self.shaper.start()
        if isinstance(self._model, OffPolicyAlgorithm):
            start_replay(self._model)
            collected = connect_off_policy(self._model, env, self.shaper, adaptation).collected
        else:
            assert isinstance(self._model, OnPolicyAlgorithm)
            collected = connect_on_policy(self._model, env, self.shaper, Learners({}), adaptation)
        self._callback = Collected(collected)
        self._model.learn(max(case.steps, 2 * training.learning_starts), callback=self._callback)

    def turn(self) -> tuple[float, float]:
        """(steps per second, steps per second of this process's processor time) of one turn."""
        began, used = time.perf_counter(), time.process_time()
        before = self._model.num_timesteps
        self._model.learn(self._steps, callback=self._callback, reset_num_timesteps=False)
        steps = self._model.num_timesteps - before
        return steps / (time.perf_counter() - began), steps / (time.process_time() - used)


def compare(name: str, turns: int) -> dict[str, Any]:
    """Measure one case, and return its row."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        rewards = (TrainingReward(case.source, ("reward",), CHANNELS), SPARSE)
        arms = [Arm(case, reward, Path(folder, str(index))) for index, reward in enumerate(rewards)]
        pairs = []
        for turn in range(turns):
            order = arms if turn % 2 else arms[::-1]
            found = {id(arm): arm.turn() for arm in order}
            pairs.append([found[id(arm)] for arm in arms])
        for arm in arms:
            arm.shaper.close()
    ratios, used = ([scored[k] / own[k] for scored, own in pairs] for k in (0, 1))
    median = statistics.median
    return {
        "case": name, "turns": turns, "load": round(os.getloadavg()[0], 1), "cores": os.cpu_count(),
        "program": round(median(p[0][0] for p in pairs)), "own": round(median(p[1][0] for p in pairs)),
        "ratio": round(median(ratios), 3), "range": [round(min(ratios), 3), round(max(ratios), 3)],
        "by_processor": round(median(used), 3), "its_range": [round(min(used), 3), round(max(used), 3)],
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The lines of results/scoring_speed.md."""
    lines = [
        "# Training speed with a program's reward", "",
        "Written by `python -m benchmarks.scoring_speed`: steps per second with a 20-line program beside the",
        "environment's reward, and with that reward alone; medians over pairs of turns, by turns in one process. The",
        "load average counts the benchmark itself. Where it exceeds the number of cores, the ratio of steps per second",
        "contains the time that the host waits for a core. The ratio by the trainer's processor time does not.", "",
        "| algorithm | task | settings | turns | load, cores | steps/s with the program | without | ratio | range "
        "| ratio by the trainer's processor time | range |",
        "|" + "---|" * 11,
    ]  # fmt: skip
    done = {row["case"]: row for row in rows}
    for name, case in CASES.items():
        begun = f"| {name} | {case.task} | {case.shown} |"
        if (row := done.get(name)) is None:
            lines.append(f'{begun} not run: `--only "{name}"` | | | | | | | |')
            continue
        spans = [f"{row[key][0]:.3f} to {row[key][1]:.3f}" for key in ("range", "its_range")]
        lines.append(
            f"{begun} {row['turns']} | {row['load']}, {row['cores']} | {row['program']:,} | {row['own']:,} | "
            f"{row['ratio']:.3f} | {spans[0]} | {row['by_processor']:.3f} | {spans[1]} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the cases, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=11, help="pairs of turns per case")
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES), metavar="NAME")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.only:
        row = compare(name, options.turns)
        print(row, flush=True)
        rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
        rows = [each for each in rows if each["case"] != name] + [row]
        ROWS.write_text("".join(json.dumps(each) + "\n" for each in rows))
        (RESULTS / "scoring_speed.md").write_text(table(rows))


if __name__ == "__main__":
    main()
