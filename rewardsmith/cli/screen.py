"""The terminal: data to stdout, messages to stderr; no colour in a pipe or a file.

Much of the printed text was written by programs, models and other users. Every string therefore loses its control
characters and bidirectional marks, and rich never reads it as markup: pass a style by `style=` or a Text.
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

VERDICT_WIDTH = 24  # a headline of several words must leave room for the check's message
_PLAIN_WIDTH = 110  # columns of pipes, files and logs, which have no width of their own
_NAME_WIDTH = 64  # most columns of the first cell of a row


class PlainConsole(Console):
    """A console that prints every string literally: no markup, no `:emoji:`, no highlighting, no escapes."""

    def render_str(self, text: str, *, style: Any = "", justify: Any = None, overflow: Any = None, **_: Any) -> Text:
        """Return the string as a Text, without reading markup."""
        return Text(plain(text), style=style, justify=justify, overflow=overflow)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and clean the text of every segment, also of renderables that rich made itself."""
        for segment in super().render(renderable, options):
            # rich ends its lines itself: a carriage return within one belongs to the shown text.
            yield segment if segment.control else segment._replace(text=plain(segment.text.replace("\r", "")))


class PlainTable(Table):
    """A table whose string cells are single lines, so that no text can imitate another row.

    Cells of the last column keep their lines, which stand beneath each other in that column.
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
    """Print a message on stderr."""
    talk.print(text, markup=False, soft_wrap=True)


def next_command(text: str) -> None:
    """Print the next useful command on stderr."""
    talk.print(f"next: {one_line(text)}", style="dim", markup=False, soft_wrap=True)


def hanging(label: Text, text: str) -> Table:
    """Lay out `text` beside `label`, its lines beneath each other, so that none can imitate another entry."""
    grid = Table.grid()
    grid.add_column(no_wrap=True, max_width=_NAME_WIDTH)
    grid.add_column(overflow="fold")
    grid.add_row(label, Text(plain(text)))
    return grid


def labelled(label: str, text: str, style: str = "") -> None:
    """Print a label and a text of any length and author on stdout."""
    out.print(hanging(Text(one_line(label)), text), style=style)


def program(source: str, shown: RenderableType) -> None:
    """Print a program on stdout: `shown` on a terminal, the unchanged source in a pipe or a file."""
    if out.is_terminal:
        out.print(shown)
    else:
        sys.stdout.write(source if source.endswith("\n") else f"{source}\n")


def write(text: str) -> None:
    """Print lines of text on stdout without wrapping them."""
    print(plain(text))


def table(title: str | None, columns: Sequence[tuple[str, str]]) -> Table:
    """Return an empty aligned table.

    Args:
        title: Line above the table, or None.
        columns: Header and alignment ("left" or "right") of each column.
    """
    made = PlainTable(
        title=title and one_line(title), title_justify="left", box=None, pad_edge=False, header_style="bold",
        padding=(0, 2, 0, 0),
    )  # fmt: skip
    for k, (header, side) in enumerate(columns):
        # Only the first cell is never folded: a line without one cannot imitate a row.
        fit: Any = {"overflow": "fold"} if k else {"overflow": "ellipsis", "no_wrap": True, "max_width": _NAME_WIDTH}
        made.add_column(one_line(header), justify="right" if side == "right" else "left", **fit)
    return made


def filled_table(
    title: str | None,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    styles: Sequence[str] = (),
) -> Table:
    """Return a table without the columns in which no row has a value; the first column always stands.

    Args:
        title: Line above the table, or None.
        columns: Header and alignment of each column, as in `table`.
        rows: Cells of each row; "" and "-" are no values.
        styles: Style of each row; none if empty.
    """
    kept = [k for k in range(len(columns)) if not k or any(row[k] not in ("", "-") for row in rows)]
    made = table(title, [columns[k] for k in kept])
    for row, style in zip(rows, styles or [""] * len(rows), strict=True):
        made.add_row(*(row[k] for k in kept), style=style)
    return made


FORMATS = ("table", "json", "csv")


def check_format(form: str, known: Sequence[str] = FORMATS) -> None:
    """Raise UsageError for an unknown format. Commands that take long call it first."""
    if form not in known:
        raise UsageError(f"This command has no --format {form!r}.", f"Use one of: {', '.join(known)}.")


def emit(rows: Sequence[dict[str, Any]], form: str, shown: Table) -> None:
    """Print `rows` as JSON or CSV, or `shown` for the format "table", on stdout. Raises UsageError for others."""
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
