"""Interns (state, memory, gates) triples as consecutive integers, in the order in which they are met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_CARRIED = 1 << 20


class TooManyValues(Exception):
    """Gates or potentials take more distinct values than can be interned."""


@dataclass(frozen=True)
class Front:
    """K (state, memory, gates) triples.

    Attributes:
        number: int64 [K], the interned number of each triple.
        state: int64 [K], the state.
        memory: int64 [K], the number of the memory.
        carried: float64 [K, columns], the values of gates and potentials.
    """

    number: NDArray[Any]
    state: NDArray[Any]
    memory: NDArray[Any]
    carried: NDArray[Any]

    def only(self, which: NDArray[np.bool_]) -> Front:
        """Return the triples selected by a bool array [K]."""
        return Front(self.number[which], self.state[which], self.memory[which], self.carried[which])

    @staticmethod
    def joined(fronts: Sequence[Front]) -> Front:
        """Concatenate several fronts, in the order given."""
        names = Front.__dataclass_fields__
        return Front(*(np.concatenate([getattr(front, name) for front in fronts]) for name in names))


class Keys:
    """The interned (state, memory, carried) triples; `count` is their number."""

    def __init__(self) -> None:
        self.count = 0
        self._carried: dict[bytes, int] = {}
        self._sorted, self._numbers = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def number(self, state: NDArray[Any], memory: NDArray[Any], carried: NDArray[Any]) -> tuple[Any, Any]:
        """Return the number of each triple, and the positions where new triples first occur."""
        keys = (state << 40) | (memory << 20) | self._carried_numbers(carried)
        wanted, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        place = np.searchsorted(self._sorted, wanted)
        held = np.append(self._sorted, -1)[np.minimum(place, len(self._sorted))] == wanted
        numbers = np.empty(len(wanted), np.int64)
        numbers[held] = self._numbers[place[held]]
        new = np.flatnonzero(~held)
        numbers[new] = self.count + np.arange(len(new))
        self.count += len(new)
        self._sorted = np.insert(self._sorted, place[new], wanted[new])
        self._numbers = np.insert(self._numbers, place[new], numbers[new])
        return numbers[inverse], first[new]

    def _carried_numbers(self, carried: NDArray[Any]) -> NDArray[Any] | int:
        if not carried.shape[1]:
            return 0
        # One column is the usual case, and sorting it as plain numbers is much faster.
        rows, inverse = np.unique(carried[:, 0] if carried.shape[1] == 1 else carried, axis=0, return_inverse=True)
        known = [self._carried.setdefault(row.tobytes(), len(self._carried)) for row in rows]
        if len(self._carried) > _MOST_CARRIED:
            raise TooManyValues
        return np.array(known, np.int64)[inverse.ravel()]
