"""Optimal actions in each state of a layout, by the distance to success in actions (turns count)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .enumerate import StateGraph

FAR = np.iinfo(np.int32).max // 2
"""The distance of a state from which success cannot be reached in the graph."""


@dataclass(frozen=True)
class Optimal:
    """Distances and optimal actions of the N nodes of a state graph.

    Attributes:
        distance: int32 [N], the fewest actions to success; FAR if success cannot be reached.
        actions: bool [N, A], every optimal action; none if the distance is FAR.
        exact: bool [N], whether both are exact. In an incomplete graph, a state near its rim may have a shorter path
            through states that were not enumerated.
    """

    distance: NDArray[np.int32]
    actions: NDArray[np.bool_]
    exact: NDArray[np.bool_]


def optimal_actions(graph: StateGraph) -> Optimal:
    """Compute shortest distances to success by a breadth-first search backwards over the whole graph."""
    after = graph.node[graph.successor]
    after = np.where(graph.over, -1, after).astype(np.int32)
    distance = _distances(after, graph.won)
    beyond = np.where(graph.won, 0, np.where(after >= 0, distance[after], FAR))
    actions = (beyond + 1 == distance[:, None]) & (distance[:, None] < FAR)
    depth = _depths(after)
    # A path of d actions from depth k stays within depth k + d; all of that must have been enumerated.
    rim = FAR if graph.complete else int(depth.max()) - 1
    return Optimal(distance, actions, depth + distance <= rim)


@njit(cache=True)
def _distances(after: NDArray[np.int32], won: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Fewest actions to a won transition, int32 [N]; `after` int32 [N, A] is the next node or -1."""
    nodes, actions = after.shape
    first = np.zeros(nodes + 1, np.int64)  # predecessors of each node as one list, in order of the node
    for node in range(nodes):
        for action in range(actions):
            if after[node, action] >= 0:
                first[after[node, action] + 1] += 1
    first = np.cumsum(first)
    place, before = first.copy(), np.empty(first[-1], np.int32)
    distance, queue, tail = np.full(nodes, FAR, np.int32), np.empty(nodes, np.int32), 0
    for node in range(nodes):
        for action in range(actions):
            there = after[node, action]
            if there >= 0:
                before[place[there]] = node
                place[there] += 1
            if won[node, action] and distance[node] == FAR:
                distance[node] = 1
                queue[tail] = node
                tail += 1
    head = 0
    while head < tail:
        node = queue[head]
        head += 1
        for k in range(first[node], first[node + 1]):
            if distance[before[k]] == FAR:
                distance[before[k]] = distance[node] + 1
                queue[tail] = before[k]
                tail += 1
    return distance


@njit(cache=True)
def _depths(after: NDArray[np.int32]) -> NDArray[np.int32]:
    """Fewest actions from node 0, int32 [N]; nodes are numbered in breadth-first order."""
    depth = np.full(after.shape[0], FAR, np.int32)
    depth[0] = 0
    for node in range(after.shape[0]):
        for action in range(after.shape[1]):
            there = after[node, action]
            if there >= 0 and depth[there] > depth[node] + 1:
                depth[there] = depth[node] + 1
    return depth
