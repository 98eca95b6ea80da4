"""Notes which columns of a state's row a program reads.

A result depends on a row only by the columns that were read. So transitions whose read columns are equal need one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Noted:
    """The columns that have been read from any row of `noting_rows`.

    Attributes:
        columns: The columns, in increasing order; a new list whenever one is added.
    """

    def __init__(self) -> None:
        self.columns: list[int] = []

    def add(self, columns: Iterable[int]) -> None:
        """Note that columns have been read."""
        found = {*self.columns, *columns}
        if len(found) > len(self.columns):
            self.columns = sorted(found)


def noting_rows(noted: Noted, width: int) -> Callable[[list[Any]], list[Any]]:
    """Return a function that turns a row of `width` numbers into one that notes what is read from it.

    Views are left as they are, so that they are the same in every host.
    """
    seen: set[Any] = set()

    class Row(list[Any]):
        __slots__ = ()

        def __getitem__(self, key: Any) -> Any:
            place = key if type(key) is int else (key.start, key.stop)
            if place not in seen:
                seen.add(place)
                noted.add(range(width)[key] if type(key) is slice else (range(width)[key],))
            return list.__getitem__(self, key)

        def __iter__(self) -> Iterator[Any]:
            noted.add(range(width))
            return list.__iter__(self)

        def __eq__(self, other: object) -> bool:
            noted.add(range(width))
            return list.__eq__(self, other)

        __hash__ = None  # type: ignore[assignment]

    return Row
