"""Whether success means lasting: read off the success condition by interval arithmetic over all that it may meet."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import NamedTuple

from rewardsmith.syntax import NotPython, parse_expression


class Span(NamedTuple):
    """The values that an expression may take lie within [low, high]; false is 0, true is 1."""

    low: float
    high: float

    @property
    def may_hold(self) -> bool:
        """Whether some value counts as true."""
        return self.low != 0 or self.high != 0

    @property
    def may_fail(self) -> bool:
        """Whether some value counts as false."""
        return self.low <= 0 <= self.high


_ANYTHING, _NO, _YES, _EITHER = Span(-math.inf, math.inf), Span(0, 0), Span(1, 1), Span(0, 1)


def requires_lasting(success: str, ranges: Mapping[str, tuple[float, float]], max_steps: int) -> bool:
    """Whether an episode can succeed by lasting only, so that each step survived is a step towards success.

    True for `truncated`, `step >= 200` and `truncated and abs(x) < 2`; false for `terminated`, for `terminated and
    x > 3`, and for whatever can hold on the first step, as `not truncated` can. success: as a task description states
    it. ranges: of the variables, by name. Variables may take any values of their ranges, at any time.
    """
    try:
        tree = parse_expression(success)
        values = {name: Span(*span) for name, span in ranges.items()}

        def at(first: int, last: int, terminated: Span, truncated: Span) -> Span:
            others = {"step": Span(first, last), "terminated": terminated, "truncated": truncated}
            return _span(tree, {**values, **others})

        if not at(1, max_steps, _NO, _EITHER).may_hold:
            return False  # the episode must end for it
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
