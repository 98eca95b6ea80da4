"""Reads a designer's program for CALM: subgoals with a predicate or a sentence each. The program is not run."""

from __future__ import annotations

import ast
import re

from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.syntax import NotPython, parse_module

MOST_SUBGOALS = 8
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TAKEN = frozenset({"calm", "env", "env_raw", "milestones", "potential", "reward", "subgoals", "total"})


def read_predicates(source: str) -> dict[str, str]:
    """Return {description: name of its predicate} from `def subgoals(): return {"description": predicate}`.

    Raises UnreadableAnswer with a message for the model.
    """
    tree = _tree(source)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = {}
    for words, value in _returned(tree):
        if not isinstance(value, ast.Name) or value.id not in defined:
            raise UnreadableAnswer(f"subgoals(): the value of {words!r} must name a function that the program defines.")
        found[words] = _usable(value.id)
    if len(set(found.values())) < len(found):
        raise UnreadableAnswer("subgoals(): two subgoals have the same predicate; each needs a separate one.")
    return found


def read_sentences(source: str) -> dict[str, str]:
    """Return {name: sentence} from `def subgoals(): return {"name": "sentence"}`. Raises UnreadableAnswer."""
    found = {}
    for name, value in _returned(_tree(source)):
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            raise UnreadableAnswer(f"subgoals(): the value of {name!r} must be one string.")
        found[_usable(name)] = value.value
    return found


def _tree(source: str) -> ast.Module:
    try:
        return parse_module(source)
    except NotPython as error:
        raise UnreadableAnswer(f"The program cannot be parsed: {error}.") from None


def _returned(tree: ast.Module) -> list[tuple[str, ast.expr]]:
    function = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "subgoals"), None)
    last = function.body[-1] if function is not None else None
    value = last.value if isinstance(last, ast.Return) else None
    if not isinstance(value, ast.Dict):
        raise UnreadableAnswer("subgoals() must return a dict literal and do nothing else.")
    pairs = []
    for key, entry in zip(value.keys, value.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise UnreadableAnswer("subgoals(): every key must be a string.")
        pairs.append((key.value, entry))
    if not 1 <= len(pairs) <= MOST_SUBGOALS:
        raise UnreadableAnswer(f"subgoals() names {len(pairs)} subgoals; give 1 to {MOST_SUBGOALS}.")
    return pairs


def _usable(name: str) -> str:
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise UnreadableAnswer(
            f"{name!r} is not a valid name: match [a-z][a-z0-9_]{{0,31}} and avoid {sorted(_TAKEN)}."
        )
    return name
