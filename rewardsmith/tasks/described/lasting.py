"""Decide whether success requires surviving, by interval arithmetic on the success condition."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import NamedTuple

from rewardsmith.syntax import NotPython, parse_expression


class Span(NamedTuple):
    """An interval [low, high] that contains every value of an expression; false is 0, true is 1."""

    low: float
    high: float

    @property
    def may_hold(self) -> bool:
        """Whether the interval contains a true value."""
        return self.low != 0 or self.high != 0

    @property
    def may_fail(self) -> bool:
        """Whether the interval contains a false value."""
        return self.low <= 0 <= self.high


_ANYTHING, _NO, _YES, _EITHER = Span(-math.inf, math.inf), Span(0, 0), Span(1, 1), Span(0, 1)


def requires_lasting(success: str, ranges: Mapping[str, tuple[float, float]], max_steps: int) -> bool:
    """Return whether an episode can succeed only by lasting, so that each step survived is progress.

    True for `truncated`, `step >= 200` and `truncated and abs(x) < 2`. False for `terminated`, for `terminated and
    x > 3`, and for every condition that can hold on the first step, such as `not truncated`.

    Args:
        success: The condition, as a task description states it.
        ranges: (low, high) of each variable, by name. A variable may take any value of its range at any time.
        max_steps: Step limit of an episode.
    """
    try:
        tree = parse_expression(success)
        values = {name: Span(*span) for name, span in ranges.items()}

        def at(first: int, last: int, terminated: Span, truncated: Span) -> Span:
            steps = Span(first, last)
            others = {"step": steps, "length": steps, "terminated": terminated, "truncated": truncated}
            return _span(tree, {**values, **others})

        if not at(1, max_steps, _NO, _EITHER).may_hold:
            return False  # success requires the environment to end the episode
        if not at(1, max(1, max_steps // 2), _EITHER, _NO).may_hold:
            return True
        surely = not at(max_steps, max_steps, _NO, _YES).may_fail
        return surely and not at(1, 1, _EITHER, _NO).may_hold
    except (NotPython, RecursionError):
        return False


def _span(node: ast.expr, values: Mapping[str, Span]) -> Span:
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            return Span(float(value), float(value))
        case ast.Name(id=name):
            return values.get(name, _ANYTHING)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            one = _span(inner, values)
            return _truth(one.may_fail, one.may_hold)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            one = _span(inner, values)
            return Span(-one.high, -one.low)
        case ast.BoolOp(op=op, values=parts):
            spans = [_span(part, values) for part in parts]
            join, other = (all, any) if isinstance(op, ast.And) else (any, all)
            return _truth(join(s.may_hold for s in spans), other(s.may_fail for s in spans))
        case ast.BinOp(left=left, op=op, right=right):
            return _arithmetic(op, _span(left, values), _span(right, values))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _comparison(op, _span(left, values), _span(right, values))
        case ast.Call(func=ast.Name(id="held"), args=[ast.Constant(value=int() as count), inner]):
            return _truth(count <= values["step"].high and _span(inner, values).may_hold, may_fail=True)
        case ast.Call(func=ast.Name(id="abs"), args=[inner]):
            one = _span(inner, values)
            least = 0.0 if one.may_fail else min(abs(one.low), abs(one.high))
            return Span(least, max(abs(one.low), abs(one.high)))
    return _ANYTHING


def _truth(may_hold: bool, may_fail: bool) -> Span:
    return Span(0 if may_fail else 1, 1 if may_hold else 0)


def _arithmetic(op: ast.operator, a: Span, b: Span) -> Span:
    match op:
        case ast.Add():
            found = [a.low + b.low, a.high + b.high]
        case ast.Sub():
            found = [a.low - b.high, a.high - b.low]
        case ast.Mult():
            found = [x * y for x in a for y in b]
        case ast.Div() if not b.may_fail:
            found = [x / y for x in a for y in b]
        case _:
            return _ANYTHING
    return _ANYTHING if any(math.isnan(value) for value in found) else Span(min(found), max(found))


def _comparison(op: ast.cmpop, a: Span, b: Span) -> Span:
    match op:
        case ast.Lt():
            return _truth(a.low < b.high, a.high >= b.low)
        case ast.LtE():
            return _truth(a.low <= b.high, a.high > b.low)
        case ast.Gt():
            return _truth(a.high > b.low, a.low <= b.high)
        case ast.GtE():
            return _truth(a.high >= b.low, a.low < b.high)
        case ast.Eq():
            return _truth(a.low <= b.high and b.low <= a.high, not a.low == a.high == b.low == b.high)
    return _EITHER
