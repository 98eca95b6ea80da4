"""Detects duplicate programs: equal except for local names, comments, docstrings and layout."""

from __future__ import annotations

import ast
from functools import lru_cache

from rewardsmith.syntax import NotPython, parse_module


@lru_cache(maxsize=4096)
def normal_form(source: str) -> str:
    """Return the program's syntax tree without docstrings and with numbered local names, as text.

    Duplicate programs have equal normal forms. The normal form of a text that does not parse is the text itself.
    """
    try:
        tree = parse_module(source)
        if not tree.body:
            return source
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                _drop_docstring(node)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                _number_locals(node)
        return ast.dump(tree)
    except (NotPython, RecursionError):  # a tree can be too deep for ast.dump
        return source


def _drop_docstring(node: ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:]


def _number_locals(function: ast.FunctionDef) -> None:
    """Rename what is bound inside `function`, nested scopes included, by order of appearance."""
    outer = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    numbers: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            numbers.setdefault(node.arg, f"_{len(numbers)}")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in outer:
            numbers.setdefault(node.id, f"_{len(numbers)}")
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            node.arg = numbers[node.arg]
        elif isinstance(node, ast.Name) and node.id in numbers:
            node.id = numbers[node.id]
