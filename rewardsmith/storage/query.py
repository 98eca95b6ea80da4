"""A query of one table or view as plain data, which reader.py (sqlite3) and selection.py (SQLAlchemy) execute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Query:
    """A selection of rows. Names of tables and columns come from the program, never from a user.

    Attributes:
        table: Name of the table or view.
        columns: Columns to return; all if empty.
        order: Columns to sort by, with a leading "-" for descending order.
        prefix: A column and the text that its value begins with.
        limit: Largest number of rows.
        equal: Values that columns must have.
        unequal: Values that columns must not have.
    """

    table: str
    columns: Sequence[str] = ()
    order: Sequence[str] = ()
    prefix: tuple[str, str] | None = None
    limit: int | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)
    unequal: Mapping[str, Any] = field(default_factory=dict)
