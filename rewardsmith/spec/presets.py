"""Defaults of training settings by task and algorithm, and where each comes from.

The study of training defaults comes first, then the hyper-parameters that the RL-Zoo publishes (published.toml), then
defaults by the task's spaces. docs/training.md describes all three.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from rewardsmith.spec.training import ALGORITHMS, PPO_NAMES, STUDIED, VECTOR, TrainingSpec

STUDY = "the study of training defaults (docs/training.md)"
_MOST_STEPS = 1_000_000  # of a trial by default; some published entries have up to 100 million
_COMPILED = ("MiniGrid-", "BabyAI-", "CartPole-", "MountainCar-")  # a final evaluation of 1,000 episodes is cheap there
_FEWER_EPISODES = {"final_episodes": 200}
# SB3's defaults of PPO, from which the RL-Zoo's entries start. The entropy coefficient is constant in SB3.
_SB3_PPO: dict[str, Any] = {
    "num_envs": 1, "rollout_steps": 2048, "batch_size": 64, "epochs": 10, "learning_rate": 3e-4, "lr_hold": 1.0,
    "final_lr": 1.0, "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2, "entropy": 0.0,
    "entropy_schedule": "constant", "hidden": (64, 64), "implementation": "sb3",
}  # fmt: skip
# SB3's rollout of 2,048 steps, shared among environments that are stepped together. The RL-Zoo normalises the
# observations of its continuous tasks for PPO and A2C.
_CONTINUOUS = {**_SB3_PPO, "num_envs": 8, "rollout_steps": 256, "normalize_observation": True}
# Gymnasium's MuJoCo tasks that have no entry of their own train as the entry that the RL-Zoo shares among most of them.
_MUJOCO = (
    "Ant", "HalfCheetah", "Hopper", "Walker2d", "Humanoid", "HumanoidStandup", "Swimmer", "InvertedPendulum",
    "InvertedDoublePendulum", "Reacher", "Pusher",
)  # fmt: skip
_SHARED_ENTRY = {"ppo": "Ant", "recurrent-ppo": "Ant"}  # HalfCheetah for the others; PPO's own is tuned for it alone


@dataclass(frozen=True)
class Space:
    """What of a task's spaces its defaults depend on.

    Attributes:
        actions: Kind of the action space: "discrete", "box", "multi-discrete" or "multi-binary".
        image: Whether a policy reads an image.
    """

    actions: str
    image: bool = False


@dataclass(frozen=True)
class Preset:
    """The default training settings of a task and an algorithm.

    Attributes:
        settings: Settings that differ from TrainingSpec's defaults.
        source: Where they come from, in words.
        left_out: What the source sets and rewardsmith has no setting for, in words.
        steps: Environment steps of a full trial.
    """

    settings: dict[str, Any]
    source: str
    left_out: tuple[str, ...] = ()
    steps: int = _MOST_STEPS


@dataclass(frozen=True)
class _Published:
    """An entry of published.toml."""

    name: str
    source: str
    settings: dict[str, Any]
    left_out: tuple[str, ...] = field(default=())
    steps: int = _MOST_STEPS


def preset_of(task: str, algorithm: str = "ppo", space: Space | None = None) -> Preset:
    """Return the defaults of a task and an algorithm.

    Args:
        task: Id of the task, or of its environment.
        algorithm: A name of ALGORITHMS; for any other, such as "auto", the defaults of PPO.
        space: The task's spaces; without them, defaults by space are those of discrete actions.
    """
    name = algorithm if algorithm in ALGORITHMS else "ppo"
    if name in PPO_NAMES and (studied := _studied(task, name)) is not None:
        return studied
    own = {} if name == "ppo" else {"algorithm": name}
    few = {} if task.startswith(_COMPILED) else _FEWER_EPISODES
    base = {**(_SB3_PPO if name in PPO_NAMES else {}), **ALGORITHMS[name].defaults}
    found = _published(task, name, space)
    if found is not None:
        # The RL-Zoo trains on one environment where an entry does not name a number.
        one = {"num_envs": 1} if "num_envs" not in found.settings and name in PPO_NAMES else {}
        fitting = {key: value for key, value in found.settings.items() if key in ALGORITHMS[name].settings}
        settings = {**base, **one, **fitting, **own, **few}
        return Preset(settings, found.source, found.left_out, min(found.steps, _MOST_STEPS))
    if name not in PPO_NAMES:
        steps = next((steps for prefix, steps, _ in STUDIED if task.startswith(prefix)), _MOST_STEPS)
        return Preset({**base, **own, **few}, f"the defaults of {ALGORITHMS[name].title}", (), steps)
    if space is not None and space.actions == "box":
        settings, source = _CONTINUOUS, f"defaults for continuous actions: those of {ALGORITHMS['ppo'].title}"
    else:
        settings, source = VECTOR, "defaults for tasks that the study of training defaults does not cover"
    return Preset({**settings, **ALGORITHMS[name].defaults, **own, **few}, source)


def default_steps(task: str, algorithm: str = "ppo") -> int:
    """Return the default environment steps of a full trial on this task: as studied, or at most as published."""
    return preset_of(task, algorithm).steps


def default_training(task: str, algorithm: str = "ppo") -> dict[str, Any]:
    """Return the training settings of this task and algorithm that differ from TrainingSpec's defaults."""
    return preset_of(task, algorithm).settings


def _studied(task: str, algorithm: str) -> Preset | None:
    """Return what the study covers: PPO on grids and on three classic tasks. Its recurrent policies are a grid's."""
    found = next(((steps, changes) for prefix, steps, changes in STUDIED if task.startswith(prefix)), None)
    if found is None:
        return None
    steps, changes = found
    own = {} if algorithm == "ppo" else {"algorithm": algorithm, **ALGORITHMS[algorithm].defaults}
    return Preset({**changes, **own}, STUDY, (), steps)


def _published(task: str, algorithm: str, space: Space | None) -> _Published | None:
    """Return the RL-Zoo's entry for the environment, else for its family, else None."""
    name = re.sub(r"-v\d+$", "", task)
    entries = _entries().get("ppo" if algorithm == "maskable-ppo" else algorithm, {})
    if name in entries:
        return entries[name]
    if name in _MUJOCO and (shared := entries.get(_SHARED_ENTRY.get(algorithm, "HalfCheetah"))) is not None:
        return _for_family(shared, "MuJoCo tasks")
    if (task.startswith("ALE/") or (space is not None and space.image)) and "atari" in entries:
        return _for_family(entries["atari"], "Atari" if task.startswith("ALE/") else "images")
    return None


def _for_family(entry: _Published, family: str) -> _Published:
    return _Published(entry.name, f"{entry.source}, for {family}", entry.settings, entry.left_out, entry.steps)


@lru_cache(maxsize=1)
def _entries() -> Mapping[str, Mapping[str, _Published]]:
    """Return published.toml by algorithm and environment; what has no setting in this version is left out."""
    read = tomllib.loads((Path(__file__).parent / "published.toml").read_text(encoding="utf-8"))
    package = f"rl_zoo3 {read.pop('version')}"
    found: dict[str, dict[str, _Published]] = {}
    for algorithm, entries in read.items():
        file = entries.pop("file")
        known = ALGORITHMS[algorithm].settings & TrainingSpec.model_fields.keys()
        found[algorithm] = {}
        for name, entry in entries.items():
            settings = {key: value for key, value in entry["settings"].items() if key in known}
            unknown = [f"{key} {value}" for key, value in entry["settings"].items() if key not in known]
            source = f"{package}, {file}, {entry['published']}"
            left_out = (*entry.get("left_out", ()), *unknown)
            found[algorithm][name] = _Published(name, source, settings, left_out, entry.get("steps", _MOST_STEPS))
    return found
