"""The settings of every trial: TrainingSpec, the settings that each algorithm has, and the defaults by task."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import to_jsonable_python

from rewardsmith.errors import UsageError
from rewardsmith.spec.setting import Flag, Strict

# Arguments of SB3's policy classes that a job may set, with their smallest and largest value. `hidden` sets the widths.
# A setting cannot name a class, such as an optimizer.
POLICY_ARGUMENTS: dict[str, tuple[float, float]] = {
    "clip_mean": (0, 1e6),
    "full_std": (0, 1),
    "log_std_init": (-20, 20),
    "n_critics": (1, 32),
    "n_quantiles": (2, 1024),
    "ortho_init": (0, 1),
    "share_features_extractor": (0, 1),
    "use_expln": (0, 1),
}


class TrainingSpec(Strict):
    """Settings of every trial. docs/training.md describes the study that PPO's defaults are taken from.

    An algorithm has only some of them: see ALGORITHMS. The others keep their defaults and have no effect.
    """

    algorithm: Literal[
        "ppo", "recurrent-ppo", "maskable-ppo", "a2c", "dqn", "qr-dqn", "sac", "td3", "tqc", "crossq", "auto"
    ] = Field(
        default="ppo",
        description="reinforcement-learning algorithm, by the name of its class in SB3 or sb3-contrib; auto: chosen by "
        "the actions and the environment's speed when the job is created",
    )  # fmt: skip
    num_envs: int = Field(default=64, ge=1, le=4096)
    rollout_steps: int = Field(default=64, ge=5, le=4096, description="steps per environment and rollout")
    batch_size: int = Field(default=512, ge=8, le=2**24)
    epochs: int = Field(default=3, ge=1, le=100)
    learning_rate: float = Field(default=1.5e-3, gt=0, le=1)
    lr_hold: float = Field(
        default=0.8, ge=0, le=1, description="fraction of the trial with a constant learning rate, before it falls"
    )
    final_lr: float = Field(
        default=0.0, ge=0, le=1, description="learning rate at the end of the trial, as a fraction of learning_rate"
    )
    gamma: float = Field(default=0.97, gt=0, le=1)
    gae_lambda: float = Field(default=0.9, ge=0, le=1)
    clip_range: float = Field(default=0.3, gt=0, le=1e6)
    entropy: float = Field(default=0.025, ge=0, le=1e6, description="coefficient of the entropy bonus")
    entropy_schedule: Literal["success", "constant"] = Field(
        default="success", description="success: the coefficient falls as training episodes succeed"
    )
    normalize_advantage: bool = True
    align: Annotated[Literal["none", "gradient", "implicit"], Flag()] = Field(
        default="none", description="learn factors of channels from the environment's reward: none, gradient, implicit"
    )
    train_freq: int = Field(
        default=1, ge=1, le=4096, description="steps per environment between two updates of an off-policy algorithm"
    )
    gradient_steps: int = Field(
        default=1, ge=-1, le=4096, description="gradient steps per update; -1: as many as steps were collected"
    )
    buffer_size: int = Field(default=1_000_000, ge=1, le=10**9, description="transitions in the replay buffer")
    reuse: bool = Field(
        default=False, description="begin a candidate of the search from an earlier candidate's transitions"
    )
    learning_starts: int = Field(default=100, ge=0, le=10**9, description="environment steps before the first update")
    tau: float = Field(default=0.005, gt=0, le=1, description="update proportion of the target network")
    target_update_interval: int = Field(
        default=1, ge=1, le=10**9, description="environment steps (SAC: gradient steps) between target updates"
    )
    exploration_fraction: float = Field(
        default=0.1, ge=0, le=1, description="fraction of the trial during which random actions become rarer"
    )
    exploration_final: float = Field(default=0.05, ge=0, le=1, description="final probability of a random action")
    action_noise: float = Field(
        default=0.1, ge=0, le=10, description="standard deviation of exploration noise, for actions within [-1, 1]"
    )
    her: bool = Field(
        default=False, description="hindsight experience replay (Andrychowicz et al. 2017), for tasks with goals"
    )
    n_sampled_goal: int = Field(default=4, ge=1, le=1000, description="relabelled transitions for each recorded one")
    goal_selection: Literal["future", "final", "episode"] = Field(
        default="future", description="which achieved goals of an episode replace its own goal"
    )
    sde: bool = Field(default=False, description="state-dependent exploration (Raffin et al. 2021)")
    sde_sample_freq: int = Field(
        default=-1, ge=-1, le=10**6, description="steps between two noise matrices of `sde`; -1: one per rollout"
    )
    normalize_observation: bool = Field(
        default=False, description="divide observations by their running standard deviation, centred and clipped at 10"
    )
    frame_stack: int = Field(
        default=1, ge=1, le=64, description="observations that a policy receives at once, the last ones of the episode"
    )
    normalize_reward: bool = Field(
        default=True, description="divide rewards by the running root mean square of discounted returns"
    )
    hidden: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(
        default=(128, 64), min_length=1, description="widths of the hidden layers (tanh)"
    )
    cells: Literal["one-hot", "scaled"] = Field(
        default="one-hot",
        description="encoding of grid views: one-hot, into a first layer shared by actor and critic, or scaled",
    )
    implementation: Literal["lean", "sb3"] = Field(
        default="lean",
        description="sb3: PPO computes what SB3 does, bit for bit, without one-hot cells; lean: faster, other rounding",
    )
    memory: Literal["none", "lstm"] = Field(default="none", description="lstm: recurrent policies")
    starts: Literal["task", "near-goal", "near-goal-planned"] = Field(
        default="task",
        description="near-goal: half of the training episodes begin a few steps before the end of a solved one; "
        "near-goal-planned: of a planner's solution, which makes the job oracle-informed",
    )
    curriculum: tuple[Annotated[str, Field(max_length=100)], ...] = Field(
        default=(), max_length=16, description="smaller tasks of the family that training also plays, by id"
    )
    horizon: Literal["fixed", "scheduled"] = Field(
        default="fixed", description="scheduled: the discount grows with the steps to the farthest milestone reached"
    )
    eval_episodes: int = Field(
        default=200, ge=10, le=1_000_000, description="evaluation episodes per point of a learning curve"
    )
    final_episodes: int = Field(
        default=1000, ge=10, le=1_000_000, description="episodes per seed of the final evaluation"
    )
    evaluation_share: float = Field(
        default=0.25,
        gt=0,
        le=100,
        description="most steps that checks and evaluations of the search play, as a fraction of the trained steps; "
        "has no effect on the compiled engine",
    )
    search_share: float = Field(
        default=0.25,
        ge=0,
        le=0.25,
        description="most steps of the search for exploits of a candidate, as a fraction of a full trial's steps; they "
        "are part of `evaluation_share`",
    )
    device: Annotated[Literal["cpu", "cuda", "auto"], Flag()] = Field(
        default="cpu", description="where policies are trained: cpu, cuda, or auto (measures both, takes the faster)"
    )
    policy_kwargs: dict[str, bool | int | float] = Field(
        default={}, description="further arguments of SB3's policy class, by name: numbers and truth values"
    )

    @field_validator("policy_kwargs")
    @classmethod
    def _arguments_are_known(cls, value: dict[str, Any]) -> dict[str, Any]:
        wrong = [told for name, given in value.items() if (told := _fault_of(name, given)) is not None]
        if wrong:
            raise ValueError("; ".join(wrong))
        return value

    @model_validator(mode="before")
    @classmethod
    def _recurrent_policies_have_memory(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("algorithm") == "recurrent-ppo":
            if values.get("memory", "lstm") == "none":
                raise ValueError("recurrent-ppo has `memory: lstm`; set `algorithm: ppo` for a policy without memory")
            return {**values, "memory": "lstm"}
        return values

    @model_validator(mode="after")
    def _alignment_needs_single_steps(self) -> TrainingSpec:
        if self.align != "none" and self.memory != "none":
            raise ValueError("align evaluates steps one by one; set `memory: none`, or `align: none`")
        return self

    def changed(self, changes: Mapping[str, Any]) -> TrainingSpec:
        """Return these settings with some changed. Raises UsageError for a setting that is unknown or out of range."""
        try:
            return TrainingSpec.model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise UsageError(
                f"The training setting {name} cannot be changed so: {first['msg']}.",
                "docs/training.md lists the settings and their ranges.",
            ) from error

    @property
    def off_policy(self) -> bool:
        """Whether the algorithm learns from a replay buffer. False for `auto`, until it is chosen."""
        return self.algorithm != "auto" and ALGORITHMS[self.algorithm].off_policy

    @property
    def learner(self) -> str:
        """The algorithm whose updates are used: "ppo" for its three classes, otherwise `algorithm` itself."""
        return "ppo" if self.algorithm in PPO_NAMES else self.algorithm

    @property
    def collected(self) -> int:
        """Steps per environment that are collected between two updates."""
        return self.train_freq if self.off_policy else self.rollout_steps


PPO_NAMES = ("ppo", "recurrent-ppo", "maskable-ppo")
"""PPO, and the explicit names of two of its three classes."""


def _fault_of(name: str, given: float) -> str | None:
    """Return what is wrong with an argument of `policy_kwargs`, or None."""
    if name in _SETTINGS_FOR:
        return f"{name!r} is set by `training.{_SETTINGS_FOR[name]}`"
    if name not in POLICY_ARGUMENTS:
        near = difflib.get_close_matches(name, POLICY_ARGUMENTS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(POLICY_ARGUMENTS))}"
        return f"no argument {name!r} of a policy can be set; {hint}"
    low, high = POLICY_ARGUMENTS[name]
    return None if low <= given <= high else f"{name} must be from {low:g} to {high:g}"


# Arguments of policy classes that settings of their own set.
_SETTINGS_FOR = {
    "net_arch": "hidden", "use_sde": "sde", "lstm_hidden_size": "hidden", "features_extractor_class": "cells",
}  # fmt: skip

# Settings that an earlier version did not have, with their defaults: a job without them has the same fingerprint.
ADDED: dict[str, Any] = {
    name: to_jsonable_python(TrainingSpec.model_fields[name].default)
    for name in (
        "algorithm", "train_freq", "gradient_steps", "buffer_size", "learning_starts", "tau", "target_update_interval",
        "exploration_fraction", "exploration_final", "action_noise", "sde", "sde_sample_freq", "normalize_observation",
        "policy_kwargs", "implementation", "frame_stack", "her", "n_sampled_goal", "goal_selection", "reuse",
        "evaluation_share", "search_share", "starts", "curriculum", "horizon", "align",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Algorithm:
    """An algorithm: which actions it can choose, which settings it has, and its own defaults of them.

    Attributes:
        title: Its class and the package, as cards name it.
        kinds: The kinds of action spaces, see tasks.actions.
        off_policy: Whether it learns from a replay buffer.
        settings: The names of its settings in TrainingSpec.
        defaults: Its defaults where they differ from TrainingSpec's, from the class in SB3 or sb3-contrib.
    """

    title: str
    kinds: frozenset[str]
    off_policy: bool
    settings: frozenset[str]
    defaults: dict[str, Any] = field(default_factory=dict)


_SHARED = frozenset({
    "algorithm", "num_envs", "learning_rate", "lr_hold", "final_lr", "gamma", "normalize_reward",
    "normalize_observation", "frame_stack", "hidden", "policy_kwargs", "eval_episodes", "final_episodes", "device",
    "evaluation_share", "search_share",
})  # fmt: skip
_ROLLOUTS = _SHARED | {
    "rollout_steps", "gae_lambda", "entropy", "entropy_schedule", "normalize_advantage", "sde",
    "sde_sample_freq", "starts", "curriculum", "horizon", "align",
}  # fmt: skip
_REPLAY = _SHARED | {
    "buffer_size", "reuse", "learning_starts", "train_freq", "gradient_steps", "batch_size", "her", "n_sampled_goal",
    "goal_selection",
}  # fmt: skip
_EXPLORING = _REPLAY | {"tau", "target_update_interval", "exploration_fraction", "exploration_final"}
_ALL = frozenset({"discrete", "box", "multi-discrete", "multi-binary"})
_DISCRETE, _BOX = frozenset({"discrete"}), frozenset({"box"})
_CONSTANT_RATE = {"lr_hold": 1.0, "final_lr": 1.0}
_OFF_POLICY = {
    **_CONSTANT_RATE, "num_envs": 1, "gamma": 0.99, "batch_size": 256, "learning_rate": 3e-4, "hidden": (256, 256),
}  # fmt: skip
_ENTROPY_LEARNED = _REPLAY | {"tau", "target_update_interval", "sde", "sde_sample_freq"}
_Q_LEARNING = {
    **_OFF_POLICY, "batch_size": 32, "learning_rate": 1e-4, "hidden": (64, 64), "tau": 1.0, "train_freq": 4,
    "target_update_interval": 10_000,
}  # fmt: skip

_PPO = _ROLLOUTS | {"batch_size", "epochs", "clip_range", "memory", "cells", "implementation"}

ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm("PPO (stable-baselines3)", _ALL, False, _PPO),
    "recurrent-ppo": Algorithm("RecurrentPPO (sb3-contrib)", _ALL, False, _PPO - {"align"}, {"memory": "lstm"}),
    "maskable-ppo": Algorithm(
        "MaskablePPO (sb3-contrib)", _ALL - _BOX, False, _PPO - {"memory", "cells", "sde", "sde_sample_freq"}
    ),
    "a2c": Algorithm(
        "A2C (stable-baselines3)", _ALL, False, _ROLLOUTS,
        {
            **_CONSTANT_RATE, "num_envs": 8, "rollout_steps": 5, "learning_rate": 7e-4, "gamma": 0.99,
            "gae_lambda": 1.0, "entropy": 0.0, "entropy_schedule": "constant", "normalize_advantage": False,
            "hidden": (64, 64),
        },
    ),
    "dqn": Algorithm("DQN (stable-baselines3)", _DISCRETE, True, _EXPLORING, _Q_LEARNING),
    "qr-dqn": Algorithm(
        "QR-DQN (sb3-contrib)", _DISCRETE, True, _EXPLORING,
        {**_Q_LEARNING, "learning_rate": 5e-5, "exploration_fraction": 0.005, "exploration_final": 0.01},
    ),
    "sac": Algorithm("SAC (stable-baselines3)", _BOX, True, _ENTROPY_LEARNED, _OFF_POLICY),
    "td3": Algorithm(
        "TD3 (stable-baselines3)", _BOX, True, _REPLAY | {"tau", "action_noise"},
        {**_OFF_POLICY, "learning_rate": 1e-3, "hidden": (400, 300)},
    ),
    "tqc": Algorithm("TQC (sb3-contrib)", _BOX, True, _ENTROPY_LEARNED, _OFF_POLICY),
    "crossq": Algorithm(
        "CrossQ (sb3-contrib)", _BOX, True, _REPLAY | {"sde", "sde_sample_freq"},
        {**_OFF_POLICY, "learning_rate": 1e-3},
    ),
}  # fmt: skip


def require_settings(algorithm: str, given: Mapping[str, Any]) -> None:
    """Raise UsageError for all settings of `given` that `algorithm` does not have, except those with their defaults."""
    known = ALGORITHMS.get(algorithm)
    _require_her(given)
    if known is None:  # reported when the settings are validated, or not chosen yet
        return
    wrong = lacking(algorithm, given)
    if not wrong:
        return
    instead: list[str] = []
    for name in wrong:
        likely = _NEAREST.get(name) or difflib.get_close_matches(name, known.settings, n=1)
        near = [each for each in likely if each in known.settings]
        instead.append(f"set `training.{near[0]}` instead of `{name}`" if near else f"leave `{name}` out")
    remedy = ", ".join(instead)
    able = [name for name in ALGORITHMS if not lacking(name, given)]
    other = f"or set `training.algorithm` to {' or '.join(able)}" if able else "or choose another `training.algorithm`"
    named = " and ".join(f"`{name}`" for name in wrong)
    raise UsageError(
        f"{known.title} has no {'setting' if len(wrong) == 1 else 'settings'} {named}.",
        f"{remedy[0].upper()}{remedy[1:]}, {other}.",
    )


def lacking(algorithm: str, given: Mapping[str, Any]) -> list[str]:
    """Return the names in `given` that are no settings of `algorithm`, except those with TrainingSpec's defaults."""
    known, fields = ALGORITHMS[algorithm].settings, TrainingSpec.model_fields
    return [n for n, value in given.items() if n in fields and n not in known and value != fields[n].default]


def _require_her(given: Mapping[str, Any]) -> None:
    """Raise UsageError for a setting of hindsight experience replay without it."""
    for name in ("n_sampled_goal", "goal_selection"):
        if name in given and not given.get("her") and given[name] != TrainingSpec.model_fields[name].default:
            raise UsageError(
                f"`{name}` belongs to hindsight experience replay, which is off.", "Set `training.her` to true."
            )


# Settings with the same purpose in other algorithms, the nearest first.
_NEAREST: dict[str, tuple[str, ...]] = {
    "rollout_steps": ("train_freq",),
    "train_freq": ("rollout_steps",),
    "epochs": ("gradient_steps",),
    "gradient_steps": ("epochs",),
    "entropy": ("exploration_final", "action_noise", "sde"),
    "entropy_schedule": ("exploration_fraction",),
    "sde": ("action_noise", "exploration_final"),
    "tau": ("clip_range",),
    "target_update_interval": ("tau",),
    "buffer_size": ("rollout_steps",),
    "exploration_final": ("entropy",),
    "exploration_fraction": ("entropy_schedule",),
    "action_noise": ("entropy", "sde"),
    "batch_size": ("rollout_steps",),
}


# Training settings that differ from the defaults; docs/training.md has the figures behind them. Both arms of a claim
# are always trained with the same settings. The study was made on grids and policies without memory.
_UNSTUDIED: dict[str, Any] = {
    "batch_size": 1024, "epochs": 4, "learning_rate": 1e-3, "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2,
    "hidden": (64, 64), "entropy": 0.01,
}  # fmt: skip
# An observation at the beginning of an episode determines the right action at its end.
_MEMORY = {**_UNSTUDIED, "learning_rate": 7e-4, "memory": "lstm"}
VECTOR = {**_UNSTUDIED, "num_envs": 16, "batch_size": 256, "epochs": 8, "implementation": "sb3"}
_BALANCE = {
    **VECTOR, "num_envs": 8, "rollout_steps": 32, "epochs": 20, "gamma": 0.98, "gae_lambda": 0.8, "entropy": 0.0,
    "normalize_reward": False,
}  # fmt: skip
# In a chain of similar rooms views repeat, and a reward for new ground depends on what the view does not show. The
# critic is biased there, so a larger lambda relies on it less.
_ALIKE = {"gae_lambda": 0.98}
STUDIED: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("MiniGrid-DoorKey-16x16", 1_500_000, {}),
    ("MiniGrid-DoorKey-", 300_000, {}),
    ("MiniGrid-Empty-", 200_000, {}),
    ("MiniGrid-Unlock-", 300_000, {}),
    ("MiniGrid-Memory", 1_500_000, _MEMORY),
    ("MiniGrid-UnlockPickup", 1_000_000, {}),
    ("MiniGrid-BlockedUnlockPickup", 1_000_000, {}),
    ("MiniGrid-KeyCorridorS3", 1_000_000, {}),
    ("MiniGrid-MultiRoom", 1_000_000, _ALIKE),
    ("MiniGrid-", 1_500_000, {}),
    ("BabyAI-", 1_500_000, {}),
    ("CartPole-", 100_000, _BALANCE),
    ("MountainCar-", 250_000, {**VECTOR, "gae_lambda": 0.98}),
    ("Acrobot-", 1_000_000, {**VECTOR, "final_episodes": 200}),
)
"""Prefix of the task's id, environment steps of a full trial, and PPO's settings that differ from the defaults."""
