"""Describes states in words, for a language model that predicts the next action.

A prompt contains the positions of walls and objects relative to the agent, and the carried object. `FullState` reads
the simulator's state, which is privileged information. `SeenSoFar` reads the agent's own 7x7 views since the start of
the episode, which the agent could remember.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.base import Tables, Task
from rewardsmith.tasks.minigrid import columns as col
from rewardsmith.tasks.minigrid.state_tracker import COLORS, FIRST_OBJECT, KINDS

UNSEEN, EMPTY, WALL, DOOR, KEY, LAVA = 0, 1, 2, 4, 5, 9
TYPE_NAMES = {DOOR: "door", KEY: "key", 6: "ball", 7: "box", 8: "goal", LAVA: "lava"}
TYPES = {"key": KEY, "door": DOOR, "ball": 6, "box": 7, "goal": 8}
DOOR_STATES = ("open", "closed", "locked")
AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Step (x, y) for each direction; y grows downwards, so that right of `ahead` (x, y) is (-y, x)."""

_VIEW = 7
_TO_CODE = np.array([180.0, 15.0, 2.0], dtype=np.float32)  # type / 10, colour / 5, state / 2 to type * 18 + ...
_STATE_COLUMNS = [col.AGENT_X, col.AGENT_Y, col.DIRECTION, col.CARRYING]


class StateDescriber(Protocol):
    """Writes prompts for the states of N environments.

    There are two steps, because most states have occurred before: `look` returns a key per state, and `words` writes
    the prompt of a state with a new key.

    Attributes:
        privileged: Whether prompts contain more than the agent has seen.
    """

    privileged: bool

    def look(
        self, rows: NDArray[np.int32], observations: NDArray[np.float32], starts: NDArray[np.bool_]
    ) -> list[bytes]:
        """Store the present states.

        Args:
            rows: State rows, int32 [N, W].
            observations: Observations, float32 [N, D].
            starts: Whether an episode begins, bool [N].

        Returns:
            One key per environment; equal keys mean equal prompts.
        """
        ...

    def words(self, n: int) -> str:
        """Return the prompt of environment `n`, in its state at the last `look`."""
        ...


class FullState:
    """Writes prompts from the full symbolic state (privileged information)."""

    privileged = True

    def __init__(self, task: Task, tables: Tables, envs: int) -> None:
        self._tables = tables
        self._walls = np.asarray(tables["walls"])
        _, self._plan = np.unique(self._walls.reshape(len(self._walls), -1), axis=0, return_inverse=True)
        self._stride = task.schema.field("objects").stride
        self._columns = [*_STATE_COLUMNS, *range(FIRST_OBJECT, task.schema.width)]
        self._rows = np.zeros((envs, task.schema.width), np.int32)

    def look(
        self, rows: NDArray[np.int32], observations: NDArray[np.float32], starts: NDArray[np.bool_]
    ) -> list[bytes]:
        self._rows = rows
        state = rows[:, self._columns].astype(np.int16)
        plan = self._plan[rows[:, col.LAYOUT]].astype(np.int16)
        return [line.tobytes() for line in np.column_stack([plan, state])]

    def words(self, n: int) -> str:
        row = self._rows[n]
        layout = int(row[col.LAYOUT])
        cells = np.where(self._walls[layout].T, WALL * 18, EMPTY * 18).astype(np.uint8)
        cells[np.asarray(self._tables["lava"])[layout].T] = LAVA * 18
        carried = 0
        for first in range(FIRST_OBJECT, len(row), self._stride):
            item = row[first : first + self._stride]
            if not item[col.PRESENT]:
                continue
            kind = TYPES[KINDS[item[col.KIND]]]
            code = kind * 18 + int(item[col.COLOR]) * 3 + max(int(item[col.STATE]), 0)
            if item[col.CARRIED]:
                carried = code
            else:
                cells[item[col.Y], item[col.X]] = code
        place = int(row[col.AGENT_X]), int(row[col.AGENT_Y]), int(row[col.DIRECTION])
        return describe(cells, *place, carried, self._tables["missions"][layout])


class SeenSoFar:
    """Writes prompts from the agent's views since the start of the episode.

    The map is kept in the grid's coordinates, which an agent could derive by counting its steps. A prompt contains only
    positions relative to the agent.
    """

    privileged = False

    def __init__(self, task: Task, tables: Tables, envs: int) -> None:
        width, height = task.schema.field("width").exact, task.schema.field("height").exact
        self._missions = tables["missions"]
        # With a margin, so that a view at the edge of the grid needs no clipping.
        self._seen = np.zeros((envs, height + 2 * _VIEW, width + 2 * _VIEW), np.uint8)
        self._carried = np.zeros(envs, np.int64)
        self._rows = np.zeros((envs, task.schema.width), np.int32)
        column, row = np.divmod(np.arange(_VIEW * _VIEW), _VIEW)  # as observations are written
        self._forward, self._aside = _VIEW - 1 - row, column - _VIEW // 2
        self._own = (_VIEW // 2) * _VIEW + _VIEW - 1  # the agent's cell shows what it carries

    def look(
        self, rows: NDArray[np.int32], observations: NDArray[np.float32], starts: NDArray[np.bool_]
    ) -> list[bytes]:
        self._rows = rows
        self._seen[starts] = UNSEEN
        view = observations[:, : 3 * _VIEW * _VIEW].reshape(len(rows), -1, 3) @ _TO_CODE
        codes = (view + 0.5).astype(np.int64)
        own = codes[:, self._own]
        self._carried = np.where(own // 18 == EMPTY, 0, own)
        x, y, direction = (rows[:, c] for c in (col.AGENT_X, col.AGENT_Y, col.DIRECTION))
        ahead = np.array(AHEAD)[direction]
        columns = x[:, None] + ahead[:, :1] * self._forward - ahead[:, 1:] * self._aside + _VIEW
        lines = y[:, None] + ahead[:, 1:] * self._forward + ahead[:, :1] * self._aside + _VIEW
        visible = codes >= EMPTY * 18
        # The agent's own cell shows the carried object, so the cell keeps its earlier content.
        visible[:, self._own] = False
        envs = np.broadcast_to(np.arange(len(rows))[:, None], codes.shape)
        self._seen[envs[visible], lines[visible], columns[visible]] = codes[visible]
        places = np.column_stack([x, y, direction, self._carried]).astype(np.int16)
        return [
            here.tobytes() + seen.tobytes() + str(self._missions[row[col.LAYOUT]]).encode()
            for here, seen, row in zip(places, self._seen, rows, strict=True)
        ]

    def words(self, n: int) -> str:
        row = self._rows[n]
        place = int(row[col.AGENT_X]) + _VIEW, int(row[col.AGENT_Y]) + _VIEW, int(row[col.DIRECTION])
        return describe(self._seen[n], *place, int(self._carried[n]), self._missions[int(row[col.LAYOUT])])


def describe(cells: NDArray[np.uint8], x: int, y: int, direction: int, carried: int, mission: str) -> str:
    """Describe a map in words, relative to the agent.

    Colours are named only if a kind of object occurs twice. Otherwise they carry no information, and without them many
    states share a prompt.

    Args:
        cells: Cell codes [H, W]: type * 18 + colour * 3 + state; 0 for an unseen cell.
        x: Column of the agent.
        y: Row of the agent.
        direction: Direction of the agent: 0 right, 1 down, 2 left, 3 up.
        carried: Code of the carried object; 0 for none.
        mission: The mission, which names the target's colour.
    """
    types = cells // 18
    lines, columns = np.nonzero(types >= DOOR)
    found = [(int(cells[j, i]), int(i) - x, int(j) - y) for j, i in zip(lines, columns, strict=True)]
    found = [thing for thing in found if thing[0] // 18 != LAVA]
    kinds = [code // 18 for code, _, _ in found] + ([carried // 18] if carried else [])
    coloured = len(set(kinds)) < len(kinds)
    ux, uy = AHEAD[direction]
    parts = _rays(types, x, y, ux, uy)
    parts.append(f"carrying {_name(carried, coloured, mission)}" if carried else "carrying nothing")
    # Ordered by kind, colour and distance, so that the position of a word carries information.
    for code, dx, dy in sorted(found, key=lambda t: (t[0] // 18, t[0], abs(t[1]) + abs(t[2]), t[1], t[2])):
        parts.append(f"{_name(code, coloured, mission)} {_way(dx * ux + dy * uy, dy * ux - dx * uy)}")
    return ". ".join(parts) + "."


def _rays(types: NDArray[np.uint8], x: int, y: int, ux: int, uy: int) -> list[str]:
    """Count the free cells on each side before a wall, a door, lava or an unseen cell."""
    stops: dict[str, list[str]] = {"walls": [], "lava": [], "unseen": []}
    height, width = types.shape
    for word, sx, sy in (("ahead", ux, uy), ("behind", -ux, -uy), ("left", uy, -ux), ("right", -uy, ux)):
        free = 0
        while True:
            i, j = x + (free + 1) * sx, y + (free + 1) * sy
            kind = int(types[j, i]) if 0 <= i < width and 0 <= j < height else WALL
            if kind in (WALL, DOOR, LAVA, UNSEEN):
                break
            free += 1
        stops[{LAVA: "lava", UNSEEN: "unseen"}.get(kind, "walls")].append(f"{free} {word}")
    return [f"{name}: {', '.join(sides)}" for name, sides in stops.items() if sides]


def _way(ahead: int, right: int) -> str:
    forward = f"{abs(ahead)} {'behind' if ahead < 0 else 'ahead'}"
    return f"{forward}, {abs(right)} {'left' if right < 0 else 'right' if right else 'aside'}"


def _name(code: int, coloured: bool, mission: str) -> str:
    kind, color, state = code // 18, COLORS[code % 18 // 3], code % 3
    words = [DOOR_STATES[state]] if kind == DOOR else []
    if coloured and kind in TYPE_NAMES and kind != 8:
        if color in mission and TYPE_NAMES[kind] in mission:
            words.append("target")
        words.append(color)
    return " ".join([*words, TYPE_NAMES.get(kind, "thing")])
