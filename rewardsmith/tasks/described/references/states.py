"""The state as a reference reads it: named values, vectors with named entries."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from numpy.typing import NDArray

from rewardsmith.tasks.schema import Field, Schema


def state_reader(schema: Schema) -> Callable[[NDArray[Any]], SimpleNamespace]:
    """Return a function of a state row [W] that returns the state with an attribute for each variable.

    As in reward code a vector is a tuple; its entries can also be read by name, if they have one.
    """
    readers = [(field.name, _reader(field)) for field in schema]

    def read(row: NDArray[Any]) -> SimpleNamespace:
        return SimpleNamespace(**{name: reader(row) for name, reader in readers})

    return read


def _reader(field: Field) -> Callable[[NDArray[Any]], Any]:
    at = field.column
    if field.kind == "vector":
        kind, last = _KINDS[field.of], at + field.length
        made: Callable[..., Any] = tuple
        if field.entries:
            made = namedtuple("Vector", field.entries, rename=True)._make
        return lambda row: made([kind(x) for x in row[at:last]])
    if field.kind == "choice":
        return lambda row: field.values[int(row[at])] if row[at] >= 0 else None
    kind = _KINDS[field.kind]
    return lambda row: kind(row[at])


_KINDS: dict[str, Callable[[Any], Any]] = {"float": float, "int": int, "bool": bool}
