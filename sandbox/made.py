"""The results of one transition, and when they may be used again. Host side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .recalled import Recollection
from .unknown import NOTHING, Variable

Known = Mapping[Variable, frozenset[Any]]


class Leaf:
    """One result of one or several functions of a program, for one answer to each of their reads of memory.

    Attributes:
        run: The memory of the call.
        reads: What the call has read of the history, as flags.
        values: The components.
        certainly: The variables that the call certainly changes.
        after: The possible values of all variables after the call.
    """

    def __init__(
        self, run: Recollection, reads: int, values: tuple[float, ...], certainly: frozenset[Any], after: Known
    ) -> None:
        self.run, self.reads, self.values, self.certainly, self.after = run, reads, values, certainly, after

    @property
    def result(self) -> Any:
        """What distinguishes this result from others."""
        return self.reads, self.values, self.certainly

    @property
    def keys(self) -> set[Any]:
        """The keys of memory that the call has read or written."""
        run = self.run
        places = [*run.recalled, *run.touched, *run.asked, *run.missed]
        return {each[0] for each in places} | run.groups


class Made:
    """All results of one transition, and the possible values in memory that they depend on.

    Args:
        known: The possible values of all variables before.
        parts: The results of functions that use no key of memory in common.

    Attributes:
        rows: What is answered for each result: the number of its kind, its flags and its components.
        writes: The possible values after the transition of all variables where they differ from those before.
    """

    def __init__(self, known: Known, parts: Sequence[Sequence[Leaf]]) -> None:
        self.rows: dict[tuple[float, ...], None] = {}
        self.writes: dict[Variable, frozenset[Any]] = {}
        runs = [leaf.run for leaves in parts for leaf in leaves]
        self._variables = {variable for run in runs for variable in [*run.recalled, *run.touched]}
        self._groups = {key for run in runs for key in run.groups}
        self._missed = {asked for run in runs for asked in run.missed}
        self._all = any(run.listed for run in runs)
        self._values = self._seen(known)
        for leaves in parts:
            for variable in {v for leaf in leaves for v in leaf.after if leaf.after[v] != known.get(v)}:
                every = frozenset[Any]().union(*[leaf.after.get(variable, NOTHING) for leaf in leaves])
                if every != known.get(variable):
                    self.writes[variable] = every

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
