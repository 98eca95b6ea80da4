"""Renders templates: everything is escaped, and loses control characters and invisible ones, unless it is Markup."""

from __future__ import annotations

import difflib
import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from rewardsmith.plaintext import one_line, plain
from rewardsmith.reporting import text

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
MOST = 200_000
"""Characters of a text that a page shows; the rest can be downloaded."""

_SHORT = 120
_HIGHLIGHTED = 60_000  # characters of a program that are coloured: Pygments takes a second for a megabyte


@lru_cache
def environment() -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    made.filters |= {
        "code": code, "whole": _whole, "line": line, "when": when, "duration": text.seconds, "json_data": json_data,
        "count": lambda value: "-" if value is None else f"{value:,}", "percent": text.percent, "dollars": dollars,
    }  # fmt: skip
    return made


def render(template: str, **values: Any) -> str:
    """Render a template. Raises jinja2.UndefinedError for a missing value."""
    return environment().get_template(template).render(**values)


def _shown(value: Any) -> Any:
    if value is None:
        return "-"
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@pass_context
def _whole(context: Context, value: str | None) -> Markup:
    """Return a text as the content of a block, cut as the template's value `cut` says."""
    most = context.get("cut", MOST)
    return whole(value, most)


def whole(value: str | None, most: int = MOST) -> Markup:
    """Return a text of any length as the content of a block; one of more than `most` characters is cut, and says so."""
    value = value or ""
    cut = plain(value[:most])
    more = len(value) - most
    return escape(cut) + (
        Markup('\n<em class="cut">... {} more characters</em>').format(f"{more:,}") if more > 0 else ""
    )


def line(value: str | None, most: int = _SHORT) -> str:
    """Return a text as one line of at most `most` characters."""
    said = one_line((value or "")[: 4 * most]).strip()
    return said if len(said) <= most else f"{said[: most - 4]} ..."


def code(value: str, language: str = "python") -> Markup:
    """Return a program with colours by the classes of Pygments; a very long one is plain text."""
    if len(value) > _HIGHLIGHTED:
        return whole(value)
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import DiffLexer, JsonLexer, PythonLexer

    lexer = {"python": PythonLexer, "diff": DiffLexer, "json": JsonLexer}[language]
    return Markup(highlight(plain(value), lexer(stripnl=False), HtmlFormatter(nowrap=True)))


def diff(before: str, after: str, names: tuple[str, str], context: int = 3) -> str:
    """Return a unified diff of two programs, or a sentence if they are identical or too long to compare."""
    if len(before) + len(after) > MOST:
        return "# too long to compare"
    old, new = (plain(program).splitlines() for program in (before, after))
    shown = difflib.unified_diff(old, new, names[0], names[1], lineterm="", n=context)
    return "\n".join(shown) or "# identical programs"


def when(value: datetime | None) -> str:
    """Return a time in UTC to the minute; a dash for None."""
    return "-" if value is None else value.strftime("%Y-%m-%d %H:%M")


def dollars(value: float | None) -> str:
    """Return a price with four digits after the point; a dash for None."""
    return "-" if value is None else f"${value:,.4f}"


def json_data(value: Any) -> Markup:
    """Return data for a script element of type application/json: no text in it can end the element."""
    written = json.dumps(value, separators=(",", ":"), default=str)
    for found, escaped in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        written = written.replace(found, escaped)
    return Markup(written)
