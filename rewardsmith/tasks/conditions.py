"""Conditions on named values, as a task description states success: arithmetic, comparisons, and, or, not."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.syntax import NotPython, parse_expression

_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
}
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def compile_condition(text: str, names: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    """A function of named values for a condition such as `terminated and position >= 0.5`.

    Allowed: the names, numbers, + - * /, abs(), comparisons, and, or, not. Raises UsageError otherwise.
    """
    try:
        tree = parse_expression(text)
        tests = isinstance(tree, ast.Compare | ast.BoolOp) or isinstance(getattr(tree, "op", None), ast.Not)
        if not tests and not (isinstance(tree, ast.Name) and tree.id in ("terminated", "truncated")):
            raise ValueError("it is a number, neither true nor false")
        return _compile(tree, frozenset(names))
    except (NotPython, ValueError, RecursionError) as error:
        raise UsageError(
            f"The success condition {text!r} cannot be used: {error}",
            f"Use {', '.join(names)}, numbers, abs(), comparisons, and, or, not.",
        ) from error


def _compile(node: ast.expr, names: frozenset[str]) -> Callable[[Mapping[str, Any]], Any]:
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float):
            return lambda _: value
        case ast.Name(id=name) if name in names:
            return lambda v: v[name]
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            one = _compile(inner, names)
            return lambda v: not one(v)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            one = _compile(inner, names)
            return lambda v: -one(v)
        case ast.BoolOp(op=op, values=values):
            parts = [_compile(value, names) for value in values]
            join = all if isinstance(op, ast.And) else any
            return lambda v: join(part(v) for part in parts)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            a, b, apply = _compile(left, names), _compile(right, names), _ARITHMETIC[type(op)]
            return lambda v: apply(a(v), b(v))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            a, b, apply = _compile(left, names), _compile(right, names), _COMPARE[type(op)]
            return lambda v: apply(a(v), b(v))
        case ast.Call(func=ast.Name(id="abs"), args=[inner], keywords=[]):
            one = _compile(inner, names)
            return lambda v: abs(one(v))
    raise ValueError(f"`{ast.unparse(node)}` is not allowed")
