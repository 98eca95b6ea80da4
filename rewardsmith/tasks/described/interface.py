"""A described task as a designer reads it: variables with units and ranges, actions, success, a worked example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rewardsmith.tasks.base import Interface
from rewardsmith.tasks.described import environments, flattening
from rewardsmith.tasks.described.lasting import requires_lasting
from rewardsmith.tasks.schema import Field

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup


def interface_of(setup: Setup, success_rule: str) -> Interface:
    """The text that a language model and `tasks describe` show, the facts behind it, and an example."""
    d, actions = setup.description, setup.form.actions
    env = setup.make()
    try:
        places = flattening.places_of(env)
    finally:
        environments.close(env)
    lines = [f"Task {d.id}. {d.goal}", "", "State (read-only attributes of `state` and `prev`):"]
    lines += [_line(field, places, training_only) for field, training_only in _marked(setup)]
    lines += ["", *_actions(setup)]
    lines += ["", f"Environment reward: {d.env_reward}." if d.env_reward else ""]
    lines += [f"Success: {success_rule}", f"An episode ends after {d.max_steps} steps at the latest."]
    lines += d.mechanics
    example = _example(setup)
    lines += ["", f"Example: prev = {example['prev']}, action = {example['action']}, state = {example['state']}"]
    numbers = {v.name: (v.low, v.high) for v in d.state if v.length is None}
    facts = {
        "family": "variables",
        "fields": setup.schema.as_dict()["fields"],
        "actions": [{"name": name} for name in actions.names],
        "action_kind": actions.kind,
        "success": d.condition or "",
        "success_requires_lasting": d.condition is not None and requires_lasting(d.condition, numbers, d.max_steps),
        "max_steps": d.max_steps,
    }
    return Interface(d.id, d.goal, "\n".join(lines), facts, example)


def _marked(setup: Setup) -> list[tuple[Field, bool]]:
    hidden = {v.name for v in setup.description.state if v.training_only}
    return [(field, field.name in hidden) for field in setup.schema]


def _line(f: Field, places: tuple[str, ...], training_only: bool) -> str:
    span = f" in [{f.low:g}, {f.high:g}]" if f.low is not None else ""
    unit = f" {f.unit}" if f.unit else ""
    kind = f.kind
    if f.kind == "vector":
        names = f" ({', '.join(f.entries)})" if f.entries else ""
        kind = f"vector of {f.length} {f.of}s{names}"
    elif f.kind == "choice":
        kind = f"one of {', '.join(map(repr, f.values))}, or None"
    place = f" ({f.name} = {places[f.column]})" if f.kind == "float" and f.column < len(places) else ""
    hidden = " (training only: the policy does not see it)" if training_only else ""
    return f"  {f.name}: {kind}{span}{unit} - {f.doc}{place}{hidden}"


def _actions(setup: Setup) -> list[str]:
    actions = setup.form.actions
    docs = actions.docs or ("",) * len(actions)
    if actions.discrete:
        lines = [
            f"  {name.upper()} = {i}{f' - {doc}' if doc else ''}"
            for i, (name, doc) in enumerate(zip(actions.names, docs, strict=True))
        ]
        return ["Actions (int constants):", *lines]
    what = {"box": "floats", "multi-discrete": "ints", "multi-binary": "ints 0 or 1"}[actions.kind]
    lines = []
    for i, (name, doc) in enumerate(zip(actions.names, docs, strict=True)):
        span = f" in [{actions.low[i]:g}, {actions.high[i]:g}]" if actions.low else ""
        span = f" from 0 to {actions.counts[i] - 1}" if actions.counts else span
        lines.append(f"  action.{name} = action[{i}]{span}{f' - {doc}' if doc else ''}")
    return [f"Action (a read-only tuple of {len(actions)} {what}):", *lines]


def _example(setup: Setup) -> dict[str, Any]:
    before, action, after = setup.shown
    actions = setup.form.actions
    shown: Any = actions.names[0].upper()
    if not actions.discrete:
        shown = {n: round(float(x), 4) for n, x in zip(actions.names, action.tolist(), strict=True)}
    return {"prev": _values(setup, before), "action": shown, "state": _values(setup, after)}


def _values(setup: Setup, row: Any) -> Mapping[str, Any]:
    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [round(x, 4) for x in value[:8]]
        return round(value, 4) if isinstance(value, float) else value

    return {v.name: short(v.read(row)) for v in setup.variables}
