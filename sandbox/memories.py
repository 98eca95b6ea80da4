"""Interns the contents of a program's memory as numbers, so that they can be enumerated. Host side, no protection."""

from __future__ import annotations

import pickle
from struct import pack, unpack
from typing import Any

import numpy as np

# Instead of a memory's number: it contains values that cannot be enumerated; the most memories are reached.
UNLISTED, ONE_TOO_MANY = -1, -2

_KEPT_PICKLES = 65536


class Memories:
    """Interned memory contents: numbers from 0 (the empty memory), and fresh copies of the contents of a number.

    `freeze` defines equality. Because it is slow, the pickled bytes of contents are cached as well. Equal contents may
    have different bytes (sets in another order), but different contents never have equal bytes.

    Args:
        most: Most distinct contents that get a number.
    """

    def __init__(self, most: int) -> None:
        self._most, self._frozen = most, [freeze({})]
        self._numbers = {self._frozen[0]: 0}
        self._pickled: list[bytes | None] = [pickle.dumps({})]
        self._known: dict[bytes, int] = {}

    def __len__(self) -> int:
        """Return the number of distinct contents, the empty memory included."""
        return len(self._frozen)

    def copy(self, number: int) -> dict[Any, Any]:
        """Return a fresh memory with the contents of this number."""
        pickled = self._pickled[number]
        return thaw(self._frozen[number]) if pickled is None else pickle.loads(pickled)

    def number(self, memory: dict[Any, Any]) -> int:
        """Return the number of these contents, UNLISTED or ONE_TOO_MANY."""
        if not memory:
            return 0
        try:
            pickled = pickle.dumps(memory, pickle.HIGHEST_PROTOCOL)
        except Exception:
            return UNLISTED  # values that cannot be pickled are not plain values either
        number = self._known.get(pickled)
        return self._look_up(memory, pickled) if number is None else number

    def _look_up(self, memory: dict[Any, Any], pickled: bytes) -> int:
        try:
            frozen = freeze(memory)
        except (TypeError, RecursionError):
            return UNLISTED
        number = self._numbers.get(frozen)
        if number is None:
            number = len(self._frozen)
            if number >= self._most:
                return ONE_TOO_MANY
            self._numbers[frozen] = number
            self._frozen.append(frozen)
            # Unpickling numpy's numbers runs numpy's own code, which may import more modules.
            self._pickled.append(None if b"numpy" in pickled else pickled)
        if len(self._known) >= _KEPT_PICKLES:
            self._known.clear()
        self._known[pickled] = number
        return number


def freeze(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """Return a hashable copy that differs wherever a program could see a difference.

    It distinguishes 1 from 1.0 and True, 0.0 from -0.0, and dicts by their order. Raises TypeError for values other
    than plain values and numpy numbers, and if a list, dict or set occurs twice or contains itself.
    """
    seen = {} if seen is None else seen
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is bool or kind is int:
        return (kind, value)
    if kind is float:
        return (float, pack("<d", value))  # -0.0 equals 0.0 but behaves differently
    if kind in (dict, list, set):
        if id(value) in seen:
            raise TypeError(f"a {kind.__name__} that occurs twice in memory cannot be enumerated")
        seen[id(value)] = value
    if kind is dict:
        return (dict, tuple([(freeze(k, seen), freeze(v, seen)) for k, v in value.items()]))
    if kind is list or kind is tuple:
        return (kind, tuple([freeze(v, seen) for v in value]))
    if kind is set or kind is frozenset:
        return (kind, frozenset([freeze(v, seen) for v in value]))
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return (kind, value.tobytes())
    raise TypeError(f"{kind.__name__} cannot be enumerated")


def thaw(frozen: Any) -> Any:
    """Return a fresh value from the result of `freeze`."""
    if type(frozen) is not tuple:
        return frozen
    kind, inside = frozen
    if kind is dict:
        return {thaw(k): thaw(v) for k, v in inside}
    if kind in (list, tuple, set, frozenset):
        return kind([thaw(v) for v in inside])
    if kind is float:
        return unpack("<d", inside)[0]
    return np.frombuffer(inside, kind)[0] if issubclass(kind, np.generic) else kind(inside)
