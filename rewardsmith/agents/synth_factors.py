"""Factors of `synth`, for the method LaRe: per milestone and of guidance, or places and changes of variables."""

from __future__ import annotations

from typing import Any

from rewardsmith.agents.models import ModelFailed
from rewardsmith.agents.synth_programs import Composed, guided_parts
from rewardsmith.agents.synth_variables import numbers_of, span_of

_MILESTONES = 5  # and three other factors
_VARIABLES = 3  # of which one factor has the place, and another one the change


def compose_factors(machine: dict[str, Any]) -> Composed:
    """Compose factors() from the machine-readable part of a designer's prompt.

    Raises ModelFailed for a task whose state has neither objects nor numbers.
    """
    if machine["interface"].get("family") == "variables":
        return _of_variables(machine["interface"])
    parts = guided_parts(machine)
    steps = parts.milestones[:_MILESTONES]
    lines = [*parts.lines, "", "def factors(prev, action, state, memory):", *parts.step]
    lines += ['    reached = memory.get("reached", 0)', '    memory["reached"] = max(after, reached)', "    return {"]
    lines += [f'        "milestone_{k}": 1.0 if reached < {k} <= after else 0.0,' for k in range(1, len(steps) + 1)]
    lines += [
        '        "lost": 1.0 if after < before else 0.0,',
        '        "guidance": guidance(before, after, state, memory) if after == before else 0.0,',
        '        "wasted": 1.0 if state.event in ("blocked", "nothing") else 0.0,',
        "    }",
        "",
    ]
    says = "; ".join(m.says for m in steps) or "none"
    return Composed("\n".join(lines), f"A factor for each milestone: {says}. Others: {parts.style}, a loss, no effect.")


def _of_variables(facts: dict[str, Any]) -> Composed:
    """Place and change of the first variables, relative to their range."""
    names = [(f["name"], span_of(f)) for f in numbers_of(facts["fields"])[:_VARIABLES]]
    if not names:
        text = "synth finds no numbers in this task's interface, so it cannot write factors."
        raise ModelFailed(text, "Set --model to a language model, or choose another --method.", "request")
    lines = ["def factors(prev, action, state, memory):", "    return {"]
    for k, (name, span) in enumerate(names):
        lines += [f'        "place_{k}": state.{name} / {span:.6g},']
        lines += [f'        "change_{k}": (state.{name} - prev.{name}) / {span:.6g},']
    if facts.get("action_kind") == "box":
        lines += ['        "effort": sum(a * a for a in action),']
    lines += ["    }", ""]
    return Composed("\n".join(lines), f"Place and change of {', '.join(name for name, _ in names)}.")
