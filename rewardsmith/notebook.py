"""Results as HTML for a notebook. Programs, models and other users wrote much of it: all text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rewardsmith.plaintext import plain

_LONGEST = 400  # characters of a cell


def facts(title: str, pairs: Mapping[str, Any]) -> str:
    """A heading, and below it a list of names and values; a value of None is left out."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{_text(name)}</th><td style='text-align:left'>{_cell(value)}</td></tr>"
        for name, value in pairs.items()
        if value is not None
    )
    return f"<h4>{_text(title)}</h4><table>{rows}</table>"


def table(title: str, records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A table of some columns of `records`; empty where there are none."""
    if not records:
        return ""
    head = "".join(f"<th style='text-align:left'>{_text(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{_cell(record[name])}</td>" for name in columns) + "</tr>"
        for record in records
    )
    return f"<h4>{_text(title)}</h4><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def program(title: str, source: str | None) -> str:
    """A program's text in a block that a click opens; empty where there is none."""
    if not source:
        return ""
    return f"<details><summary>{_text(title)}</summary><pre>{_text(source)}</pre></details>"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return _text(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ...")


def _text(text: str) -> str:
    # Invisible and bidirectional characters could still reorder what an escaped text seems to say.
    return escape(plain(text), quote=True)
