"""Explains to a model why its answer was rejected: every reason that applies, and what to write instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from rewardsmith.programs.unwrapping import programs_in_json

_EDIT = re.compile(r"(?m)^(?:<{5,9} ?(?:SEARCH|ORIGINAL|OLD|BEFORE|HEAD|CURRENT)\b|>{5,9} ?(?:REPLACE|UPDATED)\b)")
_PATCH = re.compile(r"(?m)^\*\*\* (?:Begin Patch|Update File:|Add File:|Delete File:)")
_DIFF = re.compile(r"(?m)^(?:@@ -\d+|diff --git |--- \S+\n\+\+\+ \S+)")
_OMISSION = re.compile(
    r"(?im)^[ \t]*#[ \t]*(?:"
    r"(?:\.\.\.|…)[ \t]*\(?(?:the[ \t]+)?"
    r"(?:existing|rest|remaining|unchanged|previous|original|same|other|omitted|keep)\b"
    r"|\(?(?:the[ \t]+)?rest of (?:the |your )?(?:code|function|program|file|body)\b"
    r"|\(?(?:existing|previous|original|unchanged) code\b.*(?:\.\.\.|…|here|unchanged)"
    r").*$"
)
_TOOL = re.compile(r"<tool_call>|<function[ =]|<invoke |\"(?:tool_calls|function_call|arguments|tool_input)\"[ \t]*:")
_OTHER_LANGUAGE = re.compile(
    r"(?im)^[ \t]*(?:```|~~~)[ \t]*"
    r"(java|javascript|js|typescript|ts|c|cpp|c\+\+|csharp|c#|rust|go|julia|lua|matlab|kotlin)[ \t]*$"
)

WRAPPERS = frozenset({"Wrapper", "RewardWrapper", "ObservationWrapper", "ActionWrapper", "VecEnvWrapper", "VecWrapper"})
CALLBACKS = frozenset({"BaseCallback", "EventCallback", "EvalCallback", "CheckpointCallback", "DefaultCallbacks"})


def omission(source: str) -> str | None:
    """Return the reason if a comment of the program states that parts are left out; None otherwise."""
    found = _OMISSION.search(source)
    if found is None:
        return None
    return f"The program is incomplete: a comment stands for code (`{found[0].strip()[:60]}`). Write all of it."


def form_of(answer: str) -> Iterator[str]:
    """Yield sentences about the form of an answer that is no program: patch, edit, diff, tool call, other language."""
    if _PATCH.search(answer):
        yield "The answer is a patch (`*** Begin Patch`), but there is no file to change."
    elif _EDIT.search(answer):
        yield "The answer is an edit (SEARCH and REPLACE blocks), but there is no file to change."
    elif _DIFF.search(answer):
        yield "The answer is a diff, but there is no file to change."
    if _TOOL.search(answer):
        yield "The answer calls a tool, but no tools are available."
    if (other := _OTHER_LANGUAGE.search(answer)) is not None:
        yield f"A block is marked as `{other[1]}`, but only Python is accepted."
    if (count := len(programs_in_json(answer))) > 1:
        yield f"The JSON in the answer contains {count} programs; give exactly one."
    if (left_out := omission(answer)) is not None:
        yield left_out


def shape_of(name: str, trees: Sequence[ast.Module]) -> Iterator[str]:
    """Yield sentences about definitions of `name` that are not plain functions at the top level."""
    for node in (node for tree in trees for node in tree.body):
        match node:
            case ast.AsyncFunctionDef() if node.name == name:
                yield f"`{name}` is `async`. Write it as a plain function."
            case ast.FunctionDef() if node.name == name:
                yield f"`{name}` has no body. Write all of it."
            case ast.ClassDef():
                yield from _class(node, name)
            case ast.Assign() | ast.AnnAssign() if name in _targets(node) and node.value is not None:
                yield f"`{name}` is assigned `{_source(node.value)}`. Write it as a function: `def {name}(...)`."
            case _ if any(isinstance(n, ast.FunctionDef) and n.name == name for n in ast.walk(node)):
                where = getattr(node, "name", type(node).__name__.lower())
                yield f"`{name}` is defined within `{where}`. Write it at the top level."


def _class(node: ast.ClassDef, name: str) -> Iterator[str]:
    methods = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)}
    bases = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}
    if name in methods:
        yield f"`{name}` is a method of a class (`{node.name}`). Write it as a plain function at the top level."
    if bases & WRAPPERS or {"step", "reset"} <= methods:
        yield (
            f"The class `{node.name}` is an environment wrapper, which is not supported. Write the reward that its "
            "step() adds as a function of the state before and the state after. Keep its attributes in `memory`, which "
            "is empty at the start of each episode."
        )
    elif bases & CALLBACKS or "_on_step" in methods:
        yield (
            f"The class `{node.name}` is a training callback, which is not supported. Write its reward as a function "
            "of the state before and the state after."
        )
    elif "__call__" in methods:
        yield (
            f"The class `{node.name}` is called through `__call__`. Write that as a plain function at the top level, "
            "and keep the object's attributes in `memory`."
        )


def _targets(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _source(node: ast.expr) -> str:
    try:
        text = ast.unparse(node)
    except RecursionError:
        return "an expression"
    return text if len(text) <= 40 else text[:37] + "..."


def way_on(functions: Iterable[str]) -> str:
    """Return the sentence that asks for a complete program with `functions`."""
    return f"Write the whole program, with {listed(functions)} at its top level, in one fenced block."


def listed(names: Iterable[str]) -> str:
    """Return names as code, joined by "and"."""
    return " and ".join(f"`{name}`" for name in names)
