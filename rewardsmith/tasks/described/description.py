"""The YAML description of a Gymnasium task: its fields, reading it, and messages about mistakes in it."""

from __future__ import annotations

import difflib
import keyword
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from rewardsmith.errors import UsageError
from rewardsmith.files import read_text
from rewardsmith.scores import ScoreRule

_FOLDER = Path(__file__).with_name("built_in")
_SHOWN = 3  # mistakes that one message names


REFERENCE_FILES = (".zip", ".safetensors", ".json")
"""Files that a reference may be: SB3's policies, policies of a job, recorded episodes."""

_NAME = r"^[a-z][a-z0-9_]{0,31}$"


class Variable(BaseModel):
    """One variable of the state, as reward code reads it: a number, a flag, one of some texts, or a vector."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    name: str = Field(pattern=_NAME)
    source: str | None = Field(
        default=None,
        alias="from",
        description="observation[3], observation.achieved_goal, info.NAME or env.ATTRIBUTE.PATH; "
        "without it, the next entries of the observation",
    )
    entries: list[Annotated[str, Field(pattern=_NAME)]] = Field(default=[], description="names of a vector's entries")
    values: list[str] = Field(default=[], description="the texts that the source may hold, if it is a text")
    kind: Literal["float", "int", "bool"] | None = Field(default=None, description="found by play unless given")
    length: int | None = Field(default=None, ge=1, description="numbers of a vector; found by play unless given")
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    scale: float | None = Field(default=None, gt=0, description="the policy sees the variable divided by this")
    doc: str = ""
    training_only: bool = Field(default=False, description="whether a policy cannot see it; known of infos and env")
    goal_free: bool = Field(default=False, description="whether its value is the same under any other goal")

    @field_validator("name", "entries")
    @classmethod
    def _no_keyword(cls, named: str | list[str]) -> str | list[str]:
        for name in [named] if isinstance(named, str) else named:
            if keyword.iskeyword(name):
                raise ValueError(f"{name!r} is a word of Python's own: no program can read `.{name}`; rename it")
        return named

    @field_validator("source")
    @classmethod
    def _path(cls, source: str | None) -> str | None:
        from rewardsmith.tasks.described.reading import split_path  # numpy, which few commands need

        if source is not None:
            split_path(source)
        return source


class Entry(BaseModel):
    """One entry of an action that is a vector, or one discrete action."""

    model_config = ConfigDict(extra="forbid")
    name: str
    unit: str = ""
    doc: str = ""


class Wrapper(BaseModel):
    """A Gymnasium wrapper around the environment: MODULE:CLASS and its arguments."""

    model_config = ConfigDict(extra="forbid")
    wrapper: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    kwargs: dict[str, Any] = {}


class Score(BaseModel):
    """The quantity that is compared where nothing is a success, and the value that a good policy achieves."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    of: Literal["return"] = Field(default="return", description="the return of an episode, by the environment's reward")
    reference: float | None = Field(default=None, description="the return that counts as 1; random play counts as 0")


class Description(BaseModel):
    """A Gymnasium task as its YAML file, or its Python file, states it."""

    model_config = ConfigDict(extra="forbid")
    id: str
    goal: str
    env_reward: str = Field(default="", description="the environment's own reward, in words")
    state: list[Variable] = Field(default=[], description="without any: every part of the observation")
    state_function: str | None = Field(default=None, description="MODULE:FUNCTION(env, observation, info) -> dict")
    observe: list[str] = Field(default=[], description="keys of a Dict observation that the policy sees; [] for all")
    actions: list[str | Entry] = Field(default=[], description="names, in order; without any they are numbered")
    idle: str | None = Field(default=None, description="the action that does nothing, or the least")
    success: str | None = Field(default=None, description="a condition, or MODULE:FUNCTION")
    goal_success: str | None = Field(
        default=None, description="success as a condition of the observation alone, for other goals than the episode's"
    )
    score: Literal["return"] | Score | None = Field(
        default=None, description="the quantity that is compared where nothing is a success"
    )
    threshold: float | None = Field(
        default=None, allow_inf_nan=False, description="success is an episode whose return reaches it"
    )
    direction: Literal["maximize", "minimize"] = "maximize"
    max_steps: int = Field(ge=1, validation_alias=AliasChoices("max_steps", "max_episode_steps"))
    env_id: str | None = Field(default=None, description="Gymnasium's id, or MODULE:ID, if it differs from `id`")
    env_kwargs: dict[str, Any] = {}
    wrappers: list[str | Wrapper] = Field(default=[], description="around the environment, the innermost first")
    mechanics: list[str] = Field(default=[], description="how the environment behaves: sentences for the designer")
    step_timeout: float = Field(default=60.0, gt=0, description="seconds after which a call that hangs is ended")
    processes: Literal["auto", "none"] | Annotated[int, Field(ge=1, le=256)] = Field(
        default="auto", description="processes that step the environments; auto: a short measurement decides"
    )
    engine: Literal["gymnasium", "envpool"] = Field(
        default="gymnasium", description="the engine that steps the environments; EnvPool draws other random numbers"
    )
    one_start: bool = Field(default=False, description="whether every episode starts in the same state")
    reference: str | None = Field(
        default=None, description="acts well: MODULE:FUNCTION of the state, a policy file, or recorded episodes"
    )
    python: str | None = Field(default=None, description="the object that a Python file describes the task with")

    @field_validator("actions")
    @classmethod
    def _identifiers(cls, names: list[str | Entry]) -> list[str | Entry]:
        for name in (each if isinstance(each, str) else each.name for each in names):
            if not name.isidentifier():
                raise ValueError(f"the action {name!r} is not a valid name: use letters, digits and underscores")
        return names

    @field_validator("reference")
    @classmethod
    def _known_form(cls, reference: str | None) -> str | None:
        if reference is not None and not is_function(reference) and Path(reference).suffix not in REFERENCE_FILES:
            known = f"MODULE:FUNCTION, or a file that ends with {', '.join(REFERENCE_FILES)}"
            raise ValueError(f"{reference!r} is not known: give {known}")
        return reference

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if self.threshold is not None and self.score is None:
            raise ValueError("`threshold` needs `score: return`")
        if self.success is not None and self.score is not None:
            raise ValueError("give `success` or `score`, not both")
        if self.direction == "minimize" and self.score is None:
            raise ValueError("`direction` needs `score: return`: a success has no direction")
        if self.threshold is not None and isinstance(self.score, Score) and self.score.reference is not None:
            raise ValueError(
                "give `threshold` or a `reference` of the score, not both: with a threshold success counts"
            )
        if self.success is None and self.score is None and self.python is None:
            raise ValueError("give `success`, or `score: return` where nothing counts as a success")
        return self

    @property
    def environment(self) -> str:
        """The argument of gymnasium.make: an id, or MODULE:ID."""
        return self.env_id or self.id

    @property
    def action_names(self) -> list[str]:
        """Names of the actions, or of the entries of an action, in order."""
        return [each if isinstance(each, str) else each.name for each in self.actions]

    @property
    def score_rule(self) -> ScoreRule | None:
        """The rule of an episode's score; None if the task has a success, by a threshold or otherwise."""
        if self.score is None or self.threshold is not None:
            return None
        return ScoreRule(self.direction, self.score.reference if isinstance(self.score, Score) else None)

    @property
    def condition(self) -> str | None:
        """When an episode succeeds, as a condition; None if a function says so, or nothing counts as a success."""
        if self.threshold is not None:
            sign = ">=" if self.direction == "maximize" else "<="
            return f"(terminated or truncated) and episode_return {sign} {self.threshold!r}"
        return None if self.success is None or is_function(self.success) else self.success


def is_function(text: str) -> bool:
    """Whether a text is MODULE:FUNCTION rather than a condition."""
    return re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", text) is not None


@lru_cache
def described_ids() -> tuple[str, ...]:
    """Return the ids of the descriptions that come with rewardsmith, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@lru_cache
def read_built_in(task_id: str) -> Description:
    """Return a description that comes with rewardsmith; cached, because every submitted job reads it."""
    path = _FOLDER / f"{task_id}.yaml"
    return parse_description(path.read_text(encoding="utf-8"), str(path))


def is_description_file(name: str) -> bool:
    """Whether a task's name is the path of a YAML or Python file."""
    return name.endswith((".yaml", ".yml", ".py"))


def read_file(path: Path) -> str:
    """Return the text of a description file. Raises UsageError if it does not exist or is not readable text."""
    if not path.exists():
        raise UsageError(
            f"There is no file {path}.",
            "Pass the path of an existing YAML description, or a task id of `rewardsmith tasks list`.",
        )
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(str(path), " ".join(str(error).split())) from error


def parse_description(text: str, source: str) -> Description:
    """Parse and validate a description.

    Args:
        text: The YAML text.
        source: The file's name for messages.

    Raises:
        UsageError: If the text is not YAML or not a description; the message names the fields.
    """
    import yaml

    # libyaml's parser takes 1 ms and Python's takes 10 ms, which would delay every process's first job.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return Description.model_validate(yaml.load(text, Loader=loader))
    except ValidationError as error:
        raise _wrong(source, explain(error)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # numbers of thousands of digits, deep nesting
        reason = " ".join(str(error).split())
        if "mapping values are not allowed" in reason:
            reason += ". Put texts that contain a colon in quotes"
        raise _wrong(source, reason) from error


def _wrong(source: str, reason: str) -> UsageError:
    return UsageError(
        f"The task description {source} is wrong: {reason}.",
        "Compare it with the example in docs/tasks.md and with `rewardsmith tasks describe MountainCar-v0`.",
    )


def explain(error: ValidationError) -> str:
    """The mistakes and their fields, in one line."""
    items = error.errors()
    parts = [_mistake(item) for item in items[:_SHOWN]]
    if len(items) > _SHOWN:
        parts.append(f"and {len(items) - _SHOWN} more")
    return "; ".join(parts)


def _mistake(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"]) or "the file"
    text = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        text = "it is missing"
    elif item["type"] == "extra_forbidden":
        text = _no_such_field(item)
    elif item["type"] == "model_type":
        text = "it does not contain a mapping of fields"
    elif item["type"] == "string_type" and isinstance(item["input"], bool):
        text = f"YAML reads this word as {str(item['input']).lower()}; put it in quotes"
    return f"{place}: {text}"


def _no_such_field(item: Any) -> str:
    """An unknown field is misspelt, or it is the rest of a text that a comma ended."""
    *path, name = map(str, item["loc"])
    known = list(Variable.model_fields if path[:1] == ["state"] else Description.model_fields)
    if near := difflib.get_close_matches(name, known, n=1):
        return f"there is no such field; the nearest is `{near[0]}`"
    if item["input"] is None or " " in name:
        # In {name: x, doc: left, then right} the comma ends the text, and `then right` becomes a field.
        return f'there is no such field; put texts that contain a comma in quotes, as in doc: "..., {name}"'
    return "there is no such field"
