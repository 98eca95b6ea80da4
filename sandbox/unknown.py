"""Numbers in a program's memory that are not known yet, and the answers that a call gets. Host side, no protection.

Numbers are compared before they are told apart: `d < best` has two answers, however many values `best` may have.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from enum import Enum
from typing import Any

from .memories import freeze

MOST_ANSWERS = 512
"""Most combinations of answers for one transition."""

Variable = tuple[Any, ...]
"""(key,) for an entry of memory, (key, entry) for an entry of a dict in memory."""


class Kind(Enum):
    """What an entry of memory is if it is not one value.

    It is nothing, a dict, a set whose elements are asked one by one, any int, or any float.
    """

    ABSENT = 0
    DICT = 1
    SET = 2
    INT = 3
    FLOAT = 4


NOTHING = frozenset((Kind.ABSENT,))


class Unfollowed(BaseException):
    """The program uses its memory in a way that cannot be followed. No subclass of Exception: programs catch those."""


class Anew(Unfollowed):
    """The walk begins anew, with what has been learnt of a variable."""

    variable: Variable


class ReadWhole(Anew):
    """A dict or set in memory is read as a whole, so that its content is to be one value."""

    def __init__(self, key: Any) -> None:
        super().__init__(f"memory[{key!r}] is read as a whole")
        self.key = key


class ToldApart(Anew):
    """A number that may be any is used other than in comparisons, so that its values are to be listed."""

    def __init__(self, variable: Variable) -> None:
        super().__init__(f"memory{list(variable)!r} takes too many values")
        self.variable = variable


class Equated(Anew):
    """A number that may be any is compared for equality, so that more of its values are told apart."""

    def __init__(self, variable: Variable) -> None:
        super().__init__(f"memory{list(variable)!r} is compared with a value")
        self.variable = variable


class Widened(Anew):
    """A variable may be any number from now on: the walk begins anew, so that few of its values are told apart."""


class Substitute:
    """Base of what stands for a dict or set in memory."""


class Answers:
    """The answers of one call, and after it the next combination of answers; depth first."""

    def __init__(self) -> None:
        self._trail: list[list[int]] = []
        self._depth, self._tried = 0, 1

    def pick(self, count: int) -> int:
        """Return the number of the answer to a question with `count` answers."""
        if count == 1:
            return 0
        if self._depth == len(self._trail):
            self._trail.append([0, count])
        self._depth += 1
        return self._trail[self._depth - 1][0]

    def next(self) -> bool:
        """Go to the next combination; False if all have been tried."""
        trail, self._depth = self._trail, 0
        while trail and trail[-1][0] + 1 == trail[-1][1]:
            trail.pop()
        if not trail:
            return False
        trail[-1][0] += 1
        self._tried += 1
        if self._tried > MOST_ANSWERS:
            raise Unfollowed(f"one transition depends on memory in more than {MOST_ANSWERS} ways")
        return True


def listed(value: Any) -> Any:
    """Return a value as `freeze` does. Raises Unfollowed if it cannot be listed."""
    try:
        return freeze(value)
    except (TypeError, RecursionError) as error:
        raise Unfollowed(f"memory holds a value that cannot be listed: {error}") from None


def plain(value: Any) -> Any:
    """Return a value with every number that is not known yet told apart."""
    kind = type(value)
    if issubclass(kind, OneOf):
        return value.told()
    if kind is tuple:
        return tuple([plain(each) for each in value])
    if kind is list:
        value[:] = [plain(each) for each in value]
    elif kind is dict:
        for key in value:
            value[key] = plain(value[key])
    elif issubclass(kind, Substitute):
        raise Unfollowed("memory holds one of its own dicts or sets a second time")
    return value


def frozen(value: Any) -> Any:
    """Return a value as `freeze` does, with every number told apart. Raises Unfollowed if it cannot be listed."""
    return listed(plain(value))


class OneOf:
    """A number of which only the possible values are known; comparisons divide them, any other use tells them apart."""

    def __init__(self, run: Any, variable: Variable, values: list[Any]) -> None:
        self._run, self.variable, self.values = run, variable, values

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return type(self.values[0])

    def told(self) -> Any:
        """Return the value, told apart from the others."""
        if not self.values:
            raise self._run.fail(ToldApart(self.variable))
        if len(self.values) > 1:
            self._keep([self.values[self._run.answers.pick(len(self.values))]])
        return self.values[0]

    def _keep(self, values: list[Any]) -> None:
        self.values = values
        self._run.read[self.variable] = tuple([freeze(value) for value in values])

    def _compare(self, other: Any, test: Callable[[Any, Any], Any]) -> Any:
        if issubclass(type(other), OneOf):
            other = other.told()
        if not isinstance(other, int | float):
            return test(self.told(), other)
        yes, no = [], []
        for value in self.values:
            (yes if test(value, other) else no).append(value)
        if not yes or not no:
            return bool(yes)
        answer = self._run.answers.pick(2) == 0
        self._keep(yes if answer else no)
        return answer

    def __bool__(self) -> bool:
        return bool(self._compare(0, operator.ne))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.told(), name)

    def __array__(self, *_: Any, **__: Any) -> Any:
        import numpy as np

        return np.asarray(self.told())


class AnyNumber(OneOf):
    """A number of which only the kind is known, and what earlier comparisons said of it."""

    def __init__(self, run: Any, variable: Variable, kind: type) -> None:
        super().__init__(run, variable, [])
        self.kind = kind
        self.above, self.below = -math.inf, math.inf  # the number is at least, and at most, this
        self.not_above = self.not_below = False  # whether it may not equal `above`, or `below`

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return self.kind

    def direction_to(self, value: Any) -> int:
        """Return 1 if `value` is certainly larger than this number, -1 if certainly smaller, 0 if this is unknown."""
        if value > self.below or (value == self.below and self.not_below):
            return 1
        if value < self.above or (value == self.above and self.not_above):
            return -1
        return 0

    def _compare(self, other: Any, test: Callable[[Any, Any], Any]) -> Any:
        if self.values:
            return super()._compare(other, test)
        if issubclass(type(other), OneOf):
            other = other.told()
        if not isinstance(other, int | float) or other != other:
            return test(self.told(), other)
        if test in (operator.eq, operator.ne):
            return self._equals(other) is (test is operator.eq)
        if test in (operator.gt, operator.le):  # whether it exceeds `other`
            return self._exceeds(other, or_equal=False) is (test is operator.gt)
        return self._exceeds(other, or_equal=True) is (test is operator.ge)

    def _exceeds(self, other: Any, *, or_equal: bool) -> bool:
        side = self.direction_to(other)
        if side or (or_equal and other == self.above) or (not or_equal and other == self.below):
            return side < 0 or (side == 0 and or_equal)
        yes = self._run.answers.pick(2) == 0
        if yes:
            self.above, self.not_above = other, not or_equal
        else:
            self.below, self.not_below = other, or_equal
        return yes

    def _equals(self, other: Any) -> bool:
        if self.direction_to(other) or (self.kind is int and other != math.floor(other)):
            return False
        if self.variable not in self._run.equated:
            raise self._run.fail(Equated(self.variable))
        if self._run.answers.pick(2):
            return False
        self._keep([self.kind(other)])
        return True


def _comparing(test: Callable[[Any, Any], Any]) -> Any:
    return lambda self, other: self._compare(other, test)


def _telling(apply: Callable[..., Any]) -> Any:
    return lambda self, *others: apply(self.told(), *[plain(other) for other in others])


def _reflected(apply: Callable[..., Any]) -> Any:
    return lambda self, other: apply(plain(other), self.told())


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(OneOf, f"__{_name}__", _comparing(getattr(operator, _name)))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift"):
    _apply = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    setattr(OneOf, f"__{_name}__", _telling(_apply))
    setattr(OneOf, f"__r{_name}__", _reflected(_apply))
for _name, _apply in (("pow", pow), ("divmod", divmod)):
    setattr(OneOf, f"__{_name}__", _telling(_apply))
    setattr(OneOf, f"__r{_name}__", _reflected(_apply))
for _name, _apply in (
    ("neg", operator.neg), ("pos", operator.pos), ("abs", abs), ("invert", operator.invert), ("int", int),
    ("float", float), ("index", operator.index), ("round", round), ("trunc", math.trunc), ("floor", math.floor),
    ("ceil", math.ceil), ("hash", hash), ("str", str), ("repr", repr), ("format", format),
):  # fmt: skip
    setattr(OneOf, f"__{_name}__", _telling(_apply))
