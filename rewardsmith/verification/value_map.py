"""The certificate of one layout as data for a picture: optimal values and actions of each cell and facing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.pictures import Pictured

from .counterexample import read_behaviour
from .model import NotCertified, RewardModel, build_model
from .plans import plan_of
from .solving import END, solve
from .timed_success import success_pay

_MOST_STATES = 20_000
_MOST_PANELS = 4
_SHOWN = 80  # steps of a path


@dataclass(frozen=True)
class Panel:
    """The layout in one situation: its objects at their places and what is carried.

    Attributes:
        objects: The objects, as in tasks.pictures.
        held: The carried object, or None.
        values: By (x, y, facing): the optimal value, the largest over the program's memories, and an optimal action.
        best: The places (x, y) of the optimal path in this situation, in order.
        exploit: The places of the counter-example in this situation, in order.
    """

    objects: Sequence[Any]
    held: Sequence[str] | None
    values: Mapping[tuple[int, int, int], tuple[float, int]]
    best: Sequence[tuple[int, int]]
    exploit: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class ValueMap:
    """The optimal values of a reward on one layout, a panel per situation in the order in which they are reached.

    Attributes:
        layout: Index of the layout in the task's training pool.
        actions: Names of the actions.
        width, height: Size of the grid in cells.
        walls, lava: Their cells.
        panels: At most four situations: those of the optimal path, then those of the counter-example.
    """

    layout: int
    actions: Sequence[str]
    width: int
    height: int
    walls: Sequence[tuple[int, int]]
    lava: Sequence[tuple[int, int]]
    panels: Sequence[Panel]


def value_map(problem: Problem, layout: int, limit: int, example: Mapping[str, Any] | None = None) -> ValueMap:
    """Compute the optimal values of a reward on one training layout.

    Args:
        problem: The task, the reward and the learner's gamma.
        layout: Index of the layout.
        limit: Most (state, memory, gates) triples to enumerate.
        example: A stored counter-example on this layout, whose path is drawn.

    Raises:
        NotCertified: The reward cannot be enumerated on this layout, or the task draws no grids.
        sandbox.HostError: The program fails.
    """
    task = problem.task
    if not isinstance(task, Pictured):
        raise NotCertified("the task's states are not drawn as grids")
    model = success_pay(problem, build_model(problem, layout, limit, plan_of(task, layout))).model
    if model.missing:
        raise NotCertified(model.missing)
    graph = model.graph
    if len(graph.state) > _MOST_STATES:
        raise NotCertified(f"a picture of {len(graph.state):,} states would be too large")
    solution = solve(model.successor, model.high, np.ones(model.successor.shape, dtype=bool), problem.gamma)
    picture = task.picture(graph.rows[graph.state], graph.tables)
    places, objects = [], []
    for x, y, facing, held, now in picture["states"]:
        objects = objects if now is None else now
        places.append(((x, y, facing), (tuple(held) if held else None, tuple(map(tuple, objects)))))
    best = _followed(model, lambda node, t: int(solution.policy[node]))
    exploit: list[int] = []
    if example is not None:
        behaviour = read_behaviour(example)
        exploit = _followed(model, lambda node, t: int(behaviour.action(t)))
    panels = _panels(model, places, solution.value, solution.policy, (best, exploit))
    cells = {name: [(int(x), int(y)) for x, y in picture[name]] for name in ("walls", "lava")}
    size = int(picture["width"]), int(picture["height"])
    return ValueMap(layout, task.actions.names, *size, cells["walls"], cells["lava"], panels)


def _followed(model: RewardModel, choose: Any) -> list[int]:
    """Return the nodes from the start on, at most _SHOWN."""
    nodes, node = [], 0
    while node != END and len(nodes) < _SHOWN:
        nodes.append(node)
        node = int(model.successor[node, choose(node, len(nodes) - 1)])
    return nodes


def _panels(
    model: RewardModel,
    places: Sequence[tuple[tuple[int, int, int], Any]],
    value: NDArray[np.float64],
    policy: NDArray[np.int8],
    paths: tuple[Sequence[int], Sequence[int]],
) -> list[Panel]:
    situations = list(dict.fromkeys(places[model.state[node]][1] for path in paths for node in path))[:_MOST_PANELS]
    found: dict[Any, dict[tuple[int, int, int], tuple[float, int]]] = {each: {} for each in situations}
    for node, state in enumerate(model.state.tolist()):
        place, situation = places[state]
        if situation in found:
            mine = found[situation]
            if place not in mine or value[node] > mine[place][0]:
                mine[place] = float(value[node]), int(policy[node])
    panels = []
    for held, objects in situations:
        walked = [
            [places[model.state[n]][0][:2] for n in path if places[model.state[n]][1] == (held, objects)]
            for path in paths
        ]
        panels.append(Panel([list(o) for o in objects], held, found[held, objects], *walked))
    return panels
