"""Controllers of FetchReach, PointMaze and Reacher."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

Cell = tuple[int, int]


def reach(state: Any) -> tuple[float, ...]:
    """Move the gripper of Fetch straight to the goal, with the fingers still."""
    return *(10.0 * (goal - at) for goal, at in zip(state.desired_goal, state.achieved_goal, strict=True)), 0.0


class RollThroughMaze:
    """Roll the ball of PointMaze along a shortest way through the map of the maze, which the policy does not see."""

    def __init__(self) -> None:
        self._goal: Cell | None = None
        self._far: dict[Cell, int] = {}

    def act(self, state: Any, env: Any) -> tuple[float, float]:
        """Return the force on the ball: towards the next cell of the way, damped by its velocity."""
        maze = env.maze
        here, goal = (_cell(maze, place) for place in (state.place, state.desired_goal))
        if goal != self._goal:
            self._goal, self._far = goal, _distances(maze.maze_map, goal)
        if here == goal or here not in self._far:
            target = tuple(state.desired_goal)
        else:
            target = maze.cell_rowcol_to_xy(_target(self._far, here))
        at, speed = state.place, state.velocity
        return 5.0 * (target[0] - at[0]) - 2.0 * speed[0], 5.0 * (target[1] - at[1]) - 2.0 * speed[1]


def _cell(maze: Any, place: Any) -> Cell:
    row, column = maze.cell_xy_to_rowcol(place)
    return int(row), int(column)


def _around(cell: Cell) -> tuple[Cell, ...]:
    row, column = cell
    return (row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)


def _distances(cells: Any, goal: Cell) -> dict[Cell, int]:
    """The number of cells from each free cell to the goal, by breadth-first search."""
    far, waiting = {goal: 0}, deque([goal])
    while waiting:
        cell = waiting.popleft()
        for row, column in _around(cell):
            inside = 0 <= row < len(cells) and 0 <= column < len(cells[0])
            if inside and (row, column) not in far and cells[row][column] != 1:
                far[row, column] = far[cell] + 1
                waiting.append((row, column))
    return far


def _target(far: dict[Cell, int], here: Cell) -> Cell:
    """The neighbour nearest to the goal."""
    return min((cell for cell in _around(here) if cell in far), key=far.__getitem__)


_UPPER, _LOWER = 0.1, 0.11  # m, lengths of Reacher's two links


def reach_with_two_links(state: Any) -> tuple[float, float]:
    """Turn the two joints of Reacher, gently, to the angles at which the fingertip is at the target."""
    first = math.atan2(state.sines.joint0, state.cosines.joint0)
    second = math.atan2(state.sines.joint1, state.cosines.joint1)
    x, y = state.target
    cosine = (x * x + y * y - _UPPER**2 - _LOWER**2) / (2 * _UPPER * _LOWER)
    bend = math.copysign(math.acos(min(max(cosine, -1.0), 1.0)), second)
    swing = math.atan2(y, x) - math.atan2(_LOWER * math.sin(bend), _UPPER + _LOWER * math.cos(bend))
    upper = 0.33 * math.remainder(swing - first, 2 * math.pi) - 0.09 * state.velocity.joint0
    lower = 0.2 * math.remainder(bend - second, 2 * math.pi) - 0.045 * state.velocity.joint1
    return upper, lower
