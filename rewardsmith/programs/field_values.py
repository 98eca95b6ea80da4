"""Which values the fields of a state can have, and which value that exists is nearest to one that does not."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Sequence

from .field_types import Type, Types

_TEXTS = frozenset(("choice", "text"))
NUMBERS = frozenset(("int", "float", "bool"))
_NEAR = 0.6  # least similarity of a value that is proposed, as difflib measures it
_LETTERS = 4  # least length of a word that two values share
_OPPOSITES = ("un", "not", "non", "dis")
_SHOWN = {
    "choice": "a text", "text": "a text", "int": "a number", "float": "a number", "bool": "True or False",
    "item": "an object", "state": "a state", "record": "a record", "sequence": "a sequence", "dict": "a dict",
    "table": "an array", "vector": "a tuple", "none": "None",
}  # fmt: skip
_LONGEST = 90


def constants(types: Types) -> bool:
    """Whether an expression is a constant, whichever of several."""
    return all(t.kind in ("constant", "none") for t in types)


def may_be_equal(one: Types, other: Types) -> bool:
    """Return whether two expressions may be equal in some state; True in all cases of doubt."""
    return any(_may_be_equal(a, b) for a in one for b in other)


def _may_be_equal(one: Type, other: Type) -> bool:
    kinds = {one.kind, other.kind}
    if "unknown" in kinds or "table" in kinds:
        return True
    if "none" in kinds:
        # Whether a field can be None is not stated by a schema, so such a comparison is never doubted.
        return True
    if one.kind == "constant" or other.kind == "constant":
        constant, field = (one, other) if one.kind == "constant" else (other, one)
        return _may_have(field, constant.value)
    if kinds <= NUMBERS or kinds <= {"text", "choice"}:
        return "text" in kinds or kinds <= NUMBERS or bool({*values_of(one)} & {*values_of(other)})
    return one.kind == other.kind or kinds <= {"sequence", "dict", "vector"}


def _may_have(field: Type, value: object) -> bool:
    if field.kind == "choice":
        return value in values_of(field)
    if field.kind in NUMBERS:
        return isinstance(value, int | float | complex) and (field.kind != "bool" or value in (0, 1))
    if field.kind == "text":
        return isinstance(value, str)
    if field.kind in ("sequence", "vector", "dict"):
        return isinstance(value, tuple)
    return field.kind == "constant" and field.value == value


def values_of(type_: Type) -> tuple[str, ...]:
    """Return the values of a choice; () of any other type."""
    return type_.field.values if type_.kind == "choice" and type_.field is not None else ()


def shown(type_: Type) -> str:
    """Return a type in words, or the text of a constant."""
    return repr(type_.value) if type_.kind == "constant" else _SHOWN.get(type_.kind, "something else")


def nearest(word: str, values: Sequence[str]) -> str | None:
    """Return the value that is spelled most like a word; None if none is, or only its opposite."""
    plain = {_plain(value): value for value in reversed(values)}
    wanted = _plain(word)
    if wanted in plain:
        return plain[wanted]
    words = [w for w in re.split(r"[\W_]+", word.lower()) if len(w) >= _LETTERS]
    shared = [v for v in values for part in re.split(r"[\W_]+", v.lower()) if part in words]
    if shared:
        return min(shared, key=len)
    near = [p for p in plain if not any(wanted == o + p or p == o + wanted for o in _OPPOSITES)]
    found = difflib.get_close_matches(wanted, near, n=1, cutoff=_NEAR)
    return plain[found[0]] if found else None


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", "", word.lower())


def short(text: str) -> str:
    """Return a piece of a program on one line, shortened."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def edited(source: str, changes: Iterable[tuple[ast.AST, str]]) -> str:
    """Return a program with pieces replaced; of nested ones the outer is."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    places = []
    for node, text in changes:
        first, last = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
        if first is not None and last is not None:
            begin = starts[first - 1] + getattr(node, "col_offset", 0)
            places.append((begin, starts[last - 1] + getattr(node, "end_col_offset", 0), text.encode()))
    whole, end = source.encode(), len(source.encode()) + 1
    for begin, until, text in sorted(places, key=lambda p: (-p[1], p[0])):
        if until <= end:
            whole, end = whole[:begin] + text + whole[until:], begin
    return whole.decode()
