"""Programs of `synth` for tasks whose state is a list of named variables.

The success condition decides:

- If the state has an `achieved_goal` and a `desired_goal`, the program rewards a smaller distance between them. It
  keeps no memory, so that hindsight experience replay can score its transitions under other goals.
- If it compares variables with thresholds, the program rewards progress towards them. For swings, where a variable must
  first move away, it rewards each new largest distance from the start of the episode, in tenths of the range.
- If success requires lasting until the end, the program keeps the variables near the middle of their ranges.
- If nothing is a success and a score is compared, it adds small guidance to the environment's own reward: it keeps the
  variables near the middle of their ranges, or rewards swings of them.
- Otherwise, as with `terminated`, it rewards swings of every variable, and success itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from rewardsmith.syntax import parse_expression


def compose_for_variables(machine: dict[str, Any]) -> tuple[str, str]:
    """Return (source, reasoning) for a designer's request."""
    facts = machine["interface"]
    variables = numbers_of(facts["fields"])
    if (goals := goal_length(facts["fields"])) is not None:
        return _for_goals(machine, goals)
    scored = "score" in facts
    thresholds = [] if scored else thresholds_of(facts["success"], variables)
    lasting = bool(facts.get("success_requires_lasting")) and not thresholds
    if scored:
        styles = ["centre", "explore one by one", "explore"]
    elif thresholds:
        styles = ["approach", "swing", "both"]
    else:
        styles = ["centre", "alive", "centre"] if lasting else ["explore", "explore one by one"]
    turn = machine["sample"] + (machine["iteration"] - 1) * machine["samples"]
    if machine["move"] in ("revise", "combine"):
        turn += 1
    style = styles[turn % len(styles)] if variables else "alive" if lasting else "nothing"
    body = _body(style, variables, thresholds)
    said = ", ".join(f"{name} {'up' if sign > 0 else 'down'} to {limit:g}" for name, sign, limit in thresholds)
    otherwise = (
        f"`{facts.get('success')}`, which names no variable's goal" if facts.get("success") else "the task's own test"
    )
    needed = said or ("lasting to the end" if lasting else otherwise)
    thoughts = f"Success needs {needed}. Guidance: {style}."
    dense = "dense" in machine["functions"]
    if scored:
        more = "More" if facts["score"] == "maximize" else "Less"
        return _scored(body, dense), f"{more} return of the environment is better. Small guidance beside it: {style}."
    write = _dense_and_sparse if dense else _free
    return write(body, lasting=lasting), thoughts


_GOAL_STYLES = {"approach": "was - now", "near": "-0.1 * now", "both": "was - now - 0.05 * now"}
"""Guidance of a step that changes the distance to the goal from `was` to `now`."""


def goal_length(fields: list[dict[str, Any]]) -> int | None:
    """Return the length of the goals of a goal-conditioned task; None if the state does not have both."""
    lengths = {f["name"]: f.get("length") for f in fields if f["name"] in ("achieved_goal", "desired_goal")}
    achieved, desired = lengths.get("achieved_goal"), lengths.get("desired_goal")
    return achieved if achieved is not None and achieved == desired else None


def _for_goals(machine: dict[str, Any], length: int) -> tuple[str, str]:
    """A program that rewards a smaller distance between goals of `length` numbers, and what was thought."""
    turn = machine["sample"] + (machine["iteration"] - 1) * machine["samples"]
    turn += machine["move"] in ("revise", "combine")
    style = list(_GOAL_STYLES)[turn % len(_GOAL_STYLES)]
    far = [
        f"sum(({row}.achieved_goal[k] - {row}.desired_goal[k]) ** 2 for k in range({length})) ** 0.5"
        for row in ("prev", "state")
    ]
    lines = [
        "def guidance(prev, state):",
        f"    was = {far[0]}",
        f"    now = {far[1]}",
        f"    return {_GOAL_STYLES[style]}",
    ]
    scored = "score" in machine["interface"]
    head = "(prev, action, state, memory):"
    if "dense" in machine["functions"]:
        paid = "0.0" if scored else "1.0 if state.solved else 0.0"
        lines += ["", "", f"def sparse{head}", f"    return {paid}"]
        lines += ["", "", f"def dense{head}", "    return guidance(prev, state)"]
    else:
        lines += ["", "", f"def reward{head}", "    return {", '        "guidance": guidance(prev, state),']
        lines += [] if scored else ['        "success": 1.0 if state.solved else 0.0,']
        lines += ["    }"]
    return "\n".join(lines) + "\n", f"The distance from the achieved to the desired goal must fall. Guidance: {style}."


_MOST_NUMBERS = 24  # of which a program reads the movement; the first of a long observation say most


def numbers_of(fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the numbers of a state, as programs read them: variables, and entries of vectors, such as `cube[0]`."""
    found: list[dict[str, Any]] = []
    for field in fields:
        if field["kind"] == "float" or (field["kind"] == "int" and field["name"] != "step"):
            found.append(field)
        elif field["kind"] == "vector":
            entries = field.get("entries") or [""] * field["length"]
            found += [
                {**field, "name": f"{field['name']}[{k}]", "alias": f"{field['name']}.{entries[k]}"}
                for k in range(field["length"])
            ]
    return found[:_MOST_NUMBERS]


def thresholds_of(condition: str, variables: list[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """Return comparisons of a variable with a number in the success condition: (name, direction 1 or -1, number).

    There are none if a function of the task decides, whose `condition` is empty.
    """
    names = {f["name"]: f["name"] for f in variables} | {f["alias"]: f["name"] for f in variables if "alias" in f}
    return list(_compared(parse_expression(condition), names, 1)) if condition else []


def _compared(node: ast.expr, names: dict[str, str], sense: int) -> Iterator[tuple[str, int, float]]:
    """Comparisons within `node`; `sense` is 1 if the node must be true and -1 if it must be false."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            yield from _compared(inner, names, -sense)
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from _compared(part, names, sense)
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE() as op], comparators=[right]):
            up = sense if isinstance(op, ast.Gt | ast.GtE) else -sense
            for one, other, direction in ((left, right, up), (right, left, -up)):
                limit = _number(other)
                if limit is not None and (name := ast.unparse(one)) in names:
                    yield names[name], direction, limit


def _number(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
    return None


def span_of(f: dict[str, Any]) -> float:
    """Return the largest absolute value of a variable, 1 if it is unknown."""
    return max(abs(f.get("low", 1.0)), abs(f.get("high", 1.0)), 1e-9)


def _body(style: str, variables: list[dict[str, Any]], thresholds: list[tuple[str, int, float]]) -> list[str]:
    """Lines of `def guidance(prev, state, memory)` after its head."""
    lines = ["    gain = 0.0"]
    if style in ("approach", "both"):
        for name, sign, _ in thresholds:
            span = next(span_of(f) for f in variables if f["name"] == name)
            lines.append(f"    gain += {sign * 10.0 / span:.6g} * (state.{name} - prev.{name})")
    if style in ("swing", "both"):
        lines += _swing([f for f in variables if f["name"] in {name for name, _, _ in thresholds}])
    if style == "explore":
        lines += _swing(variables)
    if style == "explore one by one":
        lines += _swings(variables)
    if style == "centre":
        terms = [f"abs(state.{f['name']}) / {span_of(f):.6g}" for f in variables]
        lines += [f"    off = ({' + '.join(terms)}) / {len(terms)}", "    gain += 0.5 - off"]
    if style == "alive":
        lines += ["    gain += 0.1"]
    return [*lines, "    return gain"]


def _swing(moved: list[dict[str, Any]]) -> list[str]:
    """Lines that reward each new tenth of the range in the largest distance of the variables from their start.

    Only ten rewards per episode, so that their sum stays below the reward for success. With a reward for every new
    maximum, policies that had solved MountainCar unlearned it and swung wider in ever smaller steps.
    """
    start = "".join(f"prev.{f['name']}, " for f in moved)
    terms = [f"abs(state.{f['name']} - start[{i}]) / {span_of(f):.6g}" for i, f in enumerate(moved)]
    far = terms[0] if len(terms) == 1 else f"max({', '.join(terms)})"
    return [
        f'    start = memory.setdefault("start", ({start.rstrip()}))',
        f"    level = int(10.0 * {far})",
        '    if level > memory.get("level", 0):',
        "        gain += 1.0",
        '        memory["level"] = level',
    ]


def _swings(moved: list[dict[str, Any]]) -> list[str]:
    """The same for each variable separately, at most ten times each; their sum is at most 10."""
    start = "".join(f"prev.{f['name']}, " for f in moved)
    away = "".join(f"abs(state.{f['name']} - start[{i}]) / {span_of(f):.6g}, " for i, f in enumerate(moved))
    return [
        f'    start = memory.setdefault("start", ({start.rstrip()}))',
        f'    levels = memory.setdefault("levels", [0] * {len(moved)})',
        f"    for i, away in enumerate(({away.rstrip()})):",
        "        level = min(int(10.0 * away), 10)",
        "        if level > levels[i]:",
        f"            gain += (level - levels[i]) / {len(moved)}",
        "            levels[i] = level",
    ]


def _scored(body: list[str], dense: bool) -> str:
    """A program without a reward for success; guidance is small because the environment's rewards are the aim."""
    lines = ["def guidance(prev, state, memory):", *body, "", ""]
    if dense:
        lines += ["def sparse(prev, action, state, memory):", "    return 0.0", "", ""]
        lines += ["def dense(prev, action, state, memory):", "    return 0.1 * guidance(prev, state, memory)"]
    else:
        lines += ["def reward(prev, action, state, memory):"]
        lines += ['    return {"guidance": 0.1 * guidance(prev, state, memory)}']
    return "\n".join(lines) + "\n"


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
