"""The YAML description of a Gymnasium task: its fields, reading it, and messages about mistakes in it."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rewardsmith.errors import UsageError
from rewardsmith.files import read_text

_FOLDER = Path(__file__).with_name("built_in")
_SHOWN = 3  # mistakes that one message names


class Variable(BaseModel):
    """One entry of the observation.

    Attributes:
        name: Lower-case letters, digits and underscores, at most 32 characters.
        unit: Its unit, such as "m/s", or "".
        low: Smallest value; minus infinity if not bounded.
        high: Largest value; infinity if not bounded.
        scale: The divisor that the policy's observation uses; None for the larger of |low| and |high|.
        doc: Its meaning, as the designer reads it.
    """

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    scale: float | None = Field(default=None, gt=0, description="the policy sees the variable divided by this")
    doc: str = ""


class Description(BaseModel):
    """A Gymnasium task as its YAML file describes it.

    Attributes:
        id: The task's id; also Gymnasium's id, unless `env_id` is given.
        goal: The goal in a sentence.
        env_reward: The environment's own reward in words, such as "-1 per step".
        state: Every entry of the observation, in order.
        actions: Names of the actions, in order.
        success: An expression over the state that is true on the step that solves the task.
        max_steps: Step limit of an episode.
        env_id: Gymnasium's id, or MODULE:ID, if it differs from `id`.
        env_kwargs: Arguments of the environment's constructor.
        mechanics: Sentences about the dynamics for the designer.
    """

    model_config = ConfigDict(extra="forbid")
    id: str
    goal: str
    env_reward: str = ""
    state: list[Variable]
    actions: list[str]
    success: str
    max_steps: int = Field(ge=1)
    env_id: str | None = Field(default=None, description="Gymnasium's id, or MODULE:ID, if it differs from `id`")
    env_kwargs: dict[str, Any] = {}
    mechanics: list[str] = []

    @field_validator("actions")
    @classmethod
    def _identifiers(cls, names: list[str]) -> list[str]:
        for name in names:
            if not name.isidentifier():
                raise ValueError(f"the action {name!r} is not a valid name: use letters, digits and underscores")
        return names

    @property
    def environment(self) -> str:
        """The argument of gymnasium.make: an id, or MODULE:ID."""
        return self.env_id or self.id


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
    """Return whether a task's name is the path of a YAML file."""
    return name.endswith((".yaml", ".yml"))


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
        raise _wrong(source, _explain(error)) from error
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


def _explain(error: ValidationError) -> str:
    """The first mistakes, each with its field, in one line."""
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
