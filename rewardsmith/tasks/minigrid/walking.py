"""Walking distances on a grid, with doors as they are: a costly feature that programs must declare.

The one function is plain enough for numba and for an interpreter: training compiles it, and exported reward files
contain its source unchanged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np


def fill_walk_distances(rows: Any, walls: Any, lava: Any, start: int, stride: int, slots: int) -> None:
    """Write the walking distance from the agent to every present object into the object's last column.

    The distance is the number of cells stepped into from the agent's cell to the object's cell, which need not be
    enterable. Walls, lava, doors that are not open and other objects block the path; goal squares and open doors do
    not. The distance is -1 if there is no path, and 0 for a carried object.

    Args:
        rows: State rows, int32 [K, width].
        walls: bool [L, W, H].
        lava: bool [L, W, H].
        start: Column of the first object.
        stride: Columns per object.
        slots: Number of objects.
    """
    door, goal, open_door = 1, 4, 0  # indices into KINDS and STATES
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
                # A blocked cell gets a distance, because of the object in it, but is not passed.
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
    """Return fill_walk_distances compiled by numba; the result is cached in the process and on disk."""
    import numba

    return numba.njit(cache=True)(fill_walk_distances)


def features_code() -> str:
    """Return the source by which an exported reward fills the features that its program declares."""
    part = Path(__file__).parent / "export_parts" / "features.py"
    return f"{inspect.getsource(fill_walk_distances)}\n\n{part.read_text(encoding='utf-8')}"
