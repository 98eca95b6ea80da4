"""Transitions of a layout that a program cannot tell apart, as one.

A program's result depends on the rows before and after only by the columns that it reads, on its action and on memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NODES_AT_ONCE = 8192


class Quotient:
    """C classes of nodes and E classes of transitions of a state graph with N nodes and A actions.

    Args:
        graph: The state graph of a layout.
        columns: int64 [K], the columns that the program reads.
        blind: Whether the program cannot depend on the action.

    Attributes:
        of_node: int64 [N], the class of each node.
        of_pair: int64 [N, A], the class of each transition.
        source: int64 [E], the class of the nodes before, in increasing order.
        target: int64 [E], the class of the node after; -1 if the episode ends.
        action: int64 [E], the action; one of several if `blind`.
        first: int64 [C + 1], where the transitions of each class of nodes begin.
    """

    def __init__(self, graph: Any, columns: NDArray[np.int64], blind: bool) -> None:
        self._graph = graph
        nodes, actions = len(graph.state), graph.successor.shape[1]
        before, after = _Classes(), _Classes()
        parts = [np.arange(k, min(k + _NODES_AT_ONCE, nodes)) for k in range(0, nodes, _NODES_AT_ONCE)]
        self.of_node = np.concatenate([before.numbered(graph.rows_before(part)[:, columns]) for part in parts])
        seen = np.concatenate(
            [after.numbered(graph.rows_after(part).reshape(len(part) * actions, -1)[:, columns]) for part in parts]
        )
        reached = np.where(graph.over, -1, self.of_node[graph.node[graph.successor]]).ravel()
        source = np.repeat(self.of_node, actions)
        taken = np.tile(np.arange(actions), nodes)
        key = (source * (1 if blind else actions) + (0 if blind else taken)) * after.count + seen
        _, key = np.unique(key, return_inverse=True)
        _, pair, inverse = np.unique(key * (before.count + 1) + reached + 1, return_index=True, return_inverse=True)
        self.of_pair = inverse.reshape(nodes, actions)
        self._node, self.action = pair // actions, pair % actions
        self.source, self.target = source[pair], reached[pair]
        self.first = np.searchsorted(self.source, np.arange(before.count + 1))

    def __len__(self) -> int:
        return len(self.first) - 1

    def rows(self, transitions: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return one row before and one row after of each of K classes of transitions, each [K, width]."""
        nodes = self._node[transitions]
        after = self._graph.rows_after(nodes)
        return self._graph.rows_before(nodes), after[np.arange(len(nodes)), self.action[transitions]]

    def leaving(self, classes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the transitions from some classes of nodes."""
        counts = self.first[classes + 1] - self.first[classes]
        offset = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(self.first[classes], counts) + offset


class _Classes:
    """Gives each distinct row a number, in the order in which they are met."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}

    @property
    def count(self) -> int:
        return len(self._known)

    def numbered(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        rows = np.ascontiguousarray(rows)
        if not rows.shape[1]:
            return np.full(len(rows), self._known.setdefault(b"", 0), np.int64)
        first, inverse = _distinct(rows)
        known = [self._known.setdefault(row.tobytes(), len(self._known)) for row in rows[first]]
        return np.array(known, np.int64)[inverse]


def _distinct(rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(where each distinct row first occurs, which of these each row equals)."""
    odd = np.random.default_rng(0).integers(0, 1 << 62, rows.shape[1], np.int64) * 2 + 1
    whole = rows if rows.dtype.kind in "iub" else np.ascontiguousarray(rows, np.float64).view(np.int64)
    with np.errstate(over="ignore"):
        mixed = (whole.astype(np.int64) * odd).sum(axis=1)
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first][inverse], rows):  # two rows have the same sum by chance, or hold NaN
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.ravel().astype(np.int64)
