"""The meaning of the columns of a state row, by name.

A task builds its schema as plain data, in the grammar of sandbox/views.py. The plain form is stored, sent to the
sandbox and written into exported files. `Schema` is the typed form; all other code looks up names through it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Field:
    """One named value of a state, or a group of values.

    Attributes:
        name: The attribute that reward code reads.
        kind: "int", "float" or "bool"; "choice" (one of `values`, stored as its index); "item" (a slot of the list
            `of`); "text" or "table" (an entry of `table`, by the layout's index); "record" (of `fields`); "list" (of
            items with `fields`). A "vector" has `length` numbers of the kind `of`.
        doc: Its meaning in a few words, as the designer reads it.
        unit: The unit of an int or float, or "".
        low, high: Bounds of an int or float, inclusive; None if unknown.
        values: The values of a choice, in the order of their numbers.
        table: The table that a text or table is read from.
        of: The list that an item refers to, or the kind of a vector's numbers.
        uses: The costly feature that fills it in, or "".
        start: Of a list, its first column.
        stride: Of a list, the number of columns of one slot.
        length: Of a list, the number of slots; of a vector, its numbers.
        present: Of a list, the column within a slot that is 1 if the slot holds an item.
        fields: The fields of a record, or of a list's items.
        entries: Names of a vector's numbers, in order; () if they have none.
        training_only: Whether the policy cannot see it.
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
    entries: tuple[str, ...] = ()
    training_only: bool = False
    place: int | None = None
    """Its column, or None for a record and a list; in a list's fields counted from the slot's first column."""

    @property
    def column(self) -> int:
        """Its column in a row, or within a slot of its list. Raises TypeError for records and lists."""
        if self.place is None:
            raise TypeError(f"the {self.kind} {self.name} has no column of its own")
        return self.place

    @property
    def exact(self) -> int:
        """The value of an int that is always the same. Raises ValueError if it varies."""
        if self.low is None or self.low != self.high:
            raise ValueError(f"{self.name} is not always the same")
        return int(self.low)

    def field(self, name: str) -> Field:
        """Return the field called `name` of a record or of a list's items. Raises KeyError."""
        return _named(self.fields, name, self.name)

    def number(self, value: str) -> int:
        """Return the number that stands for `value` of a choice in a row. Raises ValueError."""
        return self.values.index(value)

    def slots(self) -> NDArray[np.int64]:
        """Return the first column of each slot of a list, int64 [length]."""
        return self.start + np.arange(self.length) * self.stride

    def columns(self) -> list[int]:
        """Return every column that the field occupies; for a list, those of all slots."""
        if self.kind == "record":
            return [column for field in self.fields for column in field.columns()]
        if self.kind == "list":
            return list(range(self.start, self.start + self.length * self.stride))
        if self.kind == "vector":
            return list(range(self.column, self.column + self.length))
        return [self.column]

    @staticmethod
    def of_plain(plain: Mapping[str, Any]) -> Field:
        """Build a field from its plain form."""
        values = {k: v for k, v in plain.items() if k not in ("column", "fields", "values", "entries")}
        return Field(
            **values,
            values=tuple(plain.get("values", ())),
            entries=tuple(plain.get("entries", ())),
            fields=tuple(map(Field.of_plain, plain.get("fields", ()))),
            place=plain.get("column"),
        )


class Schema:
    """The fields of a state row.

    Attributes:
        name: The name of the state's type, such as "State".
        width: The number of columns of a row.
        dtype: numpy's name of the columns' type, such as "int32".
        fields: The fields, in the order of the plain form.
    """

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
        """Return the field called `name`. Raises KeyError with the names that exist."""
        return _named(self.fields, name, "the state")

    def rows(self, *shape: int) -> NDArray[Any]:
        """Return zeros [*shape, width] of the schema's type, to be filled with state rows."""
        return np.zeros((*shape, self.width), dtype=self.dtype)

    def as_dict(self) -> dict[str, Any]:
        """Return the plain form as the task built it, for the sandbox, for files and for JSON."""
        return self._plain


def _named(fields: Sequence[Field], name: str, where: str) -> Field:
    for field in fields:
        if field.name == name:
            return field
    raise KeyError(f"{where} has no field {name!r}; it has: {', '.join(field.name for field in fields)}")
