"""Algorithms on tasks of Gymnasium, Gymnasium-Robotics, MetaWorld and Crafter: designed rewards against the own ones.

`COMPARISONS` are the comparisons of the table that are trained by default; `FAMILIES` are the other tasks of the same
families, which `run --task ID` trains on request.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.trial import designed
from rewardsmith.methods import get_method
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec, read_spec, with_defaults
from rewardsmith.tasks import get_task, list_tasks
from rewardsmith.tasks.base import Task

REWARDS = Path(__file__).with_name("rewards")
SEEDS = 3
SEEDS_FROM = 40_000  # no study of training settings used these seeds
EPISODES = 200  # of each final evaluation
WITHOUT_ENV = "The environment's own reward is left out."
"""A sentence in the docstring of a hand-written reward that stands alone: its channel `env` has the weight 0."""


@dataclass(frozen=True)
class Comparison:
    """One task and algorithm, trained with each arm's reward.

    Attributes:
        task: Id of the task.
        algorithm: Value of `training.algorithm`.
        steps: Environment steps of a trial.
        published: Id of the environment in the RL-Zoo's benchmark.
        settings: Training settings that differ from the defaults of the task and the algorithm.
    """

    task: str
    algorithm: str
    steps: int
    published: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def arms(self) -> tuple[str, ...]:
        """The rewards: the environment's own, synth's, and a hand-written one if there is a file."""
        return ("own", "synth", *(("written",) if written_file(self.task).exists() else ()))

    def training(self) -> TrainingSpec:
        """The settings that a job of this task and algorithm has, with this benchmark's numbers of episodes."""
        few = {"eval_episodes": 20, "final_episodes": EPISODES}
        asked = {"task": self.task, "training": {"algorithm": self.algorithm, **few, **self.settings}}
        return read_spec(with_defaults(asked)).training

    def command(self, arms: tuple[str, ...], seeds: list[int]) -> str:
        """The command that trains these arms and seeds."""
        chosen = f"--task {self.task} --algorithm {self.algorithm} --arms {' '.join(arms)}"
        return f"python -m benchmarks.algorithms run {chosen} --seeds {' '.join(map(str, seeds))}"


_HER = {"her": True}
COMPARISONS = (
    Comparison("CartPole-v1", "ppo", 100_000, "CartPole-v1"),
    Comparison("CartPole-v1", "dqn", 50_000, "CartPole-v1"),
    Comparison("Acrobot-v1", "ppo", 100_000, "Acrobot-v1"),
    Comparison("Acrobot-v1", "dqn", 100_000, "Acrobot-v1"),
    Comparison("Pendulum-v1", "sac", 20_000, "Pendulum-v1"),
    Comparison("MountainCarContinuous-v0", "sac", 50_000, "MountainCarContinuous-v0"),
    Comparison("LunarLander-v3", "dqn", 100_000, "LunarLander-v2"),
    Comparison("LunarLander-v3", "ppo", 1_000_000, "LunarLander-v2"),
    Comparison("FetchReach-v4", "tqc", 20_000, "FetchReach-v1", _HER),
    Comparison("PointMaze_UMaze-v3", "tqc", 200_000, "", _HER),
    Comparison("MetaWorld/reach-v3", "sac", 200_000),
    Comparison("Crafter/collect_wood", "ppo", 500_000),
)


@cache
def families() -> tuple[Comparison, ...]:
    """The other tasks of the families, which are trained on request only."""
    known = [name for name, _ in list_tasks()]
    running = ("Ant", "HalfCheetah", "Hopper", "Humanoid", "Swimmer", "Walker2d")
    found = [Comparison(f"{name}-v5", "sac", 1_000_000, f"{name}-v3") for name in running]
    found += [Comparison(f"Fetch{name}-v4", "tqc", 1_000_000, f"Fetch{name}-v1", _HER) for name in _FETCH]
    found += [Comparison(name, "sac", 1_000_000) for name in known if name.startswith("MetaWorld/")]
    found += [Comparison(name, "ppo", 1_000_000) for name in known if name.startswith("Crafter/")]
    own = {c.task for c in COMPARISONS}
    return tuple(c for c in found if c.task not in own)


_FETCH = ("Push", "PickAndPlace", "Slide")


def written_file(task: str) -> Path:
    """The file of the hand-written reward for a task."""
    return REWARDS / f"{task.replace('/', '_').replace('-', '_')}.py"


def reward_of(arm: str, task: Task) -> TrainingReward:
    """The training reward of an arm: "own", "synth" (its first answer, without a planner) or "written"."""
    if arm == "own":
        return SPARSE
    if arm == "synth":
        return designed(task, "free", 0, planner=False)
    source = written_file(task.id).read_text(encoding="utf-8")
    reward = get_method("free").reward(source)
    return without_env(reward) if WITHOUT_ENV in source else reward


def without_env(reward: TrainingReward) -> TrainingReward:
    """The reward with the weight 0 for the environment's own reward, as `--weight env=0` sets it."""
    channels = (replace(c, weight=0.0) if c.kind == "env" else c for c in reward.channels)
    return replace(reward, channels=tuple(channels))


def task_of(comparison: Comparison) -> Task:
    """The task of a comparison."""
    return get_task(comparison.task)
