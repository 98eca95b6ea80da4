"""Parses Python programs of other people to syntax trees, without running them.

All parsing in this process happens here, one text at a time: CPython 3.11 counts the depth of a syntax tree in one
variable for all threads. If two threads build trees at the same time, either can fail with `SystemError: AST
constructor recursion depth mismatch`.
"""

from __future__ import annotations

import ast
import threading
import warnings
from typing import Any

MAX_CHARACTERS = 100_000
"""Largest length of a text that is parsed; the sandbox has the same limit."""

_ONE_AT_A_TIME = threading.Lock()


class NotPython(Exception):
    """The text cannot be parsed.

    Attributes:
        reason: The reason, without a full stop.
        line: Line of the error, from 1; None if unknown.
        shown: Text of that line, shortened.
        in_syntax: Whether the text violates the grammar, rather than a limit.
    """

    def __init__(self, reason: str, line: int | None = None, shown: str = "", *, in_syntax: bool = False) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line
        self.shown = shown
        self.in_syntax = in_syntax


def parse_module(source: str, most: int = MAX_CHARACTERS) -> ast.Module:
    """Return the syntax tree of a program. Raises NotPython if it is invalid or has more than `most` characters."""
    tree = _parse(source, "exec", most)
    assert isinstance(tree, ast.Module)
    return tree


def parse_expression(text: str) -> ast.expr:
    """Return the syntax tree of one expression. Raises NotPython if it is invalid."""
    tree = _parse(text, "eval", MAX_CHARACTERS)
    assert isinstance(tree, ast.Expression)
    return tree.body


def evaluate(text: str, names: dict[str, Any]) -> Any:
    """Return the value of an expression of our own making; `names` are all that it may refer to.

    Never call it with a text that others wrote.
    """
    with _ONE_AT_A_TIME:
        code = compile(text, "<expression>", "eval")
    return eval(code, names)


def _parse(text: str, mode: str, most: int) -> ast.AST:
    if len(text) > most:
        raise NotPython(f"it is longer than {most:,} characters")
    try:
        # The warning filters belong to the whole process, so they are changed under the lock.
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # otherwise an invalid escape in a string prints a warning to stderr
            return ast.parse(text, mode=mode)
    except SyntaxError as error:
        shown = (error.text or "").strip()[:80]
        raise NotPython(error.msg, error.lineno or None, shown, in_syntax=True) from None
    except (RecursionError, MemoryError):
        raise NotPython("it nests expressions too deeply") from None
    except ValueError as error:  # NULs, lone surrogates
        raise NotPython(f"it is not valid Python text: {error}") from None
