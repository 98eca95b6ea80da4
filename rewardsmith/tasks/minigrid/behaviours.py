"""Find generic reward exploits to test on a layout: to and fro before each object, into lava, against a wall.

They are searched among the enumerated states near a solution, so they need no knowledge of rooms or locks.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..base import Behaviour, Schema
from . import columns as col
from .enumerate import StateGraph
from .kernels import E_BLOCKED, E_DIED, FORWARD

LISTED = 12_000
"""The most states that are enumerated to find behaviours; enough for the rooms that a solution passes."""
AWAY = 3
"""The most cells to walk away from an object before coming back."""
DEATH, FAILURE = "into lava", "to an end without success"


def find_behaviours(graph: StateGraph, schema: Schema) -> list[Behaviour]:
    """Return the behaviours found in one layout's state graph, whose node 0 is the start."""
    parent, action = _tree(graph, 0)
    found = _before_objects(schema, graph, parent, action)
    ends = graph.over & ~graph.won
    died = graph.event == E_DIED
    for name, wanted in ((DEATH, ends & died), (FAILURE, ends & ~died), ("against a wall", _bumps(graph))):
        nodes = np.flatnonzero(wanted.any(axis=1) & (parent != -2))
        if len(nodes):  # nodes are numbered breadth-first from the solution, so the first is close to it
            last = int(np.argmax(wanted[nodes[0]]))
            prefix = _way(parent, action, int(nodes[0]))
            found.append(Behaviour(name, (*prefix, last), () if name in (DEATH, FAILURE) else (last,)))
    return found


def _before_objects(
    schema: Schema, graph: StateGraph, parent: NDArray[np.int64], action: NDArray[np.int64]
) -> list[Behaviour]:
    rows = graph.rows[graph.state]
    objects = schema.field("objects")
    kinds = objects.field("kind").values
    found: list[Behaviour] = []
    seen: Counter[str] = Counter()
    for slot in range(objects.length):
        first = objects.start + slot * objects.stride
        if rows[0, first + col.PRESENT] == 0:
            continue
        number = int(rows[0, first + col.KIND])
        kind = kinds[number] if number >= 0 else "object"
        seen[kind] += 1
        before = np.flatnonzero((rows[:, col.FRONT] == slot) & (parent != -2))
        if not len(before):
            continue
        here = int(before[0])
        there = rows[here, [first + col.X, first + col.Y]]
        back, taken = _tree(graph, here)
        distance = np.abs(rows[:, col.AGENT_X] - there[0]) + np.abs(rows[:, col.AGENT_Y] - there[1])
        unmoved = (rows[:, [first + col.X, first + col.Y]] == there).all(axis=1) & (back != -2)
        for cells in range(AWAY, 1, -1):
            far = np.flatnonzero(unmoved & (distance == cells))
            cycle = _cycle(graph, back, taken, far, here) if len(far) else ()
            if cycle:
                name = f"to and fro before the {kind}{f' {seen[kind]}' if seen[kind] > 1 else ''}"
                found.append(Behaviour(name, _way(parent, action, here), cycle))
                break
    return found


def _cycle(
    graph: StateGraph, parent: NDArray[np.int64], action: NDArray[np.int64], far: NDArray[np.int64], here: int
) -> tuple[int, ...]:
    """The shortest cycle from `here` to one of the first four states of `far` and back; empty if none leads back."""
    best: tuple[int, ...] = ()
    for away in far[:4]:
        back, taken = _tree(graph, int(away))
        if back[here] == -2:
            continue
        cycle = (*_way(parent, action, int(away)), *_way(back, taken, here))
        best = cycle if not best or len(cycle) < len(best) else best
    return best


def _bumps(graph: StateGraph) -> NDArray[np.bool_]:
    wanted = np.zeros(graph.over.shape, bool)
    wanted[:, FORWARD] = (graph.event[:, FORWARD] == E_BLOCKED) & (graph.event_object[:, FORWARD] < 0)
    return wanted


def _tree(graph: StateGraph, root: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Breadth-first tree from a node: (parent [N], -1 for the root and -2 if unreachable; action taken [N])."""
    after = np.where(graph.over, -1, graph.node[graph.successor])
    parent, taken = np.full(len(after), -2), np.zeros(len(after), np.int64)
    parent[root] = -1
    front = np.array([root])
    while len(front):
        reached = after[front].ravel()
        new = np.flatnonzero((reached >= 0) & (parent[reached] == -2))
        nodes, first = np.unique(reached[new], return_index=True)
        places = new[first]
        parent[nodes], taken[nodes] = front[places // after.shape[1]], places % after.shape[1]
        front = nodes
    return parent, taken


def _way(parent: NDArray[np.int64], action: NDArray[np.int64], node: int) -> tuple[int, ...]:
    actions: list[int] = []
    while parent[node] >= 0:
        actions.append(int(action[node]))
        node = int(parent[node])
    return tuple(actions[::-1])
