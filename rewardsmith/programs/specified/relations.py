"""Relations of a condition: which kinds of values they compare, and how they read as Python."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rewardsmith.programs.specified.faults import Faults, shown
from rewardsmith.programs.specified.vocabulary import Readable

RELATIONS = {
    "is": ("==", "=", "equals", "equal"),
    "is_not": ("!=", "<>", "not", "is not"),
    "at_least": (">=", "at least"),
    "at_most": ("<=", "at most"),
    "above": (">", "greater_than", "greater than", "more_than"),
    "below": ("<", "less_than", "less than"),
    "between": ("within",),
    "one_of": ("in", "one of"),
}
"""Name of each relation -> other spellings that are accepted."""

_SPELLED = {spelling: name for name, others in RELATIONS.items() for spelling in (name, *others)}
_OPERATORS = {"is": "==", "is_not": "!=", "at_least": ">=", "at_most": "<=", "above": ">", "below": "<"}
_OF = {
    "number": ("is", "is_not", "at_least", "at_most", "above", "below", "between", "one_of"),
    "bool": ("is", "is_not"),
    "choice": ("is", "is_not", "one_of"),
    "item": ("is", "is_not"),
}
_BOOLS = {"true": True, "false": False, "yes": True, "no": False}
_LARGEST = 1e12


def relation_of(
    given: Mapping[str, Any], path: str, about: Readable, faults: Faults, default: str = "is"
) -> str | None:
    """Return the relation of a condition on a value, or None after a fault."""
    raw = given.get("relation", default)
    name = _SPELLED.get(raw.strip().lower()) if isinstance(raw, str) else None
    if name is None:
        faults.unknown(f"{path}.relation", "relation", raw, RELATIONS)
        return None
    if name == "is" and isinstance(given.get("value"), list):
        name = "between" if about.kind == "number" and len(given["value"]) == 2 else "one_of"
    if name not in _OF[about.kind]:
        faults.add(f"{path}.relation", f"a {about.kind} has only the relations {', '.join(_OF[about.kind])}")
        return None
    return name


def value_of(
    raw: Any, relation: str | None, about: Readable, path: str, faults: Faults, known: Sequence[str] = ()
) -> Any:
    """Return a condition's value with its kind, or None after a fault; JSON's null becomes NOTHING."""
    if relation is None:
        return None
    if relation == "between":
        if isinstance(raw, list) and len(raw) == 2:
            ends = tuple(_number(each, f"{path}[{k}]", faults) for k, each in enumerate(raw))
            if None in ends:
                return None
            if ends[0] <= ends[1]:  # type: ignore[operator]
                return ends
        faults.add(path, f"give [lowest, highest], not {shown(raw)}")
        return None
    if relation == "one_of":
        if not isinstance(raw, list) or not raw:
            faults.add(path, f"give a list of values, not {shown(raw)}")
            return None
        each = [value_of(one, "is", about, f"{path}[{k}]", faults, known) for k, one in enumerate(raw)]
        return None if any(one is None for one in each) else tuple(each)
    if about.kind == "number":
        return _number(raw, path, faults)
    if about.kind == "bool":
        return _bool(raw, path, faults)
    if raw is None:
        return NOTHING
    if about.kind == "item":
        faults.add(path, f'compare with null only; to say which object, use "object", not {shown(raw)}')
        return None
    names = known or about.values
    if raw not in names:
        faults.unknown(path, "value", raw, names)
        return None
    return raw


class _Nothing:
    def __repr__(self) -> str:
        return "None"


NOTHING = _Nothing()
"""The value null, which reads as None in Python."""


def _number(raw: Any, path: str, faults: Faults) -> float | int | None:
    if isinstance(raw, str):
        with contextlib.suppress(ValueError):
            raw = float(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw) or abs(raw) > _LARGEST:
        faults.add(path, f"give a number, not {shown(raw)}")
        return None
    return raw


def _bool(raw: Any, path: str, faults: Faults) -> bool | None:
    found = _BOOLS.get(raw.lower()) if isinstance(raw, str) else raw if isinstance(raw, bool) else None
    if found is None and raw in (0, 1):
        found = bool(raw)
    if found is None:
        faults.add(path, f"give true or false, not {shown(raw)}")
    return found


def holding(code: str, relation: str, value: Any) -> str:
    """Return the Python test that `code` stands in a relation to `value`."""
    if relation == "between":
        return f"{value[0]!r} <= {code} <= {value[1]!r}"
    if relation == "one_of":
        return f"{code} in {tuple(value)!r}"
    if value is NOTHING:
        return f"{code} is {'not ' if relation == 'is_not' else ''}None"
    if isinstance(value, bool):
        plain = value if relation == "is" else not value
        return code if plain else f"not {code}"
    return f"{code} {_OPERATORS[relation]} {value!r}"
