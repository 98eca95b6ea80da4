"""Names for the numbers and actions of an environment that nothing describes, from its own code and play."""

from __future__ import annotations

import enum
import inspect
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.actions import ActionSpace

COMMON = ("step", "solved", "failed")
"""Values that the state of every described task has besides its variables."""

_LONGEST = 32  # characters of a variable's name
_WORDS = 4  # of a documented meaning that become a name
_MOST_WATCHED = 64  # numbers of one attribute that are compared with the observation
_SKIPPED = {"a", "an", "the", "of", "to", "in", "and", "is", "for", "at", "its", "on", "by", "with"}


def identifier(text: str, fallback: str) -> str:
    """A short name in small letters out of a phrase: "Cart Position" becomes `cart_position`."""
    words = re.sub(r"\(.*?\)|\[.*?\]", " ", text)
    words = re.findall(r"[A-Za-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", words))
    kept = [word.lower() for word in words if word.lower() not in _SKIPPED][:_WORDS]
    found = "_".join(kept)[:_LONGEST].strip("_")
    return found if found and found[0].isalpha() else fallback


def variable_name(name: str) -> str:
    """The name, with `_value` behind it if no variable may be called so: `class`, `step`."""
    taken = keyword.iskeyword(name) or name in COMMON
    return f"{name[: _LONGEST - 6]}_value" if taken else name


def distinct(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """The names, with a number behind each that came before."""
    found: list[str] = []
    for name in names:
        number, own = 2, name
        while own in found or own in taken:
            own = f"{name[: _LONGEST - 3]}_{number}"
            number += 1
        found.append(own)
    return found


def action_names(env: Any, space: ActionSpace) -> list[str]:
    """Names of discrete actions by the environment's own code; empty if it names none.

    They come from an enumeration, a list or mapping of texts whose name speaks of actions, or a method
    get_action_meanings().
    """
    if not space.discrete:
        return []
    bare, count, first = env.unwrapped, len(space), space.first[0]
    for texts in (*_enumerations(bare, count, first), *_listed(bare, count, first)):
        names = [identifier(text, "") for text in texts]
        if all(names) and len(set(names)) == count:
            return names
    return []


def _enumerations(bare: Any, count: int, first: int) -> Iterator[list[str]]:
    """Members of enumerations that the environment, its class or its module holds, if they count like the actions."""
    module = inspect.getmodule(type(bare))
    places = [vars(bare), *(vars(each) for each in type(bare).__mro__ if each is not object)]
    places += [vars(module)] if module is not None else []
    found: dict[str, type[enum.Enum]] = {}
    for place in places:
        for name, value in place.items():
            if inspect.isclass(value) and issubclass(value, enum.Enum):
                found.setdefault(name, value)
    for _, kind in sorted(found.items(), key=lambda item: re.search("action|move", item[0].lower()) is None):
        members = {member.value: member.name for member in kind if isinstance(member.value, int)}
        for start in {first, 0}:
            if set(members) == set(range(start, start + count)):
                yield [members[start + k] for k in range(count)]


def _listed(bare: Any, count: int, first: int) -> Iterator[list[str]]:
    meanings = getattr(bare, "get_action_meanings", None)
    if callable(meanings):
        try:
            yield from _texts(meanings(), count, first)
        except Exception:
            return
    module = inspect.getmodule(type(bare))
    places = [vars(bare), *(vars(each) for each in type(bare).__mro__ if each is not object)]
    for place in (*places, vars(module) if module is not None else {}):
        for name, value in place.items():
            if re.search("action|move|meaning|command", name.lower()):
                yield from _texts(value, count, first)


def _texts(value: Any, count: int, first: int) -> Iterator[list[str]]:
    """`value` as texts in the order of the actions, if it is a list or mapping of texts and numbers."""
    if isinstance(value, list | tuple) and len(value) == count and all(isinstance(each, str) for each in value):
        yield list(value)
    if isinstance(value, Mapping) and len(value) == count:
        for pairs in (value.items(), [(v, k) for k, v in value.items()]):
            named = {k: v for k, v in pairs if isinstance(k, int | np.integer) and isinstance(v, str)}
            for start in {first, 0}:
                if set(named) == set(range(start, start + count)):
                    yield [named[start + k] for k in range(count)]


class Watched:
    """Numbers among an environment's attributes and infos, compared step by step with the observation's."""

    def __init__(self, size: int) -> None:
        self._rows: list[NDArray[np.float64]] = []
        self._told: dict[str, list[float]] = {}
        self._size = size

    def look(self, env: Any, info: Mapping[str, Any], flat: NDArray[np.float64]) -> None:
        """Note the numbers after a reset or a step. flat: the observation's, float64 [size]."""
        seen = dict(_numbers(vars(env.unwrapped))) | dict(_numbers(info))
        for name in [key for key in self._told if key not in seen]:
            del self._told[name]  # one that comes and goes is no part of every observation
        for name, value in seen.items():
            if not self._rows or name in self._told:
                self._told.setdefault(name, []).append(value)
        self._rows.append(flat.copy())

    def names(self) -> dict[int, str]:
        """The name of each number of the observation that exactly one attribute or info always equals."""
        if len(self._rows) < 3:
            return {}
        rows = np.array(self._rows)
        found: dict[int, str] = {}
        told = {name: np.array(values) for name, values in self._told.items() if len(values) == len(rows)}
        for index in range(min(self._size, rows.shape[1])):
            column = rows[:, index]
            if np.ptp(column) == 0:
                continue  # a constant equals many things
            same = [name for name, values in told.items() if np.allclose(values, column, rtol=1e-5, atol=1e-6)]
            if same and len({_bare(name) for name in same}) == 1:
                found[index] = _bare(same[0])
        return found


def _bare(name: str) -> str:
    return identifier(name, "")


def _numbers(place: Mapping[Any, Any]) -> Iterator[tuple[str, float]]:
    """Each number of a mapping's values, and of the vectors among them: x, velocity_0, velocity_1."""
    for name, value in place.items():
        if not isinstance(name, str) or isinstance(value, str | bytes) or name.startswith("__"):
            continue
        if isinstance(value, int | float | np.number) and not isinstance(value, bool):
            yield name.lstrip("_"), float(value)
        elif isinstance(value, np.ndarray | list | tuple) and 0 < _length(value) <= _MOST_WATCHED:
            numbers = _array(value)
            if numbers.dtype.kind in "iuf" and 0 < numbers.size <= _MOST_WATCHED:
                own = "xyz" if numbers.size in (2, 3) else range(numbers.size)
                for axis, number in zip(own, numbers.reshape(-1).tolist(), strict=False):
                    yield f"{name.lstrip('_')}_{axis}", float(number)


def _array(value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:  # a list of lists of different lengths
        return np.zeros(0)


def _length(value: Any) -> int:
    return 0 if isinstance(value, np.ndarray) and value.ndim == 0 else len(value)
