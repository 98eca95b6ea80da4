"""Python text of others as a syntax tree: read, never run.

Everything in this process that parses Python does so here, one text at a time. CPython 3.11 counts the depth of a tree
that it builds in one place for all threads: where two threads build trees at once, either can end in `SystemError: AST
constructor recursion depth mismatch`.
"""

from __future__ import annotations

import ast
import threading
import warnings

MAX_CHARACTERS = 100_000
"""Length up to which a text is parsed: as much as the sandbox takes of a program."""

_ONE_AT_A_TIME = threading.Lock()


class NotPython(Exception):
    """The text has no syntax tree. reason: why, without an article or full stop. line: from 1; None where unknown.

    in_syntax: whether the text breaks the grammar, rather than a limit. shown: the line's text, shortened.
    """

    def __init__(self, reason: str, line: int | None = None, shown: str = "", *, in_syntax: bool = False) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line
        self.shown = shown
        self.in_syntax = in_syntax


def parse_module(source: str, most: int = MAX_CHARACTERS) -> ast.Module:
    """The tree of a program. Raises NotPython for whatever the parser does not take, and above `most` characters."""
    tree = _parse(source, "exec", most)
    assert isinstance(tree, ast.Module)
    return tree


def parse_expression(text: str) -> ast.expr:
    """The tree of one expression. Raises NotPython like `parse_module`."""
    tree = _parse(text, "eval", MAX_CHARACTERS)
    assert isinstance(tree, ast.Expression)
    return tree.body


def _parse(text: str, mode: str, most: int) -> ast.AST:
    if len(text) > most:
        raise NotPython(f"it is longer than {most:,} characters")
    try:
        # Filters of warnings belong to the process, too, and so are changed under the lock.
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a string is no reason to write to stderr
            return ast.parse(text, mode=mode)
    except SyntaxError as error:
        shown = (error.text or "").strip()[:80]
        raise NotPython(error.msg, error.lineno or None, shown, in_syntax=True) from None
    except (RecursionError, MemoryError):
        raise NotPython("it nests expressions too deeply") from None
    except ValueError as error:  # NULs, lone surrogates
        raise NotPython(f"it is no valid Python text: {error}") from None
