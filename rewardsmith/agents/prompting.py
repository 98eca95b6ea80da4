"""Prompts from Jinja templates, and the plain records that agents return."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rewardsmith.plaintext import indented, one_line, plain

_FOLDER = Path(__file__).with_name("prompts")


@lru_cache
def _environment() -> Environment:
    # Prompts are plain text for a model, not HTML: escaping would corrupt code.
    made = Environment(
        loader=FileSystemLoader(_FOLDER), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_shown,
    )  # fmt: skip
    made.filters |= {"fenced": fenced, "quoted": quoted, "indented": indented, "one_line": one_line}
    return made


def _shown(value: Any) -> Any:
    """What a template prints of a value. JSON has escaped its text already, and carries programs to the byte."""
    return plain(value) if isinstance(value, str) else value


def fenced(text: str, language: str = "") -> str:
    """`text` as a fenced block of Markdown, whatever it holds: the fence is longer than any in it.

    For everything in a prompt that a model or a program wrote. What stands behind the block cannot be taken for a
    part of it, nor can a part of it end the block and be taken for an instruction.
    """
    text = plain(text)  # before it is looked at: what ends a line must be known
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def render(template: str, **values: Any) -> str:
    """The text of a prompt template. Raises jinja2.UndefinedError for a value that is not given."""
    return _environment().get_template(template).render(**values)


def quoted(text: str) -> str:
    """`text` as it stands if it is one line, else fenced: a program's error may look like a part of the prompt."""
    text = plain(text)
    return text if "\n" not in text.strip() else "\n" + fenced(text)


@dataclass(frozen=True)
class ParentProgram:
    """What the designer is told of an earlier program.

    curve: up to ten points of training, each with steps, success (0 to 1) and the mean of each component.
    episodes: failed episodes in words.
    """

    id: str
    source: str
    score: float | None
    labels: dict[str, str] = field(default_factory=dict)
    components: dict[str, dict[str, float]] = field(default_factory=dict)
    failed_checks: list[dict[str, str]] = field(default_factory=list)
    suggestion: str | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    episodes: list[str] = field(default_factory=list)
