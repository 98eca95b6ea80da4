"""The settings of a job, the limits of its budget, and how they are read."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from rewardsmith.errors import UsageError
from rewardsmith.files import read_text
from rewardsmith.former_names import renamed_settings, with_current_names, with_former_names
from rewardsmith.scores import ScoreScale
from rewardsmith.spec.presets import default_steps, preset_of
from rewardsmith.spec.setting import Flag, Strict
from rewardsmith.spec.training import ADDED, TrainingSpec, require_settings

CLAIM_LAYOUTS = 30
"""Random layouts of the check before the claim. If none of 30 is unsound, at most 9.5 % of all layouts are (95 %)."""

_MOST = 10**15  # largest count; a float represents it exactly
_MOST_STEPS = 2_000_000_000  # of one trial; fits PostgreSQL's INTEGER
_LARGEST_SEED = 20_000_000  # every training seed derived from it fits PostgreSQL's INTEGER


class Budget(Strict):
    """Limits of a job; None means no limit. A job that reaches one ends and keeps its best candidate."""

    dollars: Annotated[float | None, Flag("--max-dollars")] = Field(
        default=None, ge=0, description="limit on the cost of language models, in dollars"
    )
    tokens: Annotated[int | None, Flag("--max-tokens")] = Field(
        default=None, ge=0, le=_MOST, description="limit on tokens, sent and received together"
    )
    calls: Annotated[int | None, Flag("--max-calls")] = Field(
        default=None, ge=0, le=_MOST, description="limit on language-model calls"
    )
    env_steps: Annotated[int | None, Flag("--max-steps")] = Field(
        default=None, ge=0, le=_MOST, description="limit on environment steps, search and claim together"
    )
    seconds: Annotated[float | None, Flag("--max-seconds")] = Field(
        default=None, gt=0, description="limit on the job's working time, in seconds of wall clock"
    )


class TaskDescription(Strict):
    """A job's copy of the YAML file that describes its task. Later edits of the file do not change the job."""

    text: str = Field(max_length=1_000_000, description="content of the file when the job was created")
    folder: str = Field(description="folder that contains the module of the environment")
    files: dict[str, str] = Field(default={}, description="SHA-256 of the module's sources, by path in the folder")
    changes: tuple[str, ...] = Field(default=(), description="changes of the module that the user accepted")
    random_play: dict[str, Any] | None = Field(default=None, description="what random play showed")
    stepping: dict[str, Any] | None = Field(default=None, description="processes that step environments, and why")


class TrainingDefaults(Strict):
    """Where the training settings come from that the user did not set, as stored in a job."""

    given: tuple[str, ...] = Field(default=(), description="training settings that the user set, and `steps` if set")
    source: str = Field(default="", max_length=1_000, description="source of the other settings")
    left_out: tuple[str, ...] = Field(default=(), description="what the source sets and rewardsmith has no setting for")
    chosen: str = Field(default="", max_length=1_000, description="why `algorithm: auto` chose the algorithm")
    settled: bool = Field(default=False, description="whether the job has been created with these settings")


class JobSpec(Strict):
    """The settings of a job: its task, method, models, search, claim and budget."""

    task: Annotated[str, Flag()] = Field(
        min_length=1, max_length=200, description="task id, or the path of a YAML file that describes a task"
    )
    method: Annotated[str, Flag()] = Field(
        default="auto-mc-reward", description="method that makes rewards; `rewardsmith methods` lists them"
    )
    combine: Annotated[tuple[str, ...], Flag("--with", "such as count,rnd")] = Field(
        default=(), description="methods whose reward channels are added to those of `method`"
    )
    options: Annotated[dict[str, dict[str, Any]], Flag("--option", "[METHOD.]NAME=VALUE, may be repeated")] = Field(
        default={}, description="options of methods, by method"
    )
    weights: Annotated[dict[str, float], Flag("--weight", "CHANNEL=NUMBER, may be repeated")] = Field(
        default={}, description="weights of reward channels, by channel"
    )
    transforms: Annotated[
        dict[str, Literal["delta", "outcome"]], Flag("--transform", "CHANNEL=delta or outcome, may be repeated")
    ] = Field(default={}, description="transforms of reward channels, by channel")
    model: Annotated[str, Flag(envvar="REWARDSMITH_MODEL")] = Field(
        default="synth",
        description="model id of litellm, such as openai/gpt-4o; synth composes programs by rules and calls no model",
    )
    designer_model: Annotated[str | None, Flag()] = Field(
        default=None, description="model that designs programs; by default that of `model`"
    )
    critic_model: Annotated[str | None, Flag()] = Field(
        default=None, description="model that reviews programs; by default that of `model`"
    )
    analyzer_model: Annotated[str | None, Flag()] = Field(
        default=None, description="model that analyses failed episodes; by default that of `model`"
    )
    fallback_models: Annotated[tuple[str, ...], Flag("--fallback-model", "may be repeated")] = Field(
        default=(), description="models to call, in this order, when the one before fails"
    )
    api_base: Annotated[str | None, Flag()] = Field(default=None, description="URL of an OpenAI-compatible server")
    stream: Annotated[bool, Flag("--stream/--no-stream")] = Field(
        default=False, description="stream the answers of language models"
    )
    prompt_tokens: Annotated[int, Flag()] = Field(
        default=16_000,
        ge=1_000,
        le=100_000_000,
        description="approximate limit on the length of a prompt's evidence, in tokens",
    )
    answer_tokens: Annotated[int, Flag()] = Field(
        default=4_096,
        ge=64,
        le=100_000_000,
        description="limit on the length of an answer, reasoning included, in tokens",
    )
    record: Annotated[str | None, Flag(file=True)] = Field(
        default=None, description="file (cassette) to record every call in"
    )
    prompts_dir: Annotated[str | None, Flag(file=True)] = Field(
        default=None, description="folder of prompt templates that replace the shipped ones of the same name"
    )
    replay: Annotated[str | None, Flag(file=True)] = Field(
        default=None, description="cassette of a recorded job, whose answers replace those of all models"
    )
    iterations: Annotated[int, Flag()] = Field(default=3, ge=1, le=100, description="rounds of the search")
    samples: Annotated[int, Flag()] = Field(default=3, ge=1, le=64, description="candidates per round")
    repairs: int = Field(
        default=3, ge=0, le=10, description="largest number of repairs of a candidate that fails a check"
    )
    seeds: Annotated[int, Flag()] = Field(
        default=1, ge=1, le=32, description="training seeds per candidate in the search"
    )
    steps: Annotated[int, Flag()] = Field(
        default=500_000, ge=1_000, le=_MOST_STEPS, description="environment steps of a full trial"
    )
    rungs: tuple[float, ...] = Field(
        default=(0.25, 0.5, 1.0), description="fractions of a full trial after which candidates are compared"
    )
    keep: float = Field(default=0.5, gt=0, le=1, description="fraction of candidates promoted to the next rung")
    target: Annotated[float | None, Flag()] = Field(
        default=0.95, gt=0, le=1, description="success rate, or normalised score, at which the search stops"
    )
    order: Literal["predicted", "halving"] = Field(
        default="predicted",
        description="training order of a round; predicted: one at a time, easiest first; halving: successive halving",
    )
    confirm: Annotated[int, Flag()] = Field(
        default=10, ge=0, le=100, description="fresh seeds of the final evaluation; 0 skips it"
    )
    claim_layouts: Annotated[int | None, Flag()] = Field(
        default=None,
        ge=0,
        le=2048,
        description="layouts that the candidate is checked on before its claim; 30 on the compiled engine, else 0",
    )
    designs: bool = Field(default=True, description="whether to design programs; false for methods with a fixed reward")
    verification: bool = Field(default=True, description="run the battery and the certificate before training")
    retrain: Annotated[bool, Flag("--retrain/--no-retrain")] = Field(
        default=True,
        description='retrain a candidate once, with other settings, if diagnosed as "entropy dominates" or "saturated"',
    )
    train_anyway: Annotated[bool, Flag("--train-anyway")] = Field(
        default=False, description="train candidates that the battery or the certificate rejects"
    )
    episode_cap: Annotated[Literal["auto"] | float | None, Flag()] = Field(
        default=None,
        description="per-episode cap on a program channel's sum; auto: its largest sum over known solutions",
    )
    planner: Annotated[Literal["auto"] | bool, Flag("--planner/--no-planner")] = Field(
        default="auto",
        description="show the planner's order of subgoals to the designer; auto: to synth, and to no other author",
    )
    seed: Annotated[int, Flag()] = Field(
        default=0, ge=0, le=_LARGEST_SEED, description="seed of the job, which determines all other seeds"
    )
    training: TrainingSpec = Field(
        default=TrainingSpec(), description="training settings by name, see docs/training.md"
    )
    baseline_training: dict[str, Any] | None = Field(
        default=None,
        description="training settings of the baseline that differ; by default TQC, SAC or DQN with HER on tasks with "
        "goals, else none",
    )
    budget: Budget = Field(
        default=Budget(), description="limits of the job by name: dollars, tokens, calls, env_steps, seconds"
    )
    name: str | None = Field(default=None, max_length=80, description="name of the job")
    description: TaskDescription | None = Field(default=None, description="copy of the file that describes the task")
    prompts: dict[str, str] | None = Field(default=None, description="SHA-256 of the prompt templates, by file name")
    score: ScoreScale | None = Field(default=None, description="scale of the task's score, measured by random play")
    training_defaults: TrainingDefaults | None = Field(
        default=None, description="where the training settings come from that were not set"
    )
    _renamed: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="wrap")
    @classmethod
    def _take_former_names(cls, values: Any, made: Any) -> Any:
        if not isinstance(values, dict):
            return made(values)
        found = made(with_current_names(values))
        found._renamed = renamed_settings(values)
        return found

    @property
    def renamed(self) -> tuple[str, ...]:
        """The settings given under a former name, such as "episode_budget is now episode_cap"."""
        return self._renamed

    @model_validator(mode="after")
    def _rungs_rise_to_one(self) -> JobSpec:
        if not self.rungs or list(self.rungs) != sorted(set(self.rungs)) or self.rungs[-1] != 1.0 or self.rungs[0] <= 0:
            raise ValueError("rungs must increase and end with 1.0, for example 0.25, 0.5, 1.0")
        return self

    @field_validator("episode_cap")
    @classmethod
    def _cap_is_positive(cls, value: str | float | None) -> str | float | None:
        if isinstance(value, float) and not (0.0 < value < float("inf")):
            raise ValueError("a cap per episode must be above 0, or auto")
        return value

    @field_validator("api_base")
    @classmethod
    def _address_holds_no_secret(cls, value: str | None) -> str | None:
        # Settings are stored, shown and exported; keys belong in the environment.
        if value and (re.search(r"//[^/]*@", value) or "?" in value):
            raise ValueError("an address must not carry a password or a key; set the provider's environment variable")
        return value

    def fingerprint(self, seed_reward: str | None = None, *, former_names: bool = False) -> str:
        """Return a hash of all settings, by which the same command finds its unfinished job.

        With `former_names` the settings have the names of the version before.
        """
        # A task in another folder is the same task. Without a description the hash equals that of earlier versions.
        measured = {"folder", "changes", "random_play", "stepping"}
        hidden: Any = {
            "prompts_dir": True,
            "score": True,
            "training_defaults": True,
            "description": self.description is None or measured,
        }
        asked = self.model_dump(mode="json", exclude=hidden)
        for name in ("baseline_training", "claim_layouts", "prompts"):
            if asked[name] is None:
                del asked[name]
        if not asked["transforms"]:
            del asked["transforms"]
        asked["planner"] = self.shows_planner()  # a truth value, as in earlier versions
        asked["training"] = {k: v for k, v in asked["training"].items() if k not in ADDED or v != ADDED[k]}
        text = json.dumps([with_former_names(asked) if former_names else asked, seed_reward], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def asks_nobody(self) -> bool:
        """Whether rules or a recording answer every prompt, so that no language model and no person is needed."""
        asked = {self.model_of(role) for role in ("designer", "critic", "analyzer")}
        listed = all(name in ("synth", "none") or name.startswith(("listed:", "recorded:")) for name in asked)
        return self.replay is not None or listed

    @property
    def searches(self) -> bool:
        """Whether the job searches for programs. Otherwise it trains and confirms a given reward."""
        return self.designs and self.model != "none"

    def shows_planner(self, role: Literal["designer", "analyzer"] = "designer") -> bool:
        """Return whether the prompts of a role show what is known from the task's planner.

        With `planner: auto` they do if `synth` answers them and writes the programs. The programs of all other authors
        (language models, recorded or listed answers, people) are to be their own work.
        """
        if self.planner != "auto":
            return self.planner
        return {self.model_of("designer"), self.model_of(role)} == {"synth"}

    def model_of(self, role: str) -> str:
        """Return the model of a role: "designer", "critic", "analyzer". A method's own roles use `model`."""
        named = {"designer": self.designer_model, "critic": self.critic_model, "analyzer": self.analyzer_model}
        return named.get(role) or self.model


def with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` of a JobSpec with the task's default steps and training settings added.

    Raises UsageError if a training setting is given that the algorithm does not have.
    """
    task = str(values.get("task", ""))
    given = values.get("training") or {}
    if not isinstance(given, dict):
        return {"steps": default_steps(task), **values, "training": given}
    algorithm = str(given.get("algorithm", "ppo"))
    found = preset_of(task, algorithm)
    # A setting of hindsight experience replay may be given alone where the defaults turn it on.
    require_settings(algorithm, {**{k: v for k, v in found.settings.items() if k == "her"}, **given})
    if values.get("training_defaults") is not None:  # of a recording, whose settings are complete
        return {"steps": found.steps, **values, "training": given}
    # The settings of `auto` are completed once the algorithm is chosen.
    training = {**({} if algorithm == "auto" else found.settings), **given}
    origin = {
        "given": [*given, *(["steps"] if "steps" in values else [])],
        "source": found.source,
        "left_out": list(found.left_out),
    }
    return {"steps": found.steps, **values, "training": training, "training_defaults": origin}


def read_spec(values: dict[str, Any]) -> JobSpec:
    """Validate `values`. Raises UsageError; for an unknown key the message suggests the nearest known one."""
    try:
        return JobSpec.model_validate(values)
    except ValidationError as error:
        raise UsageError(_explain(error), "`rewardsmith run --help` lists the settings and their ranges.") from error


def read_spec_file(path: Path) -> dict[str, Any]:
    """Return the settings in a YAML file. Raises UsageError if it cannot be read or holds no mapping."""
    import yaml

    try:
        values = yaml.safe_load(read_text(path))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = str(error).replace("\n", " ")
        raise UsageError(
            f"Cannot read the job settings in {path}: {reason}", "Pass a YAML file of job settings."
        ) from error
    if not isinstance(values, dict):
        raise UsageError(
            f"The job settings in {path} are not a mapping.", "Write lines such as `task: MiniGrid-Unlock-v0`."
        )
    return values


def with_changes(values: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return `values` changed by KEY=VALUE texts: KEY is a dotted path, VALUE is YAML. Raises UsageError."""
    import yaml

    changed = dict(values)
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {change!r} is not KEY=VALUE.", "Write for example --set budget.calls=50.")
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
            raise UsageError(
                f"The value of --set {key} is not valid YAML: {shown!r}", f"Quote it: --set '{key}=\"...\"'."
            ) from error
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
    text = "The job's settings are invalid: " + "; ".join(parts)
    return text if text.endswith("?") else f"{text}."
