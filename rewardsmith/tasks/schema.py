"""What the columns of a state row mean, read by name.

A schema is plain data, whose grammar is that of sandbox/views.py: that form is stored, sent to the sandbox and written
into exported files, and is what a task builds. `Schema` is its typed reading; nobody else searches it for names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Field:
    """One named value of a state, or a group of them.

    kind: "int", "float", "bool", "choice" (one of `values`, by number), "item" (a slot of the list `of`), "text" and
    "table" (looked up in `table` by the layout's number), "record" (of `fields`), "list" (of items with `fields`).
    low, high: what an int or float may be, both included; None where no bound is known. uses: the costly feature that
    fills it in, or "". start, stride, length, present: of a list: its first column, the columns and the number of its
    slots, and which column of a slot tells whether an item is there.
    """

    name: str
    kind: str
    doc: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    table: str = ""
    of: str = ""
    uses: str = ""
    start: int = 0
    stride: int = 0
    length: int = 0
    present: int = 0
    fields: tuple[Field, ...] = ()
    place: int | None = None
    """Its column, or None for a record and a list; in a list's fields counted from the slot's first column."""

    @property
    def column(self) -> int:
        """Where it stands in a row, or in a slot of its list. Raises TypeError for records and lists."""
        if self.place is None:
            raise TypeError(f"the {self.kind} {self.name} has no column of its own")
        return self.place

    @property
    def exact(self) -> int:
        """The only value that an int can have. Raises ValueError where it varies."""
        if self.low is None or self.low != self.high:
            raise ValueError(f"{self.name} is not always the same")
        return int(self.low)

    def field(self, name: str) -> Field:
        """The field called `name` of a record's or a list's items. Raises KeyError."""
        return _named(self.fields, name, self.name)

    def number(self, value: str) -> int:
        """What stands in a row for a value of a choice. Raises ValueError."""
        return self.values.index(value)

    def slots(self) -> NDArray[np.int64]:
        """The first column of each slot of a list, int64 [length]."""
        return self.start + np.arange(self.length) * self.stride

    def columns(self) -> list[int]:
        """Every column of the row that it fills, those of all slots for a list."""
        if self.kind == "record":
            return [column for field in self.fields for column in field.columns()]
        if self.kind == "list":
            return list(range(self.start, self.start + self.length * self.stride))
        return [self.column]

    @staticmethod
    def of_plain(plain: Mapping[str, Any]) -> Field:
        """A field from its plain form."""
        values = {k: v for k, v in plain.items() if k not in ("column", "fields", "values")}
        return Field(
            **values,
            values=tuple(plain.get("values", ())),
            fields=tuple(map(Field.of_plain, plain.get("fields", ()))),
            place=plain.get("column"),
        )


class Schema:
    """The fields of a state row. width: columns of a row; dtype: numpy's name of their type."""

    def __init__(self, plain: Mapping[str, Any]) -> None:
        self._plain = dict(plain)
        self.name: str = plain["name"]
        self.width: int = plain["width"]
        self.dtype: str = plain["dtype"]
        self.fields: Sequence[Field] = tuple(map(Field.of_plain, plain["fields"]))

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __contains__(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)

    def field(self, name: str) -> Field:
        """The field called `name`. Raises KeyError."""
        return _named(self.fields, name, "the state")

    def rows(self, *shape: int) -> NDArray[Any]:
        """Room for state rows: zeros [*shape, width] of the schema's type."""
        return np.zeros((*shape, self.width), dtype=self.dtype)

    def as_dict(self) -> dict[str, Any]:
        """The plain form, as the task built it: for the sandbox, for files, for JSON."""
        return self._plain


def _named(fields: Sequence[Field], name: str, where: str) -> Field:
    for field in fields:
        if field.name == name:
            return field
    raise KeyError(f"{where} has no field {name!r}; it has: {', '.join(field.name for field in fields)}")
