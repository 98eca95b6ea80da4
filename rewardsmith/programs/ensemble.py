"""Ensembles: one program that pays a pessimistic combination of what several programs would pay.

After Eisenstein et al. (2023, arXiv 2312.09244), who take the smallest reward of several reward models, or their mean
less their deviation: an exploit that only one of them rewards is not worth it.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Literal

from rewardsmith.errors import UsageError
from rewardsmith.programs.reward import top_level_names
from rewardsmith.syntax import NotPython, parse_module

Pay = Literal["min", "pessimistic"]

_TEXTS: dict[str, str] = {
    "min": "    return min(paid)\n",
    "pessimistic": (
        "    mean = sum(paid) / len(paid)\n"
        "    return mean - (sum((value - mean) ** 2 for value in paid) / len(paid)) ** 0.5\n"
    ),
}
_REWARD = '''

MEMBERS = ({members})


def combined(paid):
    """{says}"""
{combining}

def reward(prev, action, state, memory):
    paid = []
    for number, member in enumerate(MEMBERS):
        own = memory.setdefault(f"member {{number + 1}}", {{}})
        value = member(prev, action, state, own)
        paid.append(sum(value.values()) if isinstance(value, dict) else value)
    return {{"ensemble": combined(paid)}}
'''
_SAYS = {
    "min": "The smallest of the members' rewards.",
    "pessimistic": "The mean of the members' rewards less their standard deviation.",
}


def ensemble_of(sources: Sequence[str], pay: Pay = "min") -> str:
    """Return a program of the method `free` that contains all members and pays their combination.

    Each member becomes a function of its own, with its own part of `memory`, so names cannot clash.

    Args:
        sources: Programs that define reward(), at least two.
        pay: "min" for the smallest reward, "pessimistic" for the mean less the standard deviation.

    Raises:
        UsageError: There are fewer than two programs, or one of them defines no reward() or cannot be parsed.
    """
    if len(sources) < 2:
        raise UsageError("An ensemble needs at least two programs.", "Name two or more candidates or files.")
    uses: list[str] = []
    members = []
    for number, source in enumerate(sources, 1):
        body, declared = _without_declarations(source, number)
        uses += [name for name in declared if name not in uses]
        members.append(_as_function(body, number))
    names = ", ".join(f"member_{number}()" for number in range(1, len(sources) + 1))
    head = f"USES = {uses!r}\n\n\n" if uses else ""
    text = _REWARD.format(members=names, says=_SAYS[pay], combining=_TEXTS[pay])
    return head + "\n\n\n".join(members) + "\n" + text


def _without_declarations(source: str, number: int) -> tuple[list[ast.stmt], list[str]]:
    """Return the statements of a member, and the names that it declares in USES, which must stand at the top level."""
    try:
        body = parse_module(source).body
    except NotPython as error:
        raise UsageError(
            f"Program {number} cannot be parsed: {error}.", "Name programs that passed the check."
        ) from None
    if "reward" not in top_level_names(source):
        raise UsageError(
            f"Program {number} defines no reward().", "Name candidates of the method free, goal or machine."
        )
    uses: list[str] = []
    kept = []
    for node in body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["USES"]:
            entries = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else []
            uses += [str(each.value) for each in entries if isinstance(each, ast.Constant)]
        else:
            kept.append(node)
    return kept, uses


def _as_function(body: list[ast.stmt], number: int) -> str:
    wrapped = parse_module(f"def member_{number}():\n    return reward").body[0]
    assert isinstance(wrapped, ast.FunctionDef)
    wrapped.body = [*body, *wrapped.body]
    return ast.unparse(ast.fix_missing_locations(wrapped))
