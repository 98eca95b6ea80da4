"""The source of a Python function, with what it reads of its module, as text that the sandbox can run by itself."""

from __future__ import annotations

import ast
import builtins
import dis
import enum
import inspect
import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from rewardsmith.syntax import NotPython, parse_module

_MOST_NUMBERS = 4096  # of an array that is copied into the program


class NotPortable(Exception):
    """A function cannot be run without the process that it was defined in; the message is the reason, in a clause."""


@dataclass(frozen=True)
class FunctionSource:
    """The text of a function.

    Attributes:
        name: Its name in the text.
        text: Its definition, on the same lines as in its file, and then the definitions that it needs.
        file: The file that it was defined in; "" if unknown.
        line: The line of its definition, from 1.
    """

    name: str
    text: str
    file: str
    line: int


def source_of(function: Any) -> FunctionSource:
    """Return a function's source. Raises NotPortable if it is a closure, or refers to what the sandbox lacks."""
    plain = _plain_function(function)
    line = plain.__code__.co_firstlineno
    body, name = _definition(plain, "scored_function")
    before = "from __future__ import annotations\n"
    # The same line numbers as in the file, so that messages name them.
    text = before + "\n" * max(0, line - 2) + body
    parts: dict[str, str] = {}
    _collect(plain, parts, {plain})
    parts.pop(name, None)
    return FunctionSource(name, "\n".join([text.rstrip(), *parts.values()]) + "\n", plain.__code__.co_filename, line)


def program_of_function(function: Any) -> str:
    """Return the reward program that a function of (prev, action, state, memory) is. Raises NotPortable."""
    source = source_of(function)
    known = source.name in ("reward", "potential", "dense", "sparse", "subgoals")
    call = f"def reward(prev, action, state, memory):\n    return {source.name}(prev, action, state, memory)\n"
    return source.text if known else f"{source.text}\n\n{call}"


def parameters_of(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """Return the names of the parameters that must be passed by position; None if there is no signature."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in found if p.default is p.empty and p.kind in by_position)


def takes(function: Callable[..., Any], count: int) -> bool:
    """Return whether a function can be called with `count` arguments by position."""
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def reads_parameter(function: FunctionType, number: int) -> bool:
    """Return whether a function reads its parameter of that number, from 0, or may."""
    code = function.__code__
    if number >= code.co_argcount:
        return bool(code.co_flags & inspect.CO_VARARGS)
    name = code.co_varnames[number]
    return name in code.co_cellvars or any(
        step.argval == name or (isinstance(step.argval, tuple) and name in step.argval)
        for step in dis.get_instructions(code)
        if step.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE"))
    )


def mentions(function: FunctionType, text: str) -> bool:
    """Return whether a text is among the constants of a function."""
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
        if text in [each for each in code.co_consts if isinstance(each, str)]:
            return True
    return False


def place_of(function: Any) -> tuple[str, int]:
    """Return (file, line) of a function or class; ("", 0) if unknown."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if code is not None:
        return code.co_filename, code.co_firstlineno
    kind = function if inspect.isclass(function) else type(function)
    try:
        return inspect.getsourcefile(kind) or "", inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):
        return "", 0


def _plain_function(function: Any) -> FunctionType:
    if not isinstance(function, FunctionType):
        raise NotPortable(f"it is a {type(function).__name__}, whose state belongs to this process")
    if function.__code__.co_freevars:
        read = ", ".join(f"`{name}`" for name in function.__code__.co_freevars)
        raise NotPortable(f"it is a closure: it reads {read} of the function around it")
    if hasattr(function, "__wrapped__"):
        raise NotPortable("a decorator has replaced it")
    return function


def _definition(function: FunctionType, unnamed: str) -> tuple[str, str]:
    """(the text that defines a function, its name)."""
    if function.__name__ == "<lambda>":
        return f"{unnamed} = {_lambda(function)}", unnamed
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise NotPortable("its source text is not available") from None
    try:
        body = parse_module(text).body
    except NotPython:
        raise NotPortable("its source text cannot be read by itself") from None
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        raise NotPortable("it is not a plain function")
    if body[0].decorator_list:
        raise NotPortable("it has a decorator")
    if any(not _is_constant(each) for each in (function.__defaults__ or ())):
        raise NotPortable("a default of its parameters is no constant")
    return text.rstrip(), function.__name__


def _lambda(function: FunctionType) -> str:
    """The text of a lambda expression, found by the columns that Python keeps of its code."""
    try:
        lines, _ = inspect.findsource(function)
        tree = parse_module("".join(lines))
    except (OSError, TypeError, NotPython):
        raise NotPortable("its source text is not available") from None
    places = [
        (step.positions.lineno or 0, step.positions.col_offset or 0)
        for step in dis.get_instructions(function)
        if step.positions is not None and step.opname not in ("RESUME", "MAKE_CELL", "COPY_FREE_VARS", "RETURN_VALUE")
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and (node.body.lineno, node.body.col_offset) == min(places):
            return ast.unparse(node)
    raise NotPortable("its source text cannot be told from others on its lines")


def _collect(function: FunctionType, parts: dict[str, str], seen: set[Any]) -> None:
    """Add the definitions of the globals that a function reads, by name."""
    for name in _globals_read(function.__code__):
        if name in parts or (name not in function.__globals__ and hasattr(builtins, name)):
            continue
        if name not in function.__globals__:
            continue  # Python's own NameError says it best
        value = function.__globals__[name]
        if isinstance(value, FunctionType) and not _is_library(value):
            if value in seen:
                continue
            seen.add(value)
            text, defined = _definition(_plain_function(value), name)
            parts[name] = text if defined == name else f"{text}\n{name} = {defined}"
            _collect(value, parts, seen)
        else:
            parts[name] = _assignment(name, value)


def _globals_read(code: CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            raise NotPortable(f"it changes the global `{step.argval}`")
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _globals_read(each)


_LIBRARIES = ("math", "numpy", "collections", "itertools", "functools", "operator", "typing", "heapq", "bisect", "copy")


def _is_library(value: Any) -> bool:
    return str(getattr(value, "__module__", "") or "").partition(".")[0] in _LIBRARIES


def _assignment(name: str, value: Any) -> str:
    """The text that gives a name the value that it has now."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    known = isinstance(value, FunctionType | BuiltinFunctionType | type) and _is_library(value)
    if isinstance(value, np.ufunc) or known:
        module = "numpy" if isinstance(value, np.ufunc) else str(value.__module__)
        module = "collections" if module == "_collections" else module
        module = "numpy" if module.startswith("numpy.") and hasattr(np, value.__name__) else module
        return f"from {module} import {value.__name__} as {name}"
    if isinstance(value, type) and issubclass(value, enum.IntEnum):
        members = "\n".join(f"    {each.name} = {int(each)}" for each in value)
        return f"import enum\nclass {name}(enum.IntEnum):\n{members}"
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size <= _MOST_NUMBERS:
        return f"import numpy\n{name} = numpy.array({_text(value.tolist())}, dtype={value.dtype.name!r})"
    if _is_constant(value):
        return f"{name} = {_text(value)}"
    raise NotPortable(f"it reads `{name}`, a {type(value).__name__} of its module")


def _is_constant(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        return True
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_constant, value))
    return type(value) is dict and all(map(_is_constant, (*value, *value.values())))


def _text(value: Any) -> str:
    """Python text of a constant, floats that `repr` does not spell included."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, enum.IntEnum):
        return str(int(value))
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, tuple):
        return "(" + "".join(f"{_text(each)}, " for each in value) + ")"
    if isinstance(value, set | frozenset):
        inner = ", ".join(sorted(map(_text, value)))
        made = f"{{{inner}}}" if value else "set()"
        return f"frozenset({made})" if isinstance(value, frozenset) else made
    return repr(value)
