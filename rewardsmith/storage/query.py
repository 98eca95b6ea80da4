"""A question to one table or view, in plain data: both ways of reading (reader.py, selection.py) answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Query:
    """Rows of a table or view. Names of tables and columns are the program's, never a user's.

    columns: those wanted, all if none. equal: values that columns must have; unequal: values that they must not have.
    order: columns, "-" before one for descending. prefix: (column, text that its value begins with).
    """

    table: str
    columns: Sequence[str] = ()
    order: Sequence[str] = ()
    prefix: tuple[str, str] | None = None
    limit: int | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)
    unequal: Mapping[str, Any] = field(default_factory=dict)
