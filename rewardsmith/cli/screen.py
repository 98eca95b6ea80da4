"""The terminal: data to stdout, talk to stderr; plain when not a terminal.

Programs, models and other users wrote much of what is shown. Whatever is printed here loses its control characters and
bidirectional marks, and no string is read as rich's markup: a style is given by `style=` or by a Text.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from rewardsmith.errors import UsageError
from rewardsmith.plaintext import in_csv, one_line, plain

ACCENT = "cyan"

VERDICT_WIDTH = 24  # a headline of several words must leave room for what a check says
_PLAIN_WIDTH = 110  # columns where nobody tells: pipes, files, logs
_NAME_WIDTH = 64  # columns that the first cell of a row may take


class PlainConsole(Console):
    """A console whose every string is text to be shown: no markup, no `:emoji:`, no highlighting, no escapes."""

    def render_str(self, text: str, *, style: Any = "", justify: Any = None, overflow: Any = None, **_: Any) -> Text:
        """The text as it stands."""
        return Text(plain(text), style=style, justify=justify, overflow=overflow)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed of `renderable`, whoever made it."""
        for segment in super().render(renderable, options):
            # rich ends its lines itself: a carriage return within one is somebody's text.
            yield segment if segment.control else segment._replace(text=plain(segment.text.replace("\r", "")))


class PlainTable(Table):
    """A table whose string cells are text in one line.

    Cells of the last column keep their lines: a second line stands beneath the first one, where it cannot pass for
    another row.
    """

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row; see rich.table.Table."""
        last = len(self.columns) - 1
        shown = [
            Text(plain(cell) if 0 < k == last else one_line(cell)) if isinstance(cell, str) else cell
            for k, cell in enumerate(cells)
        ]
        super().add_row(*shown, **options)


def _console(*, stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return PlainConsole(
        stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else _PLAIN_WIDTH
    )


out = _console(stderr=False)
talk = _console(stderr=True)


def say(text: str) -> None:
    """A line of talk, on stderr."""
    talk.print(text, markup=False, soft_wrap=True)


def next_command(text: str) -> None:
    """The next useful command, on stderr."""
    talk.print(f"next: {one_line(text)}", style="dim", markup=False, soft_wrap=True)


def hanging(label: Text, text: str) -> Table:
    """`text` of any length, its lines beneath each other behind `label`: none passes for a line of its own."""
    grid = Table.grid()
    grid.add_column(no_wrap=True, max_width=_NAME_WIDTH)
    grid.add_column(overflow="fold")
    grid.add_row(label, Text(plain(text)))
    return grid


def labelled(label: str, text: str, style: str = "") -> None:
    """Text that somebody else wrote on stdout, behind `label`."""
    out.print(hanging(Text(one_line(label)), text), style=style)


def program(source: str, shown: RenderableType) -> None:
    """A program on stdout: `shown` on a terminal, its own bytes in a pipe or a file."""
    if out.is_terminal:
        out.print(shown)
    else:
        sys.stdout.write(source if source.endswith("\n") else f"{source}\n")


def write(text: str) -> None:
    """Lines of text on stdout, not wrapped."""
    print(plain(text))


def table(title: str | None, columns: Sequence[tuple[str, str]]) -> Table:
    """An aligned table; columns are (header, "left" or "right")."""
    made = PlainTable(
        title=title and one_line(title), title_justify="left", box=None, pad_edge=False, header_style="bold",
        padding=(0, 2, 0, 0),
    )  # fmt: skip
    for k, (header, side) in enumerate(columns):
        # A row begins with its name: what is folded onto a second line has none, and cannot pass for a row.
        fit: Any = {"overflow": "fold"} if k else {"overflow": "ellipsis", "no_wrap": True, "max_width": _NAME_WIDTH}
        made.add_column(one_line(header), justify="right" if side == "right" else "left", **fit)
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
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: in_csv(value) for name, value in row.items()} for row in rows)
    else:
        out.print(shown)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
