"""The geometry of a grid that states offer to programs, on a map of three rooms worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import ENV, TrainingReward, free_channels
from rewardsmith.tasks import get_task
from rewardsmith.verification.sample import random_transitions
from sandbox.grid import geometry_of
from sandbox.views import build_view

# Two rooms beside each other and one below; D is a door, L is lava.
MAP = [
    "#########",
    "#...#...#",
    "#...D...#",
    "#...#..L#",
    "##D######",
    "#.......#",
    "#########",
]
FIELDS: list[dict[str, Any]] = [
    {"name": "walls", "kind": "table", "table": "walls", "column": 0},
    {"name": "lava", "kind": "table", "table": "lava", "column": 0},
    {"name": "objects", "kind": "list", "start": 1, "stride": 4, "length": 3, "present": 0, "fields": [
        {"name": "x", "kind": "int", "column": 1}, {"name": "y", "kind": "int", "column": 2},
        {"name": "state", "kind": "choice", "column": 3, "values": ["open", "locked"]},
    ]},
]  # fmt: skip
SCHEMA = {"name": "State", "dtype": "int32", "width": 13, "fields": FIELDS}
CELLS = np.array([list(line) for line in MAP]).T
TABLES = {"walls": (CELLS == "#")[None], "lava": (CELLS == "L")[None]}


def state(key: tuple[int, int] = (1, 1)) -> Any:
    """Objects: a locked door at (4, 2), a locked door at (2, 4), a key."""
    row = [0, 1, 4, 2, 1, 1, 2, 4, 1, 1, *key, -1]
    return build_view(SCHEMA)(row, TABLES)


def test_a_walk_passes_doors_as_if_they_were_open() -> None:
    s = state()
    assert s.walk_steps((1, 1), (7, 1)) == 8  # one row down for the door, and up again
    assert s.walk_steps((1, 1), (1, 1)) == 0
    assert s.walk_steps(s.objects[2], s.objects[1]) == 4
    assert s.walk_steps((1, 1), (7, 3)) == -1, "lava cannot be walked on"
    assert s.walk_steps((7, 3), (6, 3)) == -1 and s.walk_steps((7, 3), (7, 3)) == 0


def test_rooms_are_numbered_in_reading_order_and_doors_have_none() -> None:
    s = state()
    assert [s.room_of(place) for place in ((1, 1), (6, 2), (7, 5), (4, 2), (0, 0), (7, 3))] == [
        0,
        1,
        2,
        None,
        None,
        None,
    ]
    assert s.rooms_between((7, 1), (7, 5)) == [1, 0, 2]
    assert s.rooms_between((7, 1), (7, 3)) == []


def test_doors_between_places_come_in_the_order_of_the_walk() -> None:
    s = state()
    assert s.doors_between((7, 1), (7, 5)) == [s.objects[0], s.objects[1]]
    assert s.doors_between((1, 1), (2, 3)) == [] == s.doors_between((1, 1), s.objects[0])
    assert s.doors_between(0, 2) == [s.objects[1]] and s.doors_between(1, 2) == []


def test_neighbours_are_cells_that_can_be_entered() -> None:
    s = state()
    assert s.neighbours((1, 1)) == [(2, 1), (1, 2)]
    assert s.neighbours((6, 3)) == [(5, 3), (6, 2)]


def test_a_place_that_is_none_or_outside_is_refused_with_the_reason() -> None:
    s = state()
    with pytest.raises(TypeError, match="test the object first"):
        s.walk_steps(None, (1, 1))
    with pytest.raises(ValueError, match="outside the grid of 9 x 7 cells"):
        s.room_of((9, 1))


def test_states_of_one_layout_share_their_geometry() -> None:
    assert geometry_of(state()) is geometry_of(state(key=(3, 3)))


PROGRAM = """
def reward(prev, action, state, memory):
    goal = next(o for o in state.objects if o.target)
    near = prev.walk_steps(prev.agent, goal) - state.walk_steps(state.agent, goal)
    shut = [d for d in state.doors_between(state.agent, goal) if d.state != "open"]
    return {"near": 0.01 * near, "shut": -0.001 * len(shut), "room": 0.0 if state.room_of(goal) is None else 0.001}
"""


def test_a_program_scores_a_task_s_transitions_with_them() -> None:
    task = get_task("MiniGrid-DoorKey-5x5-v0")
    problem = Problem(task, TrainingReward(PROGRAM, ("reward",), free_channels(PROGRAM)), 0.99)
    assert problem.reward.channels[0] == ENV
    rollout = random_transitions(task, 256)
    scores = problem.scores(rollout)
    assert scores is not None
    near, shut = (scores.values[:, :, scores.names.index(name)] for name in ("near", "shut"))
    assert {round(float(v), 3) for v in np.unique(near)} == {-0.01, 0.0, 0.01}
    assert {-0.001} <= {round(float(v), 4) for v in np.unique(shut)} <= {-0.001, 0.0}
