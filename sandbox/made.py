"""The results of one transition, and when they may be used again. Host side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .recalled import Recollection
from .unknown import NOTHING, Variable

Known = Mapping[Variable, frozenset[Any]]


class Made:
    """All results of one transition, and the possible values in memory that they depend on.

    Attributes:
        rows: What is answered for each result: the number of its kind, its flags and its components.
        writes: What each result changes in the possible values of the state before.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[float, ...], None] = {}
        self.writes: dict[frozenset[Any], dict[Variable, frozenset[Any]]] = {}
        self._variables: set[Variable] = set()
        self._groups: set[Any] = set()
        self._missed: set[tuple[Any, Any]] = set()
        self._all = False
        self._values: list[Any] = []

    def depends(self, run: Recollection) -> None:
        """Note what a call has asked for, and what it has written."""
        self._variables |= run.recalled.keys() | run.touched
        self._groups |= run.groups
        self._missed |= run.missed
        self._all = self._all or run.listed

    def close(self, known: Known) -> None:
        """Keep the possible values on which the results depend."""
        self._values = self._seen(known)

    def holds(self, known: Known, members: Mapping[Any, Mapping[Any, bool]]) -> bool:
        """Return whether a call would have the same results now."""
        if any(element in members.get(key, ()) for key, element in self._missed):
            return False
        return self._values == self._seen(known)

    def _seen(self, known: Known) -> list[Any]:
        if self._all:
            return [known]
        found: list[Any] = [known.get(variable, NOTHING) for variable in self._variables]
        return found + [{v: known[v] for v in known if v[0] == key} for key in self._groups]
