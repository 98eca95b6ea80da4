"""Substitutes for a memory whose contents are known only as sets of possible values. Host side, no protection.

A program is called once for each answer that its reads of memory may get, so that its results are known for every
memory at once. A use that the substitutes cannot follow raises `Unfollowed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .memories import thaw
from .unknown import (
    NOTHING,
    Answers,
    AnyNumber,
    Kind,
    OneOf,
    ReadWhole,
    Substitute,
    Unfollowed,
    Variable,
    listed,
    plain,
)


class Recollection:
    """The memory of one call, as far as it has been read and written.

    Args:
        known: The possible values of each variable, frozen; a variable that is missing is absent.
        members: For each set in memory, the elements that it may contain.
        whole: Keys whose dict or set is one value.
        answers: The answers of this call.
        lazy: Whether numbers are compared before they are told apart.
        equated: Variables that are compared for equality even if they may be any number.
    """

    def __init__(
        self,
        known: Mapping[Variable, frozenset[Any]],
        members: Mapping[Any, Mapping[Any, bool]],
        whole: set[Any],
        answers: Answers,
        lazy: bool,
        equated: set[Variable],
    ) -> None:
        self.known, self.members, self.whole, self.answers, self.lazy = known, members, whole, answers, lazy
        self.equated = equated
        self.read: dict[Variable, tuple[Any, ...]] = {}  # the values that a variable can still have
        self.asked: dict[tuple[Any, Any], bool] = {}  # the elements asked for, and the answers
        self.places: dict[int, Variable] = {}  # where mutable values are, by id
        self.missed: set[tuple[Any, Any]] = set()  # those that no set has had so far
        self.touched: set[Variable] = set()  # variables that were written
        self.groups: set[Any] = set()  # keys of all whose entries were asked for
        self.listed = False  # whether all variables were asked for
        self.problem: BaseException | None = None
        self._values: dict[Variable, Any] = {}
        self._handed: dict[Variable, Any] = {}  # mutable values that the program may have changed
        self.memory = RecalledMemory(self)

    def fail(self, problem: BaseException) -> BaseException:
        """Note a problem, so that a program cannot hide it, and return it."""
        self.problem = self.problem or problem
        return problem

    def recall(self, variable: Variable) -> Any:
        """Return a variable's value, Kind.ABSENT, or a substitute."""
        if variable in self._values:
            return self._values[variable]
        groups = _groups(self.known.get(variable, NOTHING), self.lazy)
        group = groups[self.answers.pick(len(groups))]
        self.read[variable] = group
        self._values[variable] = value = self._made(variable, group)
        return value

    @property
    def recalled(self) -> Mapping[Variable, Any]:
        """The variables that have been read, and their values."""
        return self._values

    def contains(self, key: Any, element: Any) -> bool:
        """Return whether the set of a key contains an element."""
        found = self.asked.get((key, element))
        if found is None:
            possible = element in self.members.get(key, {})
            if not possible:
                self.missed.add((key, element))
            found = self.asked[key, element] = bool(self.answers.pick(2)) if possible else False
        return found

    def changed_values(self) -> Iterator[tuple[Variable, Any]]:
        """Yield (variable, frozen value) of mutable values that the program has changed in place."""
        for variable, value in self._handed.items():
            frozen = listed(value)
            if frozen != self.read[variable][0]:
                yield variable, frozen

    def _made(self, variable: Variable, group: tuple[Any, ...]) -> Any:
        first = group[0]
        if first in (Kind.INT, Kind.FLOAT):
            return AnyNumber(self, variable, int if first is Kind.INT else float)
        if len(group) > 1:
            return OneOf(self, variable, [thaw(each) for each in group])
        if first is Kind.ABSENT:
            return first
        if first is Kind.SET:
            return RecalledSet(self, variable[0])
        if first is Kind.DICT:
            return RecalledDict(self, variable[0])
        value = thaw(first)
        if isinstance(value, list | dict | set):
            self._handed[variable] = value
            self.places[id(value)] = variable
        return value


_known_groups: dict[tuple[frozenset[Any], bool], list[tuple[Any, ...]]] = {}


def _groups(values: frozenset[Any], lazy: bool) -> list[tuple[Any, ...]]:
    """The values one by one, but all ints and all floats together."""
    found = _known_groups.get((values, lazy))
    if found is None:
        alone: list[tuple[Any, ...]] = []
        numbers: dict[type, list[Any]] = {}
        for value in sorted(values, key=repr):
            if lazy and type(value) is tuple and value[0] in (int, float):
                numbers.setdefault(value[0], []).append(value)
            else:
                alone.append((value,))
        found = _known_groups[values, lazy] = alone + [tuple(group) for group in numbers.values()]
        if len(_known_groups) > 1 << 16:
            _known_groups.clear()
    return found


_MISSING: Any = object()


class _Mapping(Substitute):
    """What RecalledMemory and RecalledDict share: entries that are written, and others that are recalled."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, run: Recollection) -> None:
        self._run = run
        self._new: dict[Any, Any] = {}

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return dict

    def _variable(self, key: Any) -> Variable:
        raise NotImplementedError

    def _whole(self) -> BaseException:
        raise NotImplementedError

    def _keys(self) -> set[Any]:
        raise NotImplementedError

    def _get(self, key: Any) -> Any:
        key = plain(key)
        return self._new[key] if key in self._new else self._run.recall(self._variable(key))

    def _present(self) -> list[Any]:
        every = sorted({*self._keys(), *self._new}, key=repr)
        return [key for key in every if self._get(key) is not Kind.ABSENT]

    def written(self) -> Mapping[Any, Any]:
        """Return the entries that were written; Kind.ABSENT for those that were removed."""
        return self._new

    def get(self, key: Any, default: Any = None) -> Any:
        value = self._get(key)
        return default if value is Kind.ABSENT else value

    def __getitem__(self, key: Any) -> Any:
        value = self._get(key)
        if value is Kind.ABSENT:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._new[plain(key)] = value

    def __delitem__(self, key: Any) -> None:
        self[key]
        self._new[plain(key)] = Kind.ABSENT

    def __contains__(self, key: Any) -> bool:
        return self._get(key) is not Kind.ABSENT

    def setdefault(self, key: Any, default: Any = None) -> Any:
        value = self._get(key)
        if value is Kind.ABSENT:
            value = self._new[plain(key)] = default
        return value

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        value = self._get(key)
        if value is Kind.ABSENT:
            if default is _MISSING:
                raise KeyError(key)
            return default
        self._new[plain(key)] = Kind.ABSENT
        return value

    def update(self, *others: Any, **more: Any) -> None:
        for key, value in dict(*others, **more).items():
            self[key] = value

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def clear(self) -> None:
        for key in {*self._keys(), *self._new}:
            self._new[key] = Kind.ABSENT

    def __bool__(self) -> bool:
        return len(self) > 0

    def __len__(self) -> int:
        return len(self._present())

    def __iter__(self) -> Iterator[Any]:
        raise self._run.fail(self._whole())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._run.fail(self._whole())

    def __eq__(self, other: object) -> bool:
        raise self._run.fail(self._whole())


class RecalledMemory(_Mapping):
    """Stands for the dict `memory`."""

    def _variable(self, key: Any) -> Variable:
        return (key,)

    def _keys(self) -> set[Any]:
        self._run.listed = True
        return {variable[0] for variable in self._run.known if len(variable) == 1}

    def _whole(self) -> BaseException:
        return Unfollowed("the program reads its memory as a whole")


class RecalledDict(_Mapping):
    """Stands for a dict in memory, whose entries are variables of their own."""

    def __init__(self, run: Recollection, key: Any) -> None:
        super().__init__(run)
        self.key = key

    def _variable(self, key: Any) -> Variable:
        return (self.key, key)

    def _keys(self) -> set[Any]:
        self._run.groups.add(self.key)
        return {v[1] for v in self._run.known if len(v) == 2 and v[0] == self.key}

    def _whole(self) -> BaseException:
        return ReadWhole(self.key)


class RecalledSet(Substitute):
    """Stands for a set in memory: whether it contains an element is asked when the program asks."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, run: Recollection, key: Any) -> None:
        self._run, self.key = run, key
        self.now: dict[Any, bool] = {}

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return set

    def __contains__(self, element: Any) -> bool:
        element = plain(element)
        found = self.now.get(element)
        return self._run.contains(self.key, element) if found is None else found

    def add(self, element: Any) -> None:
        self.now[plain(element)] = True

    def discard(self, element: Any) -> None:
        self.now[plain(element)] = False

    def remove(self, element: Any) -> None:
        if element not in self:
            raise KeyError(element)
        self.discard(element)

    def update(self, *others: Iterable[Any]) -> None:
        for other in others:
            for element in other:
                self.add(element)

    def issuperset(self, other: Iterable[Any]) -> bool:
        return all(element in self for element in other)

    def __ge__(self, other: Any) -> bool:
        return self.issuperset(other)

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __iter__(self) -> Iterator[Any]:
        raise self._run.fail(ReadWhole(self.key))

    def __len__(self) -> int:
        raise self._run.fail(ReadWhole(self.key))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._run.fail(ReadWhole(self.key))

    def _refuse(self, _: object) -> Any:
        raise self._run.fail(ReadWhole(self.key))

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = _refuse  # type: ignore[assignment]
    __or__ = __ror__ = __and__ = __rand__ = __sub__ = __rsub__ = __xor__ = __rxor__ = _refuse
    __iand__ = __isub__ = __ixor__ = _refuse
