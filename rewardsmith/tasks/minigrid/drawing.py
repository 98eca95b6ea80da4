"""Describe a MiniGrid transition in words and drawings, in three views, and compute the columns that determine them.

- "caption": what the agent carries and faces, its action, and the event.
- "cropped": also the agent's own 7x7 view before and after, drawn in symbols.
- "full": also the whole grid before and after.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import Schema, Tables
from .captions import EVENT_WORDS, _name, read_row
from .columns import COLOR, DIRECTIONS, KIND, STATE, TARGET
from .state_tracker import COLORS, STATES

SYMBOLS = {"key": "k", "door": "D", "ball": "o", "box": "b", "goal": "G"}
_DOORS = {"open": "/", "closed": "+", "locked": "L"}
_AGENT = {"right": ">", "down": "v", "left": "<", "up": "^"}
_TYPES = {0: "??", 1: ". ", 2: "##", 3: ". ", 9: "~~"}  # MiniGrid's unseen, empty, wall, floor, lava
_KIND_OF_TYPE = {4: "door", 5: "key", 6: "ball", 7: "box", 8: "goal"}
LEGEND = (
    "Each cell is two characters. ## wall, . empty, ?? not seen, ~~ lava, > v < ^ the agent and where it faces. "
    "k key, o ball, b box, G goal, / open door, + closed door, L locked door, each followed by its colour's letter: "
    "r red, g green, b blue, p purple, y yellow, e grey. In the agent's own view the agent is A in the middle of the "
    "last row and looks up."
)


def transition_columns(
    before: NDArray[Any], actions: NDArray[Any], after: NDArray[Any], schema: Schema, everything: bool
) -> NDArray[np.int32]:
    """Return the columns that determine a transition's description.

    Args:
        before: State rows [..., W].
        actions: Actions [...].
        after: State rows [..., W].
        schema: The schema of the rows.
        everything: False for the action, the event and its object, and the objects ahead and carried before and after;
            True to add all other columns except the step count.

    Returns:
        int32 [..., K].
    """
    parts = [actions[..., None], after[..., [schema.field("event").column]]]
    parts += [_attributes(after, schema, "event_object")]
    for rows in (before, after):
        parts += [_attributes(rows, schema, "front"), _attributes(rows, schema, "carrying")]
    if everything:
        ignored = {schema.field(name).column for name in ("step", "event", "event_object")}
        columns = [c for c in range(schema.width) if c not in ignored]
        parts += [before[..., columns], after[..., columns]]
    return np.concatenate(parts, -1).astype(np.int32)


def _attributes(rows: NDArray[Any], schema: Schema, item: str) -> NDArray[Any]:
    """Kind, colour, state and target of the object in the field `item`, [..., 4]; -1 for no object."""
    slot = rows[..., schema.field(item).column]
    first = schema.field("objects").slots()[np.maximum(slot, 0)][..., None]
    values = np.take_along_axis(rows, first + np.array([KIND, COLOR, STATE, TARGET]), -1)
    return np.where(slot[..., None] >= 0, values, -1)


def transition_words(
    before: NDArray[Any], action: str, after: NDArray[Any], tables: Tables, schema: Schema, views: list[str]
) -> str:
    """Return the transition of two rows [W] in words.

    Args:
        before: State row before the action.
        action: The action's name.
        after: State row after the action.
        tables: The tables of the batch that the rows come from.
        schema: The schema of the rows.
        views: Drawings of the state before and after, or empty.
    """
    prev, state = read_row(before, tables, schema), read_row(after, tables, schema)
    # An object that the action removed appears only in the state before it.
    objects = {item["id"]: item for item in (*prev["objects"], *state["objects"])}
    message = EVENT_WORDS[state["event"]].format(object=_name(objects, state["event_object"], "something"))
    drawn = [f"\n{view}" for view in views] or ["", ""]
    return (
        f"Before: {_held_and_faced(prev)}{drawn[0]}\n"
        f"Action: {action}\nMessage: {message}\n"
        f"After: {_held_and_faced(state)}{drawn[1]}"
    )


def _held_and_faced(state: dict[str, Any]) -> str:
    objects = {item["id"]: item for item in state["objects"]}
    held = _name(objects, state["carrying"], "nothing")
    return f"the agent carries {held}; ahead of it: {_name(objects, state['front'], 'no object')}."


def draw_view(observation: NDArray[np.float32], side: int = 7) -> str:
    """Return the agent's own view in an observation as `side` rows of text; it begins with side * side cells."""
    cells = np.rint(observation[: 3 * side * side].reshape(side, side, 3) * (10, 5, 2)).astype(int)
    rows = []
    for j in range(side):
        names = [_cell(*cells[i, j]) for i in range(side)]
        if j == side - 1:
            names[side // 2] = "A "
        rows.append(" ".join(names))
    return "\n".join(rows)


def _cell(kind: int, color: int, state: int) -> str:
    if kind not in _KIND_OF_TYPE:
        return _TYPES.get(kind, ". ")
    return _symbol(_KIND_OF_TYPE[kind], COLORS[color], STATES[state])


def _symbol(kind: str, color: str, state: str | None) -> str:
    letter = "e" if color == "grey" else (color or "?")[0]
    own = (kind or "?")[0].upper()  # a kind of a user's own, by its first letter
    return (_DOORS[state or "open"] if kind == "door" else SYMBOLS.get(kind, own)) + letter


def picture_grid(rows: NDArray[Any], tables: Tables, schema: Schema) -> dict[str, Any]:
    """Return the grids of state rows [S, W] of one layout as a picture of kind "grid", see tasks.pictures."""
    layout = int(rows[0, 0])
    walls, lava = (np.argwhere(tables[name][layout]).tolist() for name in ("walls", "lava"))
    states, before = [], None
    for row in rows:
        state = read_row(row, tables, schema)
        objects = [
            [o["kind"], o["color"], o["x"], o["y"], o["state"], o["target"]]
            for o in state["objects"]
            if not o["carried"]
        ]
        held = next(([o["kind"], o["color"]] for o in state["objects"] if o["carried"]), None)
        agent = state["agent"]
        facing = DIRECTIONS.index(agent["direction"])
        states.append([agent["x"], agent["y"], facing, held, None if objects == before else objects])
        before = objects
    size = {name: read_row(rows[0], tables, schema)[name] for name in ("width", "height")}
    return {"kind": "grid", **size, "walls": walls, "lava": lava, "states": states}


def draw_grid(row: NDArray[Any], tables: Tables, schema: Schema) -> str:
    """Return the whole grid of a state row [W], one line of text per row of cells."""
    state, layout = read_row(row, tables, schema), int(row[0])
    walls, lava = tables["walls"][layout], tables["lava"][layout]
    cells = dict.fromkeys(map(tuple, np.argwhere(walls).tolist()), "##")
    cells |= dict.fromkeys(map(tuple, np.argwhere(lava).tolist()), "~~")
    for item in state["objects"]:
        if not item["carried"]:
            cells[item["x"], item["y"]] = _symbol(item["kind"], item["color"], item["state"])
    agent = state["agent"]
    cells[agent["x"], agent["y"]] = _AGENT[agent["direction"]] + " "
    width, height = state["width"], state["height"]
    return "\n".join(" ".join(cells.get((x, y), ". ") for x in range(width)) for y in range(height))
