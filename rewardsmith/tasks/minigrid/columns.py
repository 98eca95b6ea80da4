"""The plain schema of a MiniGrid task's state rows: one int32 row per environment.

Columns 0 to 14 are named below, column 15 is unused, objects follow from FIRST_OBJECT. Column 0 is the layout's index;
no field has that name, but the tables and the mission are looked up through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .state_tracker import COLORS, EVENTS, FIRST_OBJECT, KINDS, STATES

LAYOUT, STEP, MAX_STEPS, WIDTH, HEIGHT, EVENT, EVENT_OBJECT, SOLVED = range(8)
AGENT_X, AGENT_Y, DIRECTION, FRONT_X, FRONT_Y, FRONT, CARRYING = range(8, 15)
# Columns of one object, relative to its first.
PRESENT, ID, KIND, COLOR, X, Y, STATE, CARRIED, TARGET, RANK = range(10)

DIRECTIONS = ("right", "down", "left", "up")
EVENT_DOCS = {
    "none": "the episode has just begun",
    "turned": "the agent turned in place",
    "moved": "the agent stepped into the cell ahead",
    "blocked": "the agent tried to step ahead but could not enter the cell; event_object is what stood there",
    "picked_up": "the agent now carries event_object",
    "dropped": "the agent put event_object into the cell ahead",
    "unlocked": "a locked door (event_object) was opened with the matching key",
    "opened": "a closed door (event_object) was opened",
    "closed": "an open door (event_object) was closed",
    "opened_box": "a box (event_object) was opened: it vanished, its contents if any lie in its cell",
    "reached": "the agent stepped onto the goal square (event_object)",
    "died": "the agent stepped into lava or hit a moving obstacle; the episode is over",
    "nothing": "the action had no effect",
    "declared": "the agent used the DONE action",
}
OWN_EVENT_DOCS = {
    "changed": "an action of this environment's own, or TOGGLE on an object of its own, changed the grid or an object; "
    "event_object is what stood ahead"
}
"""Events that only environments of a user's own have, after those of MiniGrid."""


WALK = (
    "steps of a shortest walk from the agent to it, with doors as they are: a closed door and an object in the way can "
    "be reached and not passed. 1 for an object beside the agent, 0 for a carried one, -1 if there is no way; costly: "
    'declare USES = ["walk_distance"] at the top of the program'
)


OBJECTS = (
    "every object in the world, the carried one included; an object keeps its id for the whole episode. What a closed "
    "box contains is listed only once the box is opened, and an opened box no more"
)


def stride_of_object(ranked: bool) -> int:
    """Return the number of columns of one object; the last one is its walking distance."""
    return 11 if ranked else 10


def row_width(slots: int, ranked: bool) -> int:
    """Return the number of columns of a row with `slots` objects."""
    return FIRST_OBJECT + slots * stride_of_object(ranked)


@dataclass(frozen=True)
class Words:
    """The values that objects and actions of an environment may have; MiniGrid's own unless given.

    Attributes:
        kinds: Kinds of objects.
        colors: Colours of objects.
        meaning: MiniGrid's number of each action, -1 for one of a user's own; None if actions are MiniGrid's.
    """

    kinds: tuple[str, ...] = KINDS
    colors: tuple[str, ...] = COLORS
    meaning: tuple[int, ...] | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """The events of a step."""
        return EVENTS if self.meaning is None else (*EVENTS, *OWN_EVENT_DOCS)


MINIGRIDS = Words()


def build_schema(
    slots: int, ranked: bool, size: tuple[int, int], max_steps: int, words: Words = MINIGRIDS
) -> dict[str, Any]:
    """Build the plain schema of a task's rows.

    Args:
        slots: The number of object slots.
        ranked: Whether objects have a rank, because the mission names several in an order.
        size: (width, height) of the grid in cells.
        max_steps: Step limit of an episode.
        words: The kinds, colours and actions of the environment.
    """
    width, height = size
    return {
        "name": "State",
        "width": row_width(slots, ranked),
        "dtype": "int32",
        **({} if words.meaning is None else {"meaning": list(words.meaning)}),
        "fields": [
            _int("step", STEP, "steps since the episode began", "steps", 0, max_steps),
            _int("max_steps", MAX_STEPS, "step limit of the episode", "steps", max_steps, max_steps),
            {"name": "mission", "kind": "text", "table": "missions", "column": LAYOUT,
             "doc": "what to do, in words"},
            _int("width", WIDTH, "columns of the grid", "cells", width, width),
            _int("height", HEIGHT, "rows of the grid", "cells", height, height),
            _choice("event", EVENT, words.events, "what the last action did"),
            _item("event_object", EVENT_OBJECT, "the object the last action acted on or reached, if any"),
            {"name": "solved", "kind": "bool", "column": SOLVED,
             "doc": "whether this step met the rule of success"},
            {"name": "agent", "kind": "record", "doc": "the agent", "fields": _agent(width, height)},
            _item("front", FRONT, "the object in the cell ahead of the agent, if any"),
            _item("carrying", CARRYING, "the object the agent carries, if any"),
            {"name": "objects", "kind": "list", "start": FIRST_OBJECT, "stride": stride_of_object(ranked),
             "length": slots, "present": PRESENT, "fields": _object(slots, ranked, width, height, words),
             "doc": OBJECTS},
            {"name": "walls", "kind": "table", "table": "walls", "column": LAYOUT,
             "doc": "walls[x, y] is true where a wall stands (bool, width by height)"},
            {"name": "lava", "kind": "table", "table": "lava", "column": LAYOUT,
             "doc": "lava[x, y] is true where stepping in ends the episode (bool, width by height)"},
        ],
    }  # fmt: skip


def _agent(width: int, height: int) -> list[dict[str, Any]]:
    return [
        _int("x", AGENT_X, "column of the agent, 0 is the leftmost", "cells", 0, width - 1),
        _int("y", AGENT_Y, "row of the agent, 0 is the topmost", "cells", 0, height - 1),
        _choice("direction", DIRECTION, DIRECTIONS, "where the agent faces; down is towards larger y"),
        _int("front_x", FRONT_X, "column of the cell ahead", "cells", -1, width),
        _int("front_y", FRONT_Y, "row of the cell ahead", "cells", -1, height),
    ]


def _object(slots: int, ranked: bool, width: int, height: int, words: Words) -> list[dict[str, Any]]:
    fields = [
        _int("id", ID, "number of the object, the same throughout an episode", "", 0, slots - 1),
        _choice("kind", KIND, words.kinds, "what the object is"),
        _choice("color", COLOR, words.colors, "its colour"),
        _int("x", X, "its column; the agent's while carried", "cells", 0, width - 1),
        _int("y", Y, "its row; the agent's while carried", "cells", 0, height - 1),
        _choice("state", STATE, STATES, "the state of a door; None for all other objects"),
        {"name": "carried", "kind": "bool", "column": CARRIED, "doc": "whether the agent carries it"},
        {"name": "target", "kind": "bool", "column": TARGET,
         "doc": "whether it is what the mission asks to reach, carry, open or move"},
    ]  # fmt: skip
    if ranked:
        rank = "order in which the mission names it: 1 the first, 2 the second, 0 not named"
        fields.append(_int("rank", RANK, rank, "", 0, slots))
    walk = _int("walk_distance", stride_of_object(ranked) - 1, WALK, "cells", -1, width * height)
    fields.append({**walk, "uses": "walk_distance"})
    return fields


def _int(name: str, column: int, doc: str, unit: str, low: int, high: int) -> dict[str, Any]:
    return {"name": name, "kind": "int", "column": column, "doc": doc, "unit": unit, "low": low, "high": high}


def _choice(name: str, column: int, values: tuple[str, ...], doc: str) -> dict[str, Any]:
    return {"name": name, "kind": "choice", "column": column, "values": list(values), "doc": doc}


def _item(name: str, column: int, doc: str) -> dict[str, Any]:
    return {"name": name, "kind": "item", "of": "objects", "column": column, "doc": doc}
