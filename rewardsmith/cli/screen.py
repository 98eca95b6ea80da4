"""The terminal: data to stdout, talk to stderr; plain when not a terminal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from rewardsmith.errors import UsageError

ACCENT = "cyan"

VERDICT_WIDTH = 24  # a headline of several words must leave room for what a check says
_PLAIN_WIDTH = 110  # columns where nobody tells: pipes, files, logs


def _console(*, stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, width=None if terminal else _PLAIN_WIDTH)


out = _console(stderr=False)
talk = _console(stderr=True)


def say(text: str) -> None:
    """A line of talk, on stderr."""
    talk.print(text, markup=False, soft_wrap=True)


def next_command(text: str) -> None:
    """The next useful command, on stderr."""
    talk.print(f"next: {text}", style="dim", markup=False, soft_wrap=True)


def table(title: str | None, columns: Sequence[tuple[str, str]]) -> Table:
    """An aligned table; columns are (header, "left" or "right")."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header, side in columns:
        made.add_column(header, justify="right" if side == "right" else "left", overflow="fold")
    return made


FORMATS = ("table", "json", "csv")


def check_format(form: str, known: Sequence[str] = FORMATS) -> None:
    """Raises UsageError for a format that is none; commands that work long ask before they do."""
    if form not in known:
        raise UsageError(f"There is no format {form!r} here.", f"Use {' or '.join(known)}.")


def emit(rows: Sequence[dict[str, Any]], form: str, shown: Table) -> None:
    """Write `rows` to stdout as a table, JSON or CSV. Raises UsageError for another format."""
    check_format(form)
    if form == "json":
        print(json.dumps(rows, indent=2, default=_plain))
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
    else:
        out.print(shown)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
