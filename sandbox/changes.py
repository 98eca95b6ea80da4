"""How the variables of a program's memory change, and which never return to an earlier value. Host side."""

from __future__ import annotations

from typing import Any

from .memories import thaw
from .unknown import Anew, AnyNumber, Equated, Kind, ReadWhole, Variable, Widened

_FEW, _EQUATED, _BEGUN_ANEW = 2, 16, 8  # a stage is compared for equality, a record of distances is not
TO_AND_FRO = ((0, 1), (1, 0))
ANY = frozenset((Kind.INT, Kind.FLOAT))


class Changes:
    """The changes of all variables, and the sets of variables that one result certainly changes.

    Attributes:
        kinds: A number for each set of variables that some result certainly changes.
        moves: Of each variable, (old value, new value).
        trends: Of each variable, 1 if a number may grow, and -1 if one may fall.
    """

    def __init__(self) -> None:
        self.kinds: dict[frozenset[Any], int] = {}
        self.moves: dict[Any, set[tuple[Any, Any]]] = {}
        self.trends: dict[Any, set[int]] = {}

    def kind_of(self, certainly: frozenset[Any]) -> int:
        """Return the number of a set of variables that a result certainly changes."""
        return self.kinds.setdefault(certainly, len(self.kinds))

    def reset(self, key: Any) -> None:
        """Note that the set of a key may lose elements."""
        self.moves.setdefault(("reset", key, None), set()).update(TO_AND_FRO)

    def moved(self, variable: Variable, read: Any, old: frozenset[Any], values: frozenset[Any]) -> bool:
        """Note how a variable may have changed; return whether it certainly has."""
        moves = self.moves.setdefault(variable, set())
        moves.update((a, b) for a in old for b in values if a != b)
        trend = self.trends.setdefault(variable, set())
        if (old | values).isdisjoint(ANY):
            trend.update(_trend(thaw(a), thaw(b)) for a in old if _is_number(a) for b in values if _is_number(b))
            return old.isdisjoint(values)
        if not (any(map(_is_number, old)) and any(map(_is_number, values))):
            return old.isdisjoint(values)
        way = 0
        if type(read) is AnyNumber and len(values) == 1 and values.isdisjoint(ANY):
            now = thaw(next(iter(values)))
            ways = {_trend(each, now) for each in read.values} or {read.direction_to(now)}
            way = ways.pop() if len(ways) == 1 else 0
        trend.update((way,) if way else (1, -1))
        return way != 0

    def _returns(self, variable: Any) -> bool:
        """Whether a variable may take a value again that it has left."""
        moves = self.moves[variable]
        if all(a not in ANY and b not in ANY for a, b in moves):
            return _has_cycle(moves)
        if {1, -1} <= self.trends[variable]:
            return True
        names = [("number" if _is_number(a) else a, "number" if _is_number(b) else b) for a, b in moves]
        return _has_cycle({(a, b) for a, b in names if a != b})

    def steady(self) -> list[bool]:
        """Whether each set of changed variables may belong to an episode's part that repeats for ever.

        It may not if it changes a variable that never returns to an earlier value.
        """
        returning = {variable for variable in self.moves if self._returns(variable)}
        reset = {v[1] for v in returning if len(v) == 3 and v[0] == "reset"}

        def lasting(label: Any) -> bool:
            if label[0] == "member" and len(label) == 3:
                return label not in returning and label[1] not in reset
            return label not in returning

        return [not any(lasting(label) for label in changed) for changed in self.kinds]


class Widening:
    """Turns many numbers into any number, unless they are to be listed.

    Attributes:
        whole: Keys whose dict or set is one value.
        told: Variables whose numbers are listed.
        equated: Variables that are compared for equality; more of their numbers are told apart.
        wide: Variables that are any number, with the kind of number.
    """

    def __init__(self) -> None:
        self.whole: set[Any] = set()
        self.told: set[Variable] = set()
        self.equated: set[Variable] = set()
        self.wide: set[tuple[Variable, Kind]] = set()
        self.restart()

    def restart(self) -> None:
        """Forget all values but not which variables are to be listed, and which may be any number."""
        self._numbers: dict[tuple[Variable, Kind], set[Any]] = {}  # all that a variable has had anywhere
        self._known: dict[tuple[Variable, frozenset[Any]], frozenset[Any]] = {}

    def learnt(self, problem: Anew) -> bool:
        """Note why a walk begins anew; return False if this was noted before."""
        if isinstance(problem, Widened):
            return True
        known: set[Any] = self.told
        if isinstance(problem, ReadWhole):
            known = self.whole
        elif isinstance(problem, Equated):
            known = self.equated
            self.wide = {each for each in self.wide if each[0] != problem.variable}
        about: Any = problem.key if isinstance(problem, ReadWhole) else problem.variable
        if about in known:
            return False
        known.add(about)
        return True

    def of(self, variable: Variable, values: frozenset[Any]) -> frozenset[Any]:
        """Return the possible values of a variable in a state that is reached from now on. Raises Widened."""
        found = self._known.get((variable, values))
        if found is not None:
            return found
        given = values
        for kind, name in ((int, Kind.INT), (float, Kind.FLOAT)) if variable not in self.told else ():
            mine = frozenset(v for v in values if type(v) is tuple and v[0] is kind)
            seen = self._numbers.setdefault((variable, name), set())
            seen |= mine
            if mine and ((variable, name) in self.wide or len(seen) > (_EQUATED if variable in self.equated else _FEW)):
                if (variable, name) not in self.wide:
                    self.wide.add((variable, name))
                    self._known.clear()
                    if len(self.wide) <= _BEGUN_ANEW:
                        raise Widened
                values = values - mine | {name}
        self._known[variable, given] = values
        return values


def _is_number(value: Any) -> bool:
    return value in ANY or (type(value) is tuple and value[0] in (int, float))


def _trend(old: Any, new: Any) -> int:
    return int(new > old) - int(new < old)


def _has_cycle(moves: set[tuple[Any, Any]]) -> bool:
    """Whether a value can be left and reached again."""
    after: dict[Any, set[Any]] = {}
    into: dict[Any, int] = {}
    for old, new in moves:
        if new not in after.setdefault(old, set()):
            after[old].add(new)
            into[new] = into.get(new, 0) + 1
        into.setdefault(old, 0)
    free, seen = [value for value, count in into.items() if not count], 0
    while free:
        value = free.pop()
        seen += 1
        for each in after.get(value, ()):
            into[each] -= 1
            if not into[each]:
                free.append(each)
    return seen < len(into)
