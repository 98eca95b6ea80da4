"""Walking distances on a grid, through doors as they are: a costly feature that programs must declare.

One function, plain enough for numba and for an interpreter: training compiles it, exported reward files carry
its source as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np


def fill_walk_distances(rows: Any, walls: Any, lava: Any, start: int, stride: int, slots: int) -> None:
    """Write every present object's walking distance into rows, int32 [K, width].

    The distance is the number of cells stepped into from the agent's to the object's own; the object itself need
    not be enterable. Walls, lava, doors that are not open and other objects block the way, goal squares and open
    doors do not. -1: there is no way. A carried object's distance is 0. walls, lava: bool [L, W, H].
    start, stride, slots: where objects lie in a row; an object's last column is its distance.
    """
    door, goal, open_door = 1, 4, 0  # places in KINDS and STATES
    width, height = walls.shape[1], walls.shape[2]
    cells = width * height
    distance = np.empty(cells, np.int32)
    blocked = np.empty(cells, np.uint8)
    queue = np.empty(cells, np.int32)
    for k in range(rows.shape[0]):
        row = rows[k]
        layout = row[0]
        for x in range(width):
            for y in range(height):
                distance[x * height + y] = -1
                blocked[x * height + y] = walls[layout, x, y] or lava[layout, x, y]
        for slot in range(slots):
            first = start + slot * stride
            if row[first] == 0 or row[first + 7] != 0 or row[first + 2] == goal:
                continue
            if row[first + 2] == door and row[first + 6] == open_door:
                continue
            blocked[row[first + 4] * height + row[first + 5]] = 1
        here = row[8] * height + row[9]
        distance[here] = 0
        queue[0] = here
        head, tail = 0, 1
        while head < tail:
            cell = queue[head]
            head += 1
            x, y = cell // height, cell % height
            for side in range(4):
                nx = x + (1 if side == 0 else -1 if side == 1 else 0)
                ny = y + (1 if side == 2 else -1 if side == 3 else 0)
                if nx < 0 or ny < 0 or nx >= width or ny >= height:
                    continue
                beside = nx * height + ny
                if distance[beside] >= 0 or walls[layout, nx, ny]:
                    continue
                distance[beside] = distance[cell] + 1
                # A blocked cell is reached, for the sake of the object in it, but not passed.
                if blocked[beside] == 0:
                    queue[tail] = beside
                    tail += 1
        for slot in range(slots):
            first = start + slot * stride
            row[first + stride - 1] = -1
            if row[first] != 0:
                row[first + stride - 1] = distance[row[first + 4] * height + row[first + 5]]


@lru_cache(maxsize=1)
def compiled_fill() -> Callable[..., None]:
    """fill_walk_distances, compiled (once; cached on disk)."""
    import numba

    return numba.njit(cache=True)(fill_walk_distances)
