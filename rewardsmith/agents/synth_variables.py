"""How `synth` writes programs for tasks whose state is a list of named variables.

From the success condition it takes which variables must pass which thresholds; where only lasting counts, it
keeps variables near the middle of their ranges. Swings (the variable must first move away) are found by
paying for a larger distance from the start than ever before in the episode, by tenths of the range.
"""

from __future__ import annotations

import ast
from typing import Any

from rewardsmith.syntax import parse_expression


def compose_for_variables(machine: dict[str, Any]) -> tuple[str, str]:
    """(source, thoughts) for a designer's request."""
    facts = machine["interface"]
    variables = [f for f in facts["fields"] if f["kind"] == "float"]
    thresholds = _thresholds(facts["success"], {f["name"] for f in variables})
    styles = ["approach", "swing", "both"] if thresholds else ["centre", "alive", "centre"]
    turn = machine["sample"] + (machine["iteration"] - 1) * machine["samples"]
    if machine["move"] in ("revise", "combine"):
        turn += 1
    style = styles[turn % len(styles)]
    body = _body(style, variables, thresholds)
    said = ", ".join(f"{name} {'up' if sign > 0 else 'down'} to {limit:g}" for name, sign, limit in thresholds)
    thoughts = f"Success needs {said or 'lasting to the end'}. Guidance: {style}."
    write = _dense_and_sparse if "dense" in machine["functions"] else _free
    return write(body, lasting=not thresholds), thoughts


def _thresholds(condition: str, names: set[str]) -> list[tuple[str, int, float]]:
    """Comparisons of a variable with a number in the success condition, as (name, direction, number)."""
    found = []
    for node in ast.walk(parse_expression(condition)):
        match node:
            case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[ast.Constant(value=value)]) if (
                name in names and isinstance(value, int | float)
            ):
                found.append((name, 1 if isinstance(op, ast.Gt | ast.GtE) else -1, float(value)))
    return found


def _scale(f: dict[str, Any]) -> float:
    return max(abs(f.get("low", 1.0)), abs(f.get("high", 1.0)), 1e-9)


def _body(style: str, variables: list[dict[str, Any]], thresholds: list[tuple[str, int, float]]) -> list[str]:
    """Lines of `def guidance(prev, state, memory)` after its head."""
    lines = ["    gain = 0.0"]
    if style in ("approach", "both"):
        for name, sign, _ in thresholds:
            span = next(_scale(f) for f in variables if f["name"] == name)
            lines.append(f"    gain += {sign * 10.0 / span:.6g} * (state.{name} - prev.{name})")
    if style in ("swing", "both"):
        lines += _swing([f for f in variables if f["name"] in {name for name, _, _ in thresholds}])
    if style == "centre":
        terms = [f"abs(state.{f['name']}) / {_scale(f):.6g}" for f in variables]
        lines += [f"    off = ({' + '.join(terms)}) / {len(terms)}", "    gain += 0.5 - off"]
    if style == "alive":
        lines += ["    gain += 0.1"]
    return [*lines, "    return gain"]


def _swing(moved: list[dict[str, Any]]) -> list[str]:
    """Pay once for each tenth of the range by which the variables come farther from their start than ever.

    Few payments, so that together they stay below what success pays: with one for every new record, policies
    that had solved MountainCar unlearned it in favour of swinging wider by ever smaller steps.
    """
    start = "".join(f"prev.{f['name']}, " for f in moved)
    terms = [f"abs(state.{f['name']} - start[{i}]) / {_scale(f):.6g}" for i, f in enumerate(moved)]
    far = terms[0] if len(terms) == 1 else f"max({', '.join(terms)})"
    return [
        f'    start = memory.setdefault("start", ({start.rstrip()}))',
        f"    level = int(10.0 * {far})",
        '    if level > memory.get("level", 0):',
        "        gain += 1.0",
        '        memory["level"] = level',
    ]


def _dense_and_sparse(body: list[str], lasting: bool) -> str:
    sparse = ["    if state.failed:", "        return -1.0"]
    sparse += ["    return 1.0"] if lasting else ["    return 1.0 if state.solved else 0.0"]
    lines = ["def guidance(prev, state, memory):", *body, "", ""]
    lines += ["def sparse(prev, action, state, memory):", *sparse, "", ""]
    lines += ["def dense(prev, action, state, memory):", "    return guidance(prev, state, memory)"]
    return "\n".join(lines) + "\n"


def _free(body: list[str], lasting: bool) -> str:
    lines = ["def guidance(prev, state, memory):", *body, "", ""]
    lines += ["def reward(prev, action, state, memory):"]
    lines += ["    return {"]
    lines += [f'        "guidance": {1.0 if lasting else 0.1} * guidance(prev, state, memory),']
    lines += [
        '        "success": 1.0 if state.solved else 0.0,',
        '        "failure": -1.0 if state.failed else 0.0,',
        "    }",
    ]
    return "\n".join(lines) + "\n"
