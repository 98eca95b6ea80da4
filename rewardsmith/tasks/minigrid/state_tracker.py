"""Read the symbolic state of a running MiniGrid environment, one int32 row per step.

This module needs numpy only: its source is copied into exported reward files, which run without rewardsmith.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ("key", "door", "ball", "box", "goal")
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
STATES = ("open", "closed", "locked")
EVENTS = (
    "none", "turned", "moved", "blocked", "picked_up", "dropped", "unlocked", "opened", "closed",
    "opened_box", "reached", "died", "nothing", "declared",
)  # fmt: skip
SCENERY = frozenset({"unseen", "empty", "wall", "floor", "lava", "agent"})
"""MiniGrid's types that are no objects; every other type is one, a user's own included."""
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # right, down, left, up; y grows downwards
FIRST_OBJECT = 16  # column of the first object; its columns: present, id, kind, color, x, y, state, carried,
# target and, if the schema has ranks, rank

Named = list[tuple[int, int, bool]]


def list_objects(grid_env: Any) -> list[Any]:
    """Return the objects at an episode's start in slot order: cells row by row, the carried one, box contents."""
    found = [cell for cell in grid_env.grid.grid if cell is not None and cell.type not in SCENERY]
    if grid_env.carrying is not None:
        found.append(grid_env.carrying)
    for item in found:  # grows while it is read, so boxes in boxes are found too
        if getattr(item, "contains", None) is not None:
            found.append(item.contains)
    return found


def kind_of(item: Any) -> str:
    """Return an object's kind: MiniGrid's type, or the name of a user's own class in small letters."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(item).__name__).lower() if is_own(item) else item.type


def is_own(item: Any) -> bool:
    """Return whether an object is of a user's own class."""
    return item is not None and type(item).__module__.partition(".")[0] != "minigrid"


def own_state(item: Any) -> tuple[tuple[str, Any], ...]:
    """Return the plain attributes of an object of a user's own class, except its places."""
    plain = (int, float, str, bool, np.generic, type(None))
    places = ("cur_pos", "init_pos")
    return tuple(sorted((k, v) for k, v in vars(item).items() if isinstance(v, plain) and k not in places))


def named_objects(grid_env: Any, objects: list[Any]) -> Named:
    """Return the objects that the mission names, as (slot, rank in the mission from 1, whether it is a target)."""
    try:
        named = _named_by_attributes(grid_env, objects)
    except (AttributeError, AssertionError, LookupError, TypeError, ValueError):
        named = None  # a user's own environment may mean something else by such an attribute
    goals = [(s, 1, True) for s, item in enumerate(objects) if item.type == "goal"]
    if named is None:
        return goals
    named = [(slot, rank, target) for slot, rank, target in named if slot >= 0]
    if type(grid_env).__module__.partition(".")[0] != "minigrid" and goals:
        # A user's own environment may keep any object there; its mission says which one matters.
        words = set(re.findall(r"\w+", str(grid_env.mission).lower()))
        if not all({objects[slot].type, kind_of(objects[slot])} & words for slot, _, _ in named) or not named:
            return goals
    return named


def _named_by_attributes(grid_env: Any, objects: list[Any]) -> Named | None:
    """The objects named by the attributes in which MiniGrid's environments keep their goals; None without any."""
    slots = {id(item): slot for slot, item in enumerate(objects)}

    def at(position: Any) -> int:
        return slots.get(id(grid_env.grid.get(int(position[0]), int(position[1]))), -1)

    if hasattr(grid_env, "instrs"):
        named = list(_instructed(grid_env.instrs))
        return [(slots[id(item)], rank, goal) for item, rank, goal in named if id(item) in slots]
    if hasattr(grid_env, "success_pos"):
        x, y = grid_env.success_pos
        beside = [(x, y + d) for d in (-1, 1)]
        return [(at(p), 1, True) for p in beside if id(grid_env.grid.get(*p)) in slots]
    if hasattr(grid_env, "move_pos"):
        return [(at(grid_env.move_pos), 1, True), (at(grid_env.target_pos), 2, False)]
    if hasattr(grid_env, "target_pos"):
        return [(at(grid_env.target_pos), 1, True)]
    if hasattr(grid_env, "targetColor"):
        wanted = (grid_env.targetType, grid_env.targetColor)
        return [(s, 1, True) for s, item in enumerate(objects) if (item.type, item.color) == wanted]
    if hasattr(grid_env, "red_door"):
        return [(slots[id(grid_env.red_door)], 1, True), (slots[id(grid_env.blue_door)], 2, True)]
    for attribute in ("obj", "door"):
        if id(getattr(grid_env, attribute, None)) in slots:
            return [(slots[id(getattr(grid_env, attribute))], 1, True)]
    return None


def _instructed(instruction: Any, rank: int = 1) -> Iterator[tuple[Any, int, bool]]:
    """The objects that a BabyAI instruction names, as (object, rank, whether it is a target)."""
    if hasattr(instruction, "instr_a"):
        parts = [instruction.instr_a, instruction.instr_b]
        if type(instruction).__name__ == "AfterInstr":
            parts.reverse()
        for part in parts:
            named = list(_instructed(part, rank))
            yield from named
            rank = max([rank, *(r + 1 for _, r, _ in named)])
        return
    for attribute, offset in (("desc", 0), ("desc_move", 0), ("desc_fixed", 1)):
        description = getattr(instruction, attribute, None)
        for item in getattr(description, "obj_set", None) or ():
            yield item, rank + offset, offset == 0


class StateTracker:
    """Reads the state rows of one environment; an object keeps its slot until the episode ends."""

    def __init__(self, schema: dict[str, Any]) -> None:
        objects = next(field for field in schema["fields"] if field["name"] == "objects")
        values = {f["name"]: f["values"] for f in (*schema["fields"], *objects["fields"]) if f["kind"] == "choice"}
        self._kinds: Sequence[str] = values["kind"]
        self._colors: Sequence[str] = values["color"]
        self._events: Sequence[str] = values["event"]
        # MiniGrid's number of each action, -1 for a user's own; None if actions are MiniGrid's own.
        self._meaning: Sequence[int] | None = schema.get("meaning")
        self._ahead: Any = None
        self._cells: tuple[int, ...] = ()
        self._length: int = objects["length"]
        self._stride: int = objects["stride"]
        self._width: int = schema["width"]

    def start(self, env: Any) -> tuple[NDArray[np.int32], dict[str, Any]]:
        """Return an episode's first row (int32 [schema width]) and tables; call it right after `env.reset`."""
        e = env.unwrapped
        self._objects: list[Any] = []
        self._slots: dict[int, int] = {}
        self._blank = np.zeros(self._width, np.int32)
        for slot in range(self._length):
            first = FIRST_OBJECT + slot * self._stride
            self._blank[first : first + 9] = 0, slot, -1, -1, -1, -1, -1, 0, 0
        for item in list_objects(e):
            self._slot(item)
        for slot, rank, target in named_objects(e, self._objects):
            first = FIRST_OBJECT + slot * self._stride
            self._blank[first + 8 : first + self._stride - 1] = (target, rank)[: self._stride - 9]
        row = self._row(e, self._events.index("none"), -1, False)
        cells = np.array([cell.type if cell else "" for cell in e.grid.grid]).reshape(e.height, e.width).T
        tables = {"walls": (cells == "wall")[None], "lava": (cells == "lava")[None], "missions": [e.mission]}
        return row, tables

    def after(self, env: Any, action: int, reward: float, terminated: bool) -> NDArray[np.int32]:
        """Return the row (int32 [schema width]) after `env.step(action)` returned `reward` and `terminated`."""
        e = env.unwrapped
        event, slot = self._event(e, int(action), float(reward), bool(terminated))
        return self._row(e, self._events.index(event), slot, bool(terminated) and float(reward) > 0)

    def _slot(self, item: Any) -> int:
        """The slot of `item`, or -1; an object that appears during the episode takes the next free slot."""
        if item is None or item.type in SCENERY:
            return -1
        if id(item) not in self._slots and len(self._objects) < self._length:
            first = FIRST_OBJECT + len(self._objects) * self._stride
            self._blank[first + 2 : first + 4] = _place(self._kinds, kind_of(item)), _place(self._colors, item.color)
            self._slots[id(item)] = len(self._objects)
            self._objects.append(item)
        return self._slots.get(id(item), -1)

    def _event(self, e: Any, action: int, reward: float, terminated: bool) -> tuple[str, int]:
        """The last action's event, and the slot of the object that it concerns or -1."""
        if self._meaning is not None:
            return self._seen_event(e, self._meaning[action], terminated and reward <= 0)
        ahead = self._slot(self._ahead)
        if action in (0, 1):
            return "turned", -1
        if action == 2:
            here = e.grid.get(*map(int, e.agent_pos))
            kind = None if here is None else here.type
            if reward < 0:
                return "died", ahead
            if self._position == tuple(map(int, e.agent_pos)):
                return "blocked", ahead
            named = {"goal": "reached", "lava": "died"}.get(kind or "", "moved")
            return named, self._slot(here) if named == "reached" else -1
        if action == 3 and self._carried is None and e.carrying is not None:
            return "picked_up", self._slot(e.carrying)
        if action == 4 and self._carried is not None and e.carrying is None:
            return "dropped", self._slot(self._carried)
        if action == 5 and ahead >= 0:
            return self._toggled(e), ahead if self._toggled(e) != "nothing" else -1
        return ("declared" if action == 6 else "nothing"), -1

    def _seen_event(self, e: Any, action: int, failed: bool) -> tuple[str, int]:
        """As `_event`, by what has changed: a user's own environment may do anything on any action.

        action: MiniGrid's number of the action, or -1. failed: whether the episode ended without success.
        """
        here = (int(e.agent_pos[0]), int(e.agent_pos[1]))
        ahead = self._slot(self._ahead)
        if e.carrying is not self._carried:
            if e.carrying is not None:
                return "picked_up", self._slot(e.carrying)
            if any(cell is self._carried for cell in e.grid.grid):
                return "dropped", self._slot(self._carried)
        toggled = self._toggled(e) if ahead >= 0 else "nothing"
        if toggled != "nothing" and (toggled != "opened_box" or e.carrying is self._carried):
            return toggled, ahead
        if here != self._position:
            item = e.grid.get(*here)
            kind = None if item is None else item.type
            if kind == "goal":
                return "reached", self._slot(item)
            return ("died" if kind == "lava" or failed else "moved"), self._slot(item) if failed else -1
        if int(e.agent_dir) != self._direction:
            return "turned", -1
        if action == 2:
            return ("died" if failed else "blocked"), ahead
        if (action == -1 or (action == 5 and is_own(self._ahead))) and self._world(e) != self._cells:
            return "changed", ahead
        return ("declared" if action == 6 else "nothing"), -1

    @staticmethod
    def _world(e: Any) -> tuple[Any, ...]:
        """What is in the cells, and the state of doors and of objects of a user's own, to see whether it changes."""
        cells = e.grid.grid
        inside = [own_state(c) if is_own(c) else _door_state(c) for c in cells if c is not None]
        return (*map(id, cells), *inside)

    def _toggled(self, e: Any) -> str:
        """The event of toggling the object that was ahead."""
        now = _door_state(self._ahead)
        if now is not None and now != self._ahead_state:
            return {"locked": "unlocked", "closed": "opened"}.get(self._ahead_state or "", "closed")
        if self._ahead.type == "box" and e.grid.get(*self._front) is not self._ahead:
            return "opened_box"
        return "nothing"

    def _row(self, e: Any, event: int, event_slot: int, solved: bool) -> NDArray[np.int32]:
        """The row of the current state; also stores what the next event is derived from."""
        x, y = (int(v) for v in e.agent_pos)
        direction = int(e.agent_dir)
        front = (x + STEPS[direction][0], y + STEPS[direction][1])
        inside = 0 <= front[0] < e.width and 0 <= front[1] < e.height
        self._position, self._front = (x, y), front
        self._ahead = e.grid.get(*front) if inside else None
        self._ahead_state = _door_state(self._ahead)
        self._carried, self._direction = e.carrying, direction
        if self._meaning is not None:
            self._cells = self._world(e)
        items = [(i, c) for i, c in enumerate(e.grid.grid) if c is not None and c.type not in SCENERY]
        where = {self._slot(item): (i % e.width, i // e.width) for i, item in items}
        held = self._slot(e.carrying)
        where[held] = (x, y)
        row = self._blank.copy()
        row[1:9] = e.step_count, e.max_steps, e.width, e.height, event, event_slot, solved, x
        row[9:15] = y, direction, *front, self._slot(self._ahead), held
        for slot, item in enumerate(self._objects):
            first = FIRST_OBJECT + slot * self._stride
            if slot in where:
                row[first], row[first + 7] = 1, slot == held
                row[first + 4], row[first + 5] = where[slot]
            state = _door_state(item)
            if state is not None:
                row[first + 6] = STATES.index(state)
        return row


def _door_state(item: Any) -> str | None:
    """The state of `item` if it can be open, as doors can, otherwise None."""
    is_open = getattr(item, "is_open", None)
    if is_open is None:
        return None
    return "open" if is_open else "locked" if getattr(item, "is_locked", False) else "closed"


def _place(values: Sequence[str], value: str) -> int:
    """The number of a value, or -1 for one that is not among `values`."""
    return values.index(value) if value in values else -1


def snapshot(env: Any, schema: dict[str, Any]) -> NDArray[np.int32]:
    """Return the row of the current state of `env` as if an episode began here (no event, slots by position)."""
    return StateTracker(schema).start(env)[0]
