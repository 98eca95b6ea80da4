"""Geometry of a grid, as methods of the states of grid tasks: walks through all doors, rooms, doors between them.

Walls, lava and the places of doors decide it, and nothing that an agent can change. The text of this file is copied
into exported rewards, so it imports only the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_MOST_GRIDS, _MOST_WALKS = 256, 32
"""Grids kept at once, and maps of distances kept for each: on 25 x 25 cells at most about 80 MB."""


class Geometry:
    """The open cells of one grid, numbered x * height + y.

    Args:
        walls: bool [W, H], where a wall stands.
        lava: bool [W, H], where stepping in ends the episode.
        doors: The cells (x, y) of doors.
    """

    def __init__(self, walls: Any, lava: Any, doors: frozenset[tuple[int, int]]) -> None:
        self.width, self.height = walls.shape
        self.doors = {x * self.height + y for x, y in doors}
        shut = self.shut = (walls | lava).ravel().tolist()
        self.beside = [self._beside(cell, shut) for cell in range(len(shut))]
        self.rooms = self._rooms(shut)
        self.walks: dict[int, tuple[list[int], list[int]]] = {}

    def _beside(self, cell: int, shut: list[bool]) -> list[int]:
        x, y = divmod(cell, self.height)
        near = ((x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1))
        inside = [a * self.height + b for a, b in near if 0 <= a < self.width and 0 <= b < self.height]
        return [other for other in inside if not shut[other]]

    def _rooms(self, shut: list[bool]) -> list[int]:
        """The room of each cell, counted from 0 in reading order; -1 for walls, lava and doors."""
        rooms, count = [-1] * len(shut), 0
        for first in sorted(range(len(shut)), key=lambda cell: (cell % self.height, cell // self.height)):
            if shut[first] or first in self.doors or rooms[first] >= 0:
                continue
            rooms[first], found = count, [first]
            for cell in found:
                for other in self.beside[cell]:
                    if rooms[other] < 0 and other not in self.doors:
                        rooms[other] = count
                        found.append(other)
            count += 1
        return rooms

    def walk_to(self, goal: int) -> tuple[list[int], list[int]]:
        """Return per cell the steps of a shortest walk to `goal`, -1 if there is none, and the cell to step to."""
        if goal not in self.walks:
            if len(self.walks) >= _MOST_WALKS:
                self.walks.clear()
            steps, following, found = [-1] * len(self.beside), [-1] * len(self.beside), [goal]
            steps[goal] = 0
            if self.shut[goal]:
                found = []  # nobody can enter it
            for cell in found:
                for other in self.beside[cell]:
                    if steps[other] < 0:
                        steps[other], following[other] = steps[cell] + 1, cell
                        found.append(other)
            self.walks[goal] = steps, following
        return self.walks[goal]

    def between(self, a: int, b: int) -> list[int]:
        """Return the cells of a shortest walk from `a` to `b`, both included; empty if there is none."""
        steps, following = self.walk_to(b)
        if steps[a] < 0:
            return []
        passed = [a]
        while passed[-1] != b:
            passed.append(following[passed[-1]])
        return passed


_known: dict[Any, Geometry] = {}


def geometry_of(state: Any) -> Geometry:
    """Return the geometry of a state's grid. Doors are the objects whose `state` is not None."""
    found = state._made.get("geometry")
    if found is None:
        doors = frozenset((each.x, each.y) for each in state.objects if each.state is not None)
        key = state.walls.tobytes(), state.lava.tobytes(), state.walls.shape, doors
        if key not in _known:
            if len(_known) >= _MOST_GRIDS:
                _known.clear()
            _known[key] = Geometry(state.walls, state.lava, doors)
        found = state._made["geometry"] = _known[key]
    return found


def _cell(geometry: Geometry, place: Any) -> int:
    if place is None:
        raise TypeError("a place is an object, state.agent or (x, y), and not None: test the object first")
    x, y = (place.x, place.y) if hasattr(place, "x") else place
    if not (0 <= x < geometry.width and 0 <= y < geometry.height):
        raise ValueError(f"the cell ({x}, {y}) is outside the grid of {geometry.width} x {geometry.height} cells")
    return int(x) * geometry.height + int(y)


def walk_steps(self: Any, a: Any, b: Any) -> int:
    """Return the steps of a shortest walk from `a` to `b`, as if all doors were open and no object stood in the way.

    -1 if walls and lava leave no way. A place is an object, `state.agent` or (x, y).
    """
    geometry = geometry_of(self)
    return geometry.walk_to(_cell(geometry, b))[0][_cell(geometry, a)]


def room_of(self: Any, place: Any) -> int | None:
    """Return the number of the room of a place, from 0 in reading order; None on a door, a wall or lava."""
    geometry = geometry_of(self)
    room = geometry.rooms[_cell(geometry, place)]
    return None if room < 0 else room


def rooms_between(self: Any, a: Any, b: Any) -> list[int]:
    """Return the numbers of the rooms that a shortest walk from `a` to `b` passes, in order, both ends included."""
    geometry = geometry_of(self)
    passed: list[int] = []
    for cell in geometry.between(_cell(geometry, a), _cell(geometry, b)):
        room = geometry.rooms[cell]
        if room >= 0 and passed[-1:] != [room]:
            passed.append(room)
    return passed


def doors_between(self: Any, a: Any, b: Any) -> list[Any]:
    """Return the doors that a shortest walk from `a` to `b` passes, in order, without one at either end.

    If `a` and `b` are numbers of rooms, return the doors that connect the two.
    """
    geometry = geometry_of(self)
    doors = {each.x * geometry.height + each.y: each for each in self.objects if each.state is not None}
    if isinstance(a, int) and isinstance(b, int):
        beside = {cell: {geometry.rooms[other] for other in geometry.beside[cell]} for cell in doors}
        return [door for cell, door in doors.items() if {a, b} <= beside[cell]]
    passed = geometry.between(_cell(geometry, a), _cell(geometry, b))
    return [doors[cell] for cell in passed[1:-1] if cell in doors]


def neighbours(self: Any, place: Any) -> list[tuple[int, int]]:
    """Return the cells (x, y) beside a place that are neither wall nor lava, at most four."""
    geometry = geometry_of(self)
    return [divmod(cell, geometry.height) for cell in geometry.beside[_cell(geometry, place)]]


GRID_METHODS: Mapping[str, Callable[..., Any]] = {
    each.__name__: each for each in (walk_steps, room_of, rooms_between, doors_between, neighbours)
}
