"""Convert state rows to words and to nested values, through the schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ..base import Schema, Tables
from ..schema import Field

EVENT_WORDS = {
    "none": "The episode begins.",
    "turned": "It turned.",
    "moved": "It stepped ahead.",
    "blocked": "It bumped into {object}.",
    "picked_up": "It picked up {object}.",
    "dropped": "It put down {object}.",
    "unlocked": "It unlocked {object}.",
    "opened": "It opened {object}.",
    "closed": "It closed {object}.",
    "opened_box": "It opened {object}.",
    "reached": "It reached {object}.",
    "died": "It died.",
    "nothing": "Its action had no effect.",
    "declared": "It declared itself done.",
    "changed": "Its action changed something.",
}


def read_row(row: NDArray[Any], tables: Tables, schema: Schema) -> dict[str, Any]:
    """Return a row [W] as nested plain values; items become object ids, tables and costly features are omitted."""
    return _read_fields(row, tables, schema.fields, 0)


def _read_fields(row: NDArray[Any], tables: Tables, fields: Sequence[Field], base: int) -> dict[str, Any]:
    return {f.name: _read(row, tables, f, base) for f in fields if f.kind != "table" and not f.uses}


def _read(row: NDArray[Any], tables: Tables, field: Field, base: int) -> Any:
    kind = field.kind
    if kind == "record":
        return _read_fields(row, tables, field.fields, base)
    if kind == "list":
        there = [start for start in field.slots().tolist() if row[start + field.present]]
        return [_read_fields(row, tables, field.fields, start) for start in there]
    value = int(row[base + field.column])
    if kind == "bool":
        return bool(value)
    if kind == "choice":
        return field.values[value] if value >= 0 else None
    if kind == "item":
        return value if value >= 0 else None
    if kind == "text":
        return tables[field.table][value]
    return value


def caption(row: NDArray[Any], tables: Tables, schema: Schema) -> str:
    """Return a state row [W] in words: step, last event, agent, cell ahead, other objects."""
    state = read_row(row, tables, schema)
    objects = {item["id"]: item for item in state["objects"]}
    agent = state["agent"]
    parts = [
        f"Step {state['step']} of {state['max_steps']}.",
        EVENT_WORDS[state["event"]].format(object=_name(objects, state["event_object"], "something")),
        f"The agent is at ({agent['x']}, {agent['y']}) facing {agent['direction']}"
        + (f", carrying {_name(objects, state['carrying'], '')}" if state["carrying"] is not None else "")
        + f"; ahead of it: {_ahead(state, objects, tables, row)}.",
    ]
    others = [
        f"{_name(objects, slot, '')} at ({item['x']}, {item['y']})"
        for slot, item in objects.items()
        if not item["carried"] and slot != state["front"]
    ]
    if others:
        parts.append(f"Elsewhere: {', '.join(others)}.")
    if state["solved"]:
        parts.append("The task is solved.")
    return " ".join(parts)


def _name(objects: dict[int, dict[str, Any]], slot: int | None, absent: str) -> str:
    """An object in words; `absent` for none."""
    if slot is None:
        return absent
    if slot not in objects:
        return "a box that is gone"
    item = objects[slot]
    words = [item["state"], item["color"], item["kind"]]
    return "the " + " ".join(word for word in words if word) + (" (target)" if item["target"] else "")


def _ahead(state: dict[str, Any], objects: dict[int, Any], tables: Tables, row: NDArray[Any]) -> str:
    """The content of the cell ahead of the agent, in words."""
    if state["front"] is not None:
        return _name(objects, state["front"], "")
    x, y, layout = state["agent"]["front_x"], state["agent"]["front_y"], int(row[0])
    if not (0 <= x < state["width"] and 0 <= y < state["height"]) or tables["walls"][layout][x, y]:
        return "a wall"
    return "lava" if tables["lava"][layout][x, y] else "an empty cell"
