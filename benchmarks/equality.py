"""Each algorithm against plain SB3: actions and losses of 20,000 steps, and the weights after them, bit for bit.

.venv/bin/python -m benchmarks.equality [--steps N] [--only NAME ...]

Takes about half an hour. Resumable: appends to results/equality.jsonl and rewrites results/equality.md.

Both sides have the same environments, seed and hyper-parameters. Plain SB3 has its own classes, buffers and optimizer,
and receives the environment's reward from its VecEnv. Ours is a whole trial without checkpoints, with one evaluation at
its end, and with `normalize_reward: false`: once with the environment's reward alone, once with a program that pays 0
beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
import sb3_contrib
import stable_baselines3 as sb3
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.described.task import DescribedTask, Description
from rewardsmith.training import trial
from rewardsmith.training.schedule import Schedule
from rewardsmith.training.trial import TrialPlan, run_trial
from rewardsmith.training.vecenv import BatchVecEnv

RESULTS = Path(__file__).with_name("results")
ROWS = RESULTS / "equality.jsonl"
STEPS = 20_000
SEED = 3
NOTHING = "def reward(prev, action, state, memory):\n    return 0.0\n"
ZERO = TrainingReward(NOTHING, ("reward",), (Channel("env", "env"), Channel("reward", "program")))


class Corridor(gym.Env):
    """A corridor of eight places; an action mask forbids walking into its ends."""

    observation_space = spaces.Box(0, 1, (8,), np.float32)
    action_space = spaces.Discrete(3)

    def _seen(self) -> tuple[np.ndarray, dict[str, Any]]:
        row = np.zeros(8, np.float32)
        row[self.place] = 1.0
        return row, {"action_mask": np.array([self.place > 0, True, self.place < 7], np.int8)}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Start at one of the first four places."""
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(0, 4))
        return self._seen()

    def step(self, action: int) -> Any:
        """Walk; the last place ends the episode."""
        self.place += int(action) - 1
        seen, info = self._seen()
        return seen, float(self.place == 7) - 0.013, self.place == 7, False, info


gym.register("RewardsmithCorridor-v0", f"{__name__}:Corridor")
_SMALL = {"hidden": (32, 32), "batch_size": 64}
_ROLLOUTS = {
    "num_envs": 8, "rollout_steps": 125, "batch_size": 250, "lr_hold": 1.0, "entropy_schedule": "constant",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One algorithm on one task.

    Attributes:
        kind: The class of SB3 or sb3-contrib.
        task: The task's id.
        algorithm: `training.algorithm`.
        settings: Further settings.
        policy: SB3's name of the policy.
    """

    kind: Any
    task: str
    algorithm: str
    settings: dict[str, Any] = field(default_factory=dict)
    policy: str = "MlpPolicy"

    def made_task(self) -> Task:
        """The task; the corridor has an action mask."""
        if self.task != "RewardsmithCorridor-v0":
            return get_task(self.task)
        given = {"id": self.task, "goal": "Walk to the end.", "max_steps": 40, "success": "terminated"}
        return DescribedTask(Description.model_validate({**given, "actions": ["back", "stay", "ahead"]}))

    def training(self) -> TrainingSpec:
        """The settings of both sides."""
        fixed = {"normalize_reward": False, "eval_episodes": 10, "final_episodes": 10}
        # Defaults of the class, because the plain side does not set all that published settings contain.
        studied = self.task if self.algorithm == "ppo" and self.task == "CartPole-v1" else ""
        given = {**default_training(studied, self.algorithm), **self.settings, **fixed}
        return TrainingSpec.model_validate(given)


CASES = {
    "ppo": Case(sb3.PPO, "CartPole-v1", "ppo", _ROLLOUTS),
    "ppo, continuous actions": Case(sb3.PPO, "Pendulum-v1", "ppo", {**_ROLLOUTS, "rollout_steps": 250, "sde": False}),
    "recurrent ppo": Case(
        sb3_contrib.RecurrentPPO, "CartPole-v1", "ppo",
        {**_ROLLOUTS, "memory": "lstm", "hidden": (16,), "epochs": 4}, "MlpLstmPolicy",
    ),
    "maskable ppo": Case(sb3_contrib.MaskablePPO, "RewardsmithCorridor-v0", "ppo", _ROLLOUTS),
    "a2c": Case(sb3.A2C, "CartPole-v1", "a2c"),
    "dqn": Case(sb3.DQN, "CartPole-v1", "dqn"),
    "qr-dqn": Case(sb3_contrib.QRDQN, "CartPole-v1", "qr-dqn"),
    "sac": Case(sb3.SAC, "Pendulum-v1", "sac", _SMALL),
    "td3": Case(sb3.TD3, "Pendulum-v1", "td3", _SMALL),
    "tqc": Case(sb3_contrib.TQC, "Pendulum-v1", "tqc", _SMALL),
    "crossq": Case(sb3_contrib.CrossQ, "Pendulum-v1", "crossq", _SMALL),
}  # fmt: skip


@dataclass
class Trace:
    """The actions that the environments received, the losses that SB3 logged, and the last weights."""

    actions: list[bytes] = field(default_factory=list)
    losses: list[tuple[str, float]] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def logger(self) -> Logger:
        """A logger that keeps what SB3 records of its updates."""
        losses = self.losses

        class Keeping(Logger):
            def record(self, key: str, value: Any, exclude: Any = None) -> None:
                if key.startswith("train/"):
                    losses.append((key, float(value)))

        return Keeping(folder=None, output_formats=[])

    def env(self, kind: type[BatchVecEnv]) -> type[BatchVecEnv]:
        """The class `kind`, keeping its actions."""
        taken = self.actions

        class Keeping(kind):  # type: ignore[valid-type, misc]
            def step_async(self, actions: Any) -> None:
                super().step_async(actions)
                taken.append(np.asarray(actions).tobytes())

        return Keeping

    def keep_weights(self, model: Any) -> None:
        """Copy the weights of the policy."""
        self.weights = {name: value.clone() for name, value in model.policy.state_dict().items()}


class RewardedVecEnv(BatchVecEnv):
    """The same environments with their own rewards, as plain SB3 receives them."""

    def step_wait(self) -> Any:
        """Step every environment; the rewards are the environment's own."""
        t = self.recorded
        observations, _, done, infos = super().step_wait()
        return observations, self.rollout.rewards[t].astype(np.float32), done, infos


_ARGUMENTS = {
    "gamma": "gamma", "learning_rate": "learning_rate", "gae_lambda": "gae_lambda", "rollout_steps": "n_steps",
    "entropy": "ent_coef", "normalize_advantage": "normalize_advantage", "batch_size": "batch_size",
    "epochs": "n_epochs", "clip_range": "clip_range", "buffer_size": "buffer_size", "gradient_steps": "gradient_steps",
    "learning_starts": "learning_starts", "train_freq": "train_freq", "tau": "tau",
    "target_update_interval": "target_update_interval", "exploration_fraction": "exploration_fraction",
    "exploration_final": "exploration_final_eps",
}  # fmt: skip


def plain(case: Case, steps: int) -> Trace:
    """Train the class of SB3 alone."""
    torch.set_num_threads(1)  # as in a trial; two threads sum in another order
    trace, settings, task = Trace(), case.training(), case.made_task()
    env = trace.env(RewardedVecEnv)(task.batch(settings.num_envs, "train"), task, settings.collected, SEED)
    known = ALGORITHMS[case.algorithm].settings
    given = {theirs: getattr(settings, ours) for ours, theirs in _ARGUMENTS.items() if ours in known}
    if "buffer_size" in given:
        given["buffer_size"] = min(steps, given["buffer_size"])
    if case.algorithm == "td3":
        given["action_noise"] = NormalActionNoise(np.zeros(1), np.full(1, settings.action_noise))
    policy: dict[str, Any] = {"net_arch": list(settings.hidden)}
    if settings.memory == "lstm":
        policy = {"net_arch": [], "lstm_hidden_size": settings.hidden[-1]}
    model = case.kind(case.policy, env, policy_kwargs=policy, device="cpu", **given)
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    model.action_space.seed(SEED)
    model._setup_model()
    model.set_logger(trace.logger())
    model.learn(steps)
    trace.keep_weights(model)
    env.close()
    return trace


@contextmanager
def _without_checkpoints(trace: Trace) -> Iterator[None]:
    """Trials without checkpoints and points of a curve, whose actions and losses are kept."""
    build, schedule = trial.build, trial.schedule

    def built(*arguments: Any) -> Any:
        model = build(*arguments)
        model.set_logger(trace.logger())
        return model

    def planned(*arguments: Any) -> Schedule:
        plans = schedule(*arguments)
        return Schedule(plans.per_rollout, plans.total, plans.total + 1, plans.total)

    with (
        mock.patch.object(trial, "build", built),
        mock.patch.object(trial, "schedule", planned),
        mock.patch.object(trial, "BatchVecEnv", trace.env(BatchVecEnv)),
        mock.patch.object(trial, "save_policy", lambda path, model, *told: trace.keep_weights(model)),
    ):
        yield


def ours(case: Case, steps: int, reward: TrainingReward) -> Trace:
    """Run a trial."""
    trace = Trace()
    with _without_checkpoints(trace), tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(case.made_task(), reward, case.training(), SEED, steps, 1.0, Path(folder), pool="claim")
        run_trial(plan, lambda point: None, lambda trained: None)
    return trace


def difference(one: Trace, other: Trace) -> str | None:
    """What differs first between two trainings; None if they are equal bit for bit."""
    for name in ("actions", "losses"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if len(mine) != len(theirs):
            return f"{len(mine)} and {len(theirs)} {name}"
        for index, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            if a != b and not (name == "losses" and a[0] == b[0] and np.isnan(a[1]) and np.isnan(b[1])):
                return f"{name} from number {index + 1} of {len(mine)} on"
    for name, value in one.weights.items():
        if not torch.equal(value, other.weights[name]):
            return f"the weights {name}"
    return None


def compare(name: str, steps: int = STEPS) -> dict[str, Any]:
    """Train one case in three ways and compare; `steps` must be whole rollouts."""
    case, began = CASES[name], time.process_time()
    expected = plain(case, steps)
    found = {label: ours(case, steps, reward) for label, reward in (("env", SPARSE), ("zero", ZERO))}
    return {
        "case": name, "task": case.task, "class": case.kind.__name__, "steps": steps,
        "actions": len(expected.actions), "losses": len(expected.losses),
        **{label: difference(trace, expected) for label, trace in found.items()},
        "seconds": round(time.process_time() - began),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The lines of results/equality.md."""
    lines = [
        "# Equality with plain SB3", "",
        "Written by `python -m benchmarks.equality`: actions, logged losses and final weights, compared bit for bit.",
        f"One seed ({SEED}). Without checkpoints, points of a curve and `normalize_reward`.", "",
        "| algorithm | class | task | steps | actions | losses | environment's reward | and a program that pays 0 |",
        "|" + "---|" * 8,
    ]  # fmt: skip
    done = {row["case"]: row for row in rows}
    for name, case in CASES.items():
        if (row := done.get(name)) is None:
            lines.append(f'| {name} | {case.kind.__name__} | {case.task} | not run: `--only "{name}"` | | | | |')
            continue
        ends = (f"differs: {row[key]}" if row[key] else "equal" for key in ("env", "zero"))
        counts = (f"{row[key]:,}" for key in ("steps", "actions", "losses"))
        lines.append(f"| {name} | {row['class']} | {row['task']} | {' | '.join(counts)} | {' | '.join(ends)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare the cases that have no row yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES), metavar="NAME")
    options = parser.parse_args()
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    for name in options.only:
        if any(row["case"] == name and row["steps"] == options.steps for row in rows):
            continue
        row = compare(name, options.steps)
        print(row, flush=True)
        rows = [each for each in rows if each["case"] != name] + [row]
        ROWS.write_text("".join(json.dumps(each) + "\n" for each in rows))
        (RESULTS / "equality.md").write_text(table(rows))


if __name__ == "__main__":
    main()
