"""Numbers that a program leaves open: `PARAMS = {"near": (0.01, 0.3)}`, read in the code as `PARAMS["near"]`.

A program is run, hashed and exported with one number for each, so that its hash covers the chosen values. A range from
which no number was chosen counts as its middle: the geometric mean of two positive bounds, else the arithmetic one.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

from rewardsmith.errors import UsageError
from rewardsmith.syntax import NotPython, parse_module

MOST = 16
_FORM = 'Write PARAMS = {"name": (lowest, highest)} once at the top level, with numbers and lowest < highest.'

Range = tuple[float, float]


def ranges_of(source: str) -> dict[str, Range]:
    """Return the ranges that a program declares; empty if it declares none or does not parse.

    Raises:
        UsageError: PARAMS is not of the form above.
    """
    found = _statement(source)
    if found is None:
        return {}
    ranges: dict[str, Range] = {}
    for name, value in _entries(found):
        if not isinstance(value, tuple):
            continue
        low, high = value
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise UsageError(f"PARAMS[{name!r}] is ({low:g}, {high:g}), which is no range.", _FORM)
        ranges[name] = (low, high)
    return ranges


def middle(low: float, high: float) -> float:
    """Return the middle of a range: the geometric mean of positive bounds, else the arithmetic one."""
    return float(f"{math.sqrt(low * high) if low > 0 else (low + high) / 2:.6g}")


def with_values(source: str, values: Mapping[str, float]) -> str:
    """Return a program with numbers in place of its ranges; its middle for each that `values` does not name.

    Raises:
        UsageError: A value lies outside its range, or PARAMS has no such name.
    """
    ranges, found = ranges_of(source), _statement(source)
    for name, value in values.items():
        if name not in ranges:
            listed = ", ".join(ranges) or "none"
            raise UsageError(f"The program declares no range {name!r}.", f"Name one of its PARAMS: {listed}.")
        low, high = ranges[name]
        if not low <= value <= high:
            raise UsageError(f"{name} = {value:g} is out of range.", f"Choose from {low:g} to {high:g}.")
    if found is None or not ranges:
        return source
    numbers = {n: v for n, v in _entries(found) if not isinstance(v, tuple)}
    numbers |= {name: float(values.get(name, middle(*ends))) for name, ends in ranges.items()}
    chosen = ", ".join(f"{name!r}: {numbers[name]!r}" for name, _ in _entries(found))
    lines = source.splitlines()
    lines[found.lineno - 1 : found.end_lineno or found.lineno] = [f"PARAMS = {{{chosen}}}"]
    return "\n".join(lines) + "\n"


def _statement(source: str) -> ast.Assign | None:
    try:
        body = parse_module(source).body
    except NotPython:
        return None
    named = [
        node
        for node in body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "PARAMS" for t in node.targets)
    ]
    if len(named) > 1:
        raise UsageError("The program assigns PARAMS twice.", _FORM)
    return named[0] if named else None


def _entries(node: ast.Assign) -> list[tuple[str, float | Range]]:
    if not isinstance(node.value, ast.Dict) or not 1 <= len(node.value.keys) <= MOST:
        raise UsageError(f"PARAMS is no dict of 1 to {MOST} entries.", _FORM)
    found: list[tuple[str, float | Range]] = []
    for key, value in zip(node.value.keys, node.value.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise UsageError("A key of PARAMS is no string.", _FORM)
        parts = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
        numbers = [_number(part) for part in parts]
        if None in numbers or (isinstance(value, ast.Tuple | ast.List) and len(parts) != 2):
            raise UsageError(f"PARAMS[{key.value!r}] is neither a number nor two numbers.", _FORM)
        plain = [float(number) for number in numbers if number is not None]
        found.append((key.value, (plain[0], plain[1]) if len(plain) == 2 else plain[0]))
    return found


def _number(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
    return None
