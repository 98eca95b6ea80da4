"""Renders prompts from Jinja templates; texts of models and programs are fenced."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rewardsmith.errors import UsageError
from rewardsmith.files import read_bytes
from rewardsmith.plaintext import indented, one_line, plain

_FOLDER = Path(__file__).with_name("prompts")
_LARGEST = 200_000  # bytes of a user's template
ADAPTABLE = ("system", "designer", "critic", "analyzer", "vocabulary", "components", "conditions", "curve")
"""Templates that a user may replace, besides the blocks `contract-NAME`."""


@lru_cache(maxsize=8)
def _environment(own: Path | None = None) -> Environment:
    shipped = FileSystemLoader(_FOLDER)
    # Prompts are plain text for a model, not HTML: escaping would corrupt code.
    kind = Environment if own is None else ImmutableSandboxedEnvironment
    made = kind(
        loader=shipped if own is None else ChoiceLoader([FileSystemLoader(own), shipped]),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown,
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


def render(template: str, own: Path | None = None, **values: Any) -> str:
    """Render a prompt template.

    Args:
        template: Its file name.
        own: Folder of a user's templates, which replace the shipped ones of the same name.
        **values: What the template refers to.

    Raises:
        jinja2.UndefinedError: A shipped template refers to a value that is missing.
        UsageError: A user's template cannot be rendered.
    """
    if own is None:
        return _environment().get_template(template).render(**values)
    try:
        return _environment(own).get_template(template).render(**values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)  # of a syntax error
        place = f"line {line} of " if line else ""
        raise UsageError(
            f"The prompt {template} cannot be made with {place}the templates in {own}: {error.message or error}.",
            f"Compare the template with the shipped one: {_FOLDER / template}.",
        ) from error


def template_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each of a user's templates, by file name.

    Raises UsageError if the folder has none, or one that replaces no template of rewardsmith.
    """
    found = {path.name: path for path in sorted(folder.glob("*.j2"))} if folder.is_dir() else {}
    known = {f"{name}.md.j2" for name in ADAPTABLE} | {path.name for path in _FOLDER.glob("contract-*.md.j2")}
    strange = sorted(set(found) - known)
    if strange or not found:
        what = f"contains {strange[0]}, which replaces no template" if strange else "contains no template"
        raise UsageError(
            f"The folder {folder} of prompt templates {what}.", f"Name the files as {', '.join(sorted(known))}."
        )
    return {name: hashlib.sha256(read_bytes(path, _LARGEST)).hexdigest() for name, path in found.items()}


def require_same_templates(folder: Path, hashes: Mapping[str, str]) -> None:
    """Raise UsageError if a user's templates differ from those with which a job was created."""
    if template_hashes(folder) != dict(hashes):
        raise UsageError(
            f"The prompt templates in {folder} have changed since the job was created.",
            "Restore them, or start a new job with the changed ones.",
        )


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
