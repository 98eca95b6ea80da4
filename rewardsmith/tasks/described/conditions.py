"""Compile conditions on named values, such as a description's `success`: arithmetic, comparisons, and, or, not."""

from __future__ import annotations

import ast
import difflib
import operator
import re
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


_LONGEST_SHOWN = 200  # characters of a condition in a message


def compile_condition(text: str, names: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    """Compile a condition such as `terminated and position >= 0.5`.

    Args:
        text: The condition. Allowed are the names, numbers, + - * /, abs(), comparisons, and, or, not.
        names: The names that it may use.

    Returns:
        A function that takes a mapping from names to values and returns the condition's value.

    Raises:
        UsageError: If the condition contains anything else; the message gives every reason.
    """
    outside: list[str] = []
    try:
        tree = parse_expression(text)
        outside, unknown = _strangers(tree, names)
        tests = isinstance(tree, ast.Compare | ast.BoolOp) or isinstance(getattr(tree, "op", None), ast.Not)
        number = not tests and not (isinstance(tree, ast.Name) and tree.id in ("terminated", "truncated"))
        if not outside and not unknown:
            compiled = _compile(tree, frozenset(names))
            if not number:
                return compiled
        told = [*outside, *unknown, *(["it is a number, not true or false"] if number and not outside else [])]
        raise ValueError("; ".join(told))
    except (NotPython, ValueError, RecursionError, MemoryError) as error:
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
        too_deep = isinstance(error, RecursionError | MemoryError)
        reason = "it is nested too deeply" if too_deep else str(error).removesuffix(".")
        if isinstance(error, NotPython) and re.search(r"\breturn\b", text):
            outside.append(reason := f"`return`, the return of an episode, {_NOT_KNOWN}")
        raise UsageError(
            f"The success condition {shown!r} cannot be used: {reason}.",
            f"{_ELSEWHERE if outside else ''}Use only {', '.join(names)}, numbers, abs(), comparisons, and, or, not.",
        ) from error


_NOT_KNOWN = "is not available here: success is an expression over the state"
_ELSEWHERE = (
    "Add the value to the observation with a wrapper, and name it as one more entry of `state` (docs/tasks.md, "
    '"Success that the observation does not show"). '
)
_BESIDE_THE_STATE = {
    "info": "`info`",
    **{name: f"`{name}`, which `info` may contain," for name in ("is_success", "success", "solved")},
    **{name: f"`{name}`, the reward of the environment," for name in ("reward", "env_reward", "rewards")},
    **{name: f"`{name}`, the return of an episode," for name in ("returns", "episode_return", "total_reward", "score")},
}
"""Common names of the values that an environment returns besides the observation."""


def _strangers(tree: ast.expr, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Complaints about names that are not in `names`: (values that exist outside the state, unknown names)."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    outside, unknown = {}, {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or node.id in names or (id(node) in functions and node.id == "abs"):
            continue
        if node.id in _BESIDE_THE_STATE:
            outside[f"{_BESIDE_THE_STATE[node.id]} {_NOT_KNOWN}"] = None
        else:
            near = difflib.get_close_matches(node.id, names, n=1)
            unknown[f"there is no `{node.id}`" + (f", the nearest is `{near[0]}`" if near else "")] = None
    return [*outside], [*unknown]


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
        case ast.Compare(ops=[_, _, *_]):
            raise ValueError(f"`{ast.unparse(node)}` chains comparisons; join single comparisons with `and`")
        case ast.Call(func=ast.Name(id="abs"), args=[inner], keywords=[]):
            one = _compile(inner, names)
            return lambda v: abs(one(v))
    raise ValueError(f"`{ast.unparse(node)}` is not allowed")
