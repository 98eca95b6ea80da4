"""Results as HTML for notebooks. All text is escaped, because programs, models and other users wrote much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rewardsmith.plaintext import plain

_LONGEST = 400  # characters of a cell


def facts(title: str, pairs: Mapping[str, Any]) -> str:
    """Return a heading with a table of names and values. Values of None are left out."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{_text(name)}</th><td style='text-align:left'>{_cell(value)}</td></tr>"
        for name, value in pairs.items()
        if value is not None
    )
    return f"<h4>{_text(title)}</h4><table>{rows}</table>"


def table(title: str, records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return a heading with a table of the named columns of `records`; "" if there are no records."""
    if not records:
        return ""
    head = "".join(f"<th style='text-align:left'>{_text(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{_cell(record[name])}</td>" for name in columns) + "</tr>"
        for record in records
    )
    return f"<h4>{_text(title)}</h4><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def program(title: str, source: str | None) -> str:
    """Return a program's text in a block that opens on a click; "" if there is no program."""
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
    # Escaping alone leaves invisible and bidirectional characters, which can change the text as it is displayed.
    return escape(plain(text), quote=True)
