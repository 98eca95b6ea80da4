"""Renders prompts from Jinja templates; texts of models and programs are fenced."""

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
    """Remove control characters from a printed value.

    JSON has escaped its text already and must keep programs unchanged.
    """
    return plain(value) if isinstance(value, str) else value


def fenced(text: str, language: str = "") -> str:
    """Return `text` as a fenced block of Markdown whose fence is longer than any fence in the text.

    Used for every text in a prompt that a model or a program wrote: no part of such a text can end the block and be
    read as an instruction.
    """
    text = plain(text)  # first, so that all line breaks are known
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def render(template: str, **values: Any) -> str:
    """Render a prompt template. Raises jinja2.UndefinedError for a missing value."""
    return _environment().get_template(template).render(**values)


def quoted(text: str) -> str:
    """Return a single line unchanged and a longer text fenced: a program's error may look like a part of the prompt."""
    text = plain(text)
    return text if "\n" not in text.strip() else "\n" + fenced(text)


@dataclass(frozen=True)
class ParentProgram:
    """An earlier program as the designer's prompt presents it.

    Attributes:
        id: The candidate's short id.
        source: The program.
        score: Success rate in [0, 1], or mean score; None if it was not trained.
        labels: Evidence by label of the diagnosis.
        components: Statistics by component, as in telemetry.ComponentValues.
        failed_checks: Kind and message of each failed check.
        suggestion: The analyzer's suggestion.
        causes: The analyzer's causes of the failures.
        prediction: What the analyzer expects of its suggestion.
        stops: Where episodes stop, in a sentence.
        figures: Figures of the checks, a sentence each.
        curve: Up to ten points of training, each with steps, success rate or score, and the mean of each component.
        episodes: Failed episodes in words.
        notes: Kind and message of what the checks that passed noted.
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
    notes: list[dict[str, str]] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    prediction: str | None = None
    stops: str | None = None
    figures: list[str] = field(default_factory=list)
