"""Writes a description as a YAML or Python file with comments that help whoever edits it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewardsmith.plaintext import plain
from rewardsmith.tasks.described.description import Description

_LISTED = ("state", "actions", "mechanics", "wrappers")
"""Fields of which each item has a line of its own."""

_SHORT_LIST = 100  # characters of a list of actions that is written in one line


@dataclass(frozen=True)
class Comments:
    """The comments of a file.

    Attributes:
        head: Lines before everything else.
        seen: What random play showed of each variable, by name.
        tail: Lines after everything else.
    """

    head: tuple[str, ...] = ()
    seen: Mapping[str, str] | None = None
    tail: tuple[str, ...] = ()


def fields_of(description: Description) -> dict[str, Any]:
    """The fields that a description's file gives, under the names that files use."""
    fields = description.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"python"})
    for place in (fields, *fields.get("state", [])):
        for key in ("low", "high", "scale", "threshold"):
            if isinstance(place.get(key), float) and place[key].is_integer():
                place[key] = int(place[key])  # as people write it
    return fields


def as_yaml(description: Description, comments: Comments) -> str:
    """The description as YAML; parse_description of it gives an equal description."""
    lines = [_comment(line) for line in comments.head]
    for key, value in fields_of(description).items():
        if key not in _LISTED or not value or _fits(value):
            lines.append(f"{key}: {_flow(value)}")
            continue
        lines.append(f"{key}:")
        lines += [f"  - {_flow(each)}{_seen(key, each, comments)}" for each in value]
    return "\n".join([*lines, *map(_comment, comments.tail)]) + "\n"


def as_python(description: Description, comments: Comments) -> str:
    """The description as a Python file whose TASK is a dict; describe_file of it gives an equal description."""
    lines = [f'"""{_plain(comments.head[0]) if comments.head else "A task."}"""', ""]
    lines += [*map(_comment, comments.head[1:]), "TASK = {"]
    for key, value in fields_of(description).items():
        if key not in _LISTED or not value or _fits(value):
            lines.append(f"    {json.dumps(key)}: {_literal(value)},")
            continue
        lines.append(f"    {json.dumps(key)}: [")
        lines += [f"        {_literal(each)},{_seen(key, each, comments)}" for each in value]
        lines.append("    ],")
    return "\n".join([*lines, "}", *map(_comment, comments.tail)]) + "\n"


def _fits(value: Any) -> bool:
    return all(isinstance(each, str) for each in value) and sum(len(each) + 2 for each in value) <= _SHORT_LIST


def _seen(key: str, each: Any, comments: Comments) -> str:
    if key != "state" or comments.seen is None or not (found := comments.seen.get(each["name"], "")):
        return ""
    return f"  # seen: {_plain(found)}"


def _comment(line: str) -> str:
    return f"# {_plain(line)}".rstrip()


def _plain(text: str) -> str:
    """One line that cannot end a comment or a docstring: environments may put any text into their infos."""
    line = re.sub(r"\s", " ", plain(text))
    return line.replace('"""', "...").replace("\\", "/")


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    import yaml

    text = yaml.safe_dump(
        {"_": value}, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1_000_000
    ).strip()
    inner = text[1:-1].partition(": ")[2]
    return inner if not isinstance(value, str) else _scalar(value, inner)


def _scalar(value: str, inner: str) -> str:
    """A text as the value of a key: without quotes where it reads the same without them."""
    import yaml

    for shown in (value, inner):
        try:
            if "\n" not in shown and yaml.safe_load(f"key: {shown}") == {"key": value}:
                return shown
        except yaml.YAMLError:
            continue
    return json.dumps(value)


def _literal(value: Any) -> str:
    """A value as Python writes it, in one line; infinity as a call that reads the same."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))}: {_literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(each) for each in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and abs(value) == float("inf"):
        return f'float("{value}")'
    return repr(value)
