"""What a user may ask for: a JobSpec, its budget and its training settings."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rewardsmith.errors import UsageError
from rewardsmith.files import read_text


@dataclass(frozen=True)
class Flag:
    """Marks a setting that `rewardsmith run` takes as an option of its own; scripts/make_options.py reads it.

    name: how the option is called; by default as the setting. written: how its value is written, for the help.
    file: whether the value names a file. envvar: an environment variable that sets it where nothing else does.
    """

    name: str | None = None
    written: str = ""
    file: bool = False
    envvar: str | None = None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_MOST = 10**15  # of anything that is counted; a float holds it exactly
_MOST_STEPS = 2_000_000_000  # of one trial: PostgreSQL's INTEGER holds it
_LARGEST_SEED = 20_000_000  # every training seed that follows from it fits into PostgreSQL's INTEGER


class Budget(_Strict):
    """Hard stops of a job. None means no limit. When one is reached the job keeps its best."""

    dollars: Annotated[float | None, Flag("--max-dollars")] = Field(
        default=None, ge=0, description="limit of dollars for language models"
    )
    tokens: Annotated[int | None, Flag("--max-tokens")] = Field(
        default=None, ge=0, le=_MOST, description="limit of tokens, sent and received"
    )
    calls: Annotated[int | None, Flag("--max-calls")] = Field(
        default=None, ge=0, le=_MOST, description="limit of language-model calls"
    )
    env_steps: Annotated[int | None, Flag("--max-steps")] = Field(
        default=None, ge=0, le=_MOST, description="limit of environment steps, search and claim together"
    )
    seconds: Annotated[float | None, Flag("--max-seconds")] = Field(
        default=None, gt=0, description="limit of seconds of wall clock since the job began"
    )


class TrainingSpec(_Strict):
    """PPO settings of every trial. A study found the defaults, on rewards of many authors, see docs/training.md."""

    num_envs: int = Field(default=64, ge=1, le=4096)
    rollout_steps: int = Field(default=64, ge=8, le=4096, description="steps per environment and rollout")
    batch_size: int = Field(default=512, ge=8, le=2**24)
    epochs: int = Field(default=3, ge=1, le=100)
    learning_rate: float = Field(default=1.5e-3, gt=0, le=1)
    lr_hold: float = Field(default=0.8, ge=0, le=1, description="share of the trial before the rate begins to fall")
    final_lr: float = Field(default=0.0, ge=0, le=1, description="share of the learning rate left at the end")
    gamma: float = Field(default=0.97, gt=0, le=1)
    gae_lambda: float = Field(default=0.9, ge=0, le=1)
    clip_range: float = Field(default=0.3, gt=0, le=1e6)
    entropy: float = Field(default=0.025, ge=0, le=1e6, description="coefficient of the entropy bonus")
    entropy_schedule: Literal["success", "constant"] = Field(
        default="success", description="success: the coefficient falls as training episodes succeed"
    )
    normalize_advantage: bool = True
    normalize_reward: bool = Field(
        default=True, description="divide rewards by the running root mean square of discounted returns"
    )
    hidden: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(
        default=(128, 64), min_length=1, description="widths, tanh between"
    )
    cells: Literal["one-hot", "scaled"] = Field(
        default="one-hot", description="grid views: one-hot into a first layer shared by actor and critic, or scaled"
    )
    memory: Literal["none", "lstm"] = Field(default="none", description="whether policies remember what they saw")
    eval_episodes: int = Field(default=200, ge=10, le=1_000_000, description="episodes per point of the curve")
    final_episodes: int = Field(default=1000, ge=10, le=1_000_000, description="episodes of the claim")
    device: Annotated[Literal["cpu", "cuda", "auto"], Flag()] = Field(
        default="cpu", description="where policies are trained: cpu, cuda, or auto, the faster by measurement"
    )


class TaskDescription(_Strict):
    """What a job keeps of a task that a YAML file describes: later edits of the file do not change the job."""

    text: str = Field(max_length=1_000_000, description="the file, as it was when the job was created")
    folder: str = Field(description="where the module of its environment was found")
    files: dict[str, str] = Field(default={}, description="SHA-256 of the module's sources, by path in the folder")
    changes: tuple[str, ...] = Field(default=(), description="changes of the module that the user accepted")


class JobSpec(_Strict):
    """One request: design a reward for `task` with `method`, asking `model`, within `budget`."""

    task: Annotated[str, Flag()] = Field(
        min_length=1, max_length=200, description="task id, or a YAML file that describes one"
    )
    method: Annotated[str, Flag()] = Field(
        default="auto-mc-reward", description="how rewards are made; see `rewardsmith methods`"
    )
    combine: Annotated[tuple[str, ...], Flag("--with", "such as count,rnd")] = Field(
        default=(), description="methods whose channels are added to the method's own"
    )
    options: Annotated[dict[str, dict[str, Any]], Flag("--option", "[METHOD.]NAME=VALUE, may be repeated")] = Field(
        default={}, description="a method's own settings, by method"
    )
    weights: Annotated[dict[str, float], Flag("--weight", "CHANNEL=NUMBER, may be repeated")] = Field(
        default={}, description="weights of channels, by channel"
    )
    model: Annotated[str, Flag(envvar="REWARDSMITH_MODEL")] = Field(
        default="synth", description="a litellm id such as gpt-4o, or synth: no language model"
    )
    designer_model: Annotated[str | None, Flag()] = Field(default=None, description="model of the designer, if another")
    critic_model: Annotated[str | None, Flag()] = Field(default=None, description="model of the critic, if another")
    analyzer_model: Annotated[str | None, Flag()] = Field(default=None, description="model of the analyzer, if another")
    fallback_models: Annotated[tuple[str, ...], Flag("--fallback-model", "may be repeated")] = Field(
        default=(), description="models asked in order where the one before cannot answer"
    )
    api_base: Annotated[str | None, Flag()] = Field(default=None, description="address of an OpenAI-compatible server")
    stream: Annotated[bool, Flag("--stream/--no-stream")] = Field(
        default=False, description="receive answers piece by piece"
    )
    prompt_tokens: Annotated[int, Flag()] = Field(
        default=16_000, ge=1_000, le=100_000_000, description="evidence in prompts is cut to about this length"
    )
    answer_tokens: Annotated[int, Flag()] = Field(
        default=4_096, ge=64, le=100_000_000, description="longest answer, thinking included"
    )
    record: Annotated[str | None, Flag(file=True)] = Field(
        default=None, description="cassette: the file that every call is written to"
    )
    replay: Annotated[str | None, Flag(file=True)] = Field(
        default=None, description="cassette of a recorded job: its answers replace every model's"
    )
    iterations: Annotated[int, Flag()] = Field(default=3, ge=1, le=100, description="rounds of the search")
    samples: Annotated[int, Flag()] = Field(default=3, ge=1, le=64, description="candidates per round")
    repairs: int = Field(default=3, ge=0, le=10, description="repair rounds of a candidate that fails a check")
    seeds: Annotated[int, Flag()] = Field(
        default=1, ge=1, le=32, description="training seeds per candidate in the search"
    )
    steps: Annotated[int, Flag()] = Field(
        default=500_000, ge=1_000, le=_MOST_STEPS, description="environment steps of a full trial"
    )
    rungs: tuple[float, ...] = Field(
        default=(0.25, 0.5, 1.0), description="shares of a full trial after which candidates are compared"
    )
    keep: float = Field(default=0.5, gt=0, le=1, description="share of candidates promoted to the next rung")
    target: Annotated[float | None, Flag()] = Field(
        default=0.95, gt=0, le=1, description="stop searching at this success rate"
    )
    favourite_first: bool = Field(
        default=True, description="one candidate after the other trains, by predicted difficulty; false: all at once"
    )
    confirm: Annotated[int, Flag()] = Field(
        default=10, ge=0, le=100, description="fresh seeds of the claim; 0 skips it"
    )
    designs: bool = Field(default=True, description="whether programs are designed; set by methods that ask for none")
    verification: bool = Field(default=True, description="battery and certificate before training")
    retrain: Annotated[bool, Flag("--retrain/--no-retrain")] = Field(
        default=True, description="train a drowned or saturated candidate once more with other settings"
    )
    train_anyway: Annotated[bool, Flag("--train-anyway")] = Field(
        default=False, description="train what battery or certificate reject, too"
    )
    episode_budget: Annotated[Literal["auto"] | float | None, Flag()] = Field(
        default=None, description="bound on a program channel's sum over an episode; auto: what solutions are paid"
    )
    planner: Annotated[bool, Flag("--planner/--no-planner")] = Field(
        default=True, description="show the planner's subgoal order to the designer"
    )
    seed: Annotated[int, Flag()] = Field(
        default=0, ge=0, le=_LARGEST_SEED, description="everything random follows from this"
    )
    training: TrainingSpec = Field(default=TrainingSpec(), description="settings of the trainer, see docs/training.md")
    budget: Budget = Field(default=Budget(), description="limits of the job: calls, tokens, dollars, steps, seconds")
    name: str | None = Field(default=None, max_length=80, description="a name of the job")
    description: TaskDescription | None = Field(default=None, description="set for a task that a file describes")

    @model_validator(mode="after")
    def _rungs_rise_to_one(self) -> JobSpec:
        if not self.rungs or list(self.rungs) != sorted(set(self.rungs)) or self.rungs[-1] != 1.0 or self.rungs[0] <= 0:
            raise ValueError("rungs must rise and end with 1.0, for example 0.25, 0.5, 1.0")
        return self

    @field_validator("episode_budget")
    @classmethod
    def _budget_is_positive(cls, value: str | float | None) -> str | float | None:
        if isinstance(value, float) and not (0.0 < value < float("inf")):
            raise ValueError("a budget per episode must be above 0, or auto")
        return value

    @field_validator("api_base")
    @classmethod
    def _address_holds_no_secret(cls, value: str | None) -> str | None:
        # Settings are stored, shown and exported; keys belong into the environment.
        if value and (re.search(r"//[^/]*@", value) or "?" in value):
            raise ValueError("an address must not carry a password or a key; set the provider's environment variable")
        return value

    def fingerprint(self, seed_reward: str | None = None) -> str:
        """Hash of everything asked for: the same command finds its unfinished job by it."""
        # The same task in another place is the same; and what has no description is hashed as it always was.
        asked = self.model_dump(mode="json", exclude={"description": {"folder", "changes"}})
        if self.description is None:
            del asked["description"]
        text = json.dumps([asked, seed_reward], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def asks_nobody(self) -> bool:
        """Whether no language model and no person is asked: rules or a recording answer at once."""
        asked = {self.model_of(role) for role in ("designer", "critic", "analyzer")}
        listed = all(name in ("synth", "none") or name.startswith("listed:") for name in asked)
        return self.replay is not None or listed

    @property
    def searches(self) -> bool:
        """Whether programs are designed, criticised, analysed; else a given reward is trained and confirmed."""
        return self.designs and self.model != "none"

    def model_of(self, role: str) -> str:
        """The model that plays `role` ("designer", "critic", "analyzer"; a method's own roles take `model`)."""
        named = {"designer": self.designer_model, "critic": self.critic_model, "analyzer": self.analyzer_model}
        return named.get(role) or self.model


# Training settings that differ from the defaults; docs/training.md has the figures behind them. Both arms of a claim
# are always trained with the same settings. The study was made on grids and policies without memory.
_UNSTUDIED: dict[str, Any] = {
    "batch_size": 1024, "epochs": 4, "learning_rate": 1e-3, "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2,
    "hidden": (64, 64), "entropy": 0.01,
}  # fmt: skip
# What was seen at an episode's beginning decides at its end.
_MEMORY = {**_UNSTUDIED, "learning_rate": 7e-4, "memory": "lstm"}
_VECTOR = {**_UNSTUDIED, "num_envs": 16, "batch_size": 256, "epochs": 8}
_BALANCE = {
    **_VECTOR, "num_envs": 8, "rollout_steps": 32, "epochs": 20, "gamma": 0.98, "gae_lambda": 0.8, "entropy": 0.0,
    "normalize_reward": False,
}  # fmt: skip
# In a chain of alike rooms views repeat, and rewards that pay new ground only depend on what no view shows: a critic is
# wrong there, so advantages look further before they trust it.
_ALIKE = {"gae_lambda": 0.98}
# Prefix of the task's id, environment steps of a full trial, training settings that differ from the defaults.
_PRESETS: tuple[tuple[str, int, dict[str, Any]], ...] = (
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
    ("MountainCar-", 250_000, {**_VECTOR, "gae_lambda": 0.98}),
    ("", 1_000_000, _VECTOR),
)


def default_steps(task: str) -> int:
    """Environment steps of a full trial when none are asked for: what a good reward was seen to need."""
    return next(steps for prefix, steps, _ in _PRESETS if task.startswith(prefix))


def default_training(task: str) -> dict[str, Any]:
    """Training settings that differ from the defaults on this task."""
    return next(dict(changes) for prefix, _, changes in _PRESETS if task.startswith(prefix))


def with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """`values` of a JobSpec, completed by the task's own steps and training settings."""
    task = str(values.get("task", ""))
    given = values.get("training") or {}
    training = {**default_training(task), **given} if isinstance(given, dict) else given
    return {"steps": default_steps(task), **values, "training": training}


def read_spec(values: dict[str, Any]) -> JobSpec:
    """Check `values`; a wrong key names the nearest right one. Raises UsageError."""
    try:
        return JobSpec.model_validate(values)
    except ValidationError as error:
        raise UsageError(_explain(error), "See `rewardsmith run --help` for what is allowed.") from error


def read_spec_file(path: Path) -> dict[str, Any]:
    """The mapping in a YAML spec file. Raises UsageError if it cannot be read."""
    import yaml

    try:
        values = yaml.safe_load(read_text(path))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = str(error).replace("\n", " ")
        raise UsageError(f"Cannot read the spec {path}: {reason}", "Give a YAML file of job settings.") from error
    if not isinstance(values, dict):
        raise UsageError(f"The spec {path} is not a mapping.", "Write lines such as `task: MiniGrid-Unlock-v0`.")
    return values


def with_changes(values: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """`values` with `KEY=VALUE` texts put in; values are YAML, dots lead inwards. Raises UsageError."""
    import yaml

    changed = dict(values)
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{change!r} is not KEY=VALUE.", "Write for example --set budget.calls=50.")
        *path, last = key.strip().split(".")
        place = changed
        for part in path:
            inner = place.get(part)
            place[part] = dict(inner) if isinstance(inner, dict) else {}
            place = place[part]
        try:
            place[last] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            shown = text if len(text) <= 60 else f"{text[:60]}..."
            raise UsageError(f"The value of {key} cannot be read: {shown!r}", "Quote it as YAML.") from error
    return changed


def _explain(error: ValidationError) -> str:
    parts = []
    for item in error.errors()[:3]:
        place = ".".join(str(p) for p in item["loc"]) or "spec"
        text = f"{place}: {item['msg'].removeprefix('Value error, ')}"
        if item["type"] == "extra_forbidden":
            known = [*JobSpec.model_fields, *TrainingSpec.model_fields, *Budget.model_fields]
            near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
            text = f"{place}: no such setting" + (f"; did you mean `{near[0]}`?" if near else "")
        parts.append(text)
    text = "The job's settings are wrong: " + "; ".join(parts)
    return text if text.endswith("?") else f"{text}."
