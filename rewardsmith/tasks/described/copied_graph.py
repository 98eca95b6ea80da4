"""The states of one start of an environment that was enumerated by saving and restoring it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CopiedGraph:
    """M states of one start, all of the N that are not terminal expanded with all A actions. Node 0 is the start.

    It has the interface of minigrid.enumerate.StateGraph.

    Attributes:
        layout: The training layout.
        rows: float64 [M, W], with step count 0, no success and no failure.
        state: int32 [N], the state of each node.
        node: int32 [M], the node of each state, or -1 if it is terminal.
        successor: int32 [N, A], the state after each action.
        over: bool [N, A], whether the action ends the episode.
        won: bool [N, A], whether the action succeeds.
        pay: float64 [N, A], the environment's reward.
        complete: Whether every state that is not terminal is a node.
    """

    layout: int
    rows: NDArray[np.float64]
    state: NDArray[np.int32]
    node: NDArray[np.int32]
    successor: NDArray[np.int32]
    over: NDArray[np.bool_]
    won: NDArray[np.bool_]
    pay: NDArray[np.float64]
    complete: bool = True

    @property
    def tables(self) -> dict[str, Any]:
        """Return no tables: rows refer to none."""
        return {}

    def paid(self, nodes: NDArray[np.int64], last: bool = False) -> NDArray[np.float64]:
        """Return the environment's reward of every action of `nodes` [K] at any step, float64 [K, A]."""
        del last
        return self.pay[nodes]

    def rows_before(self, nodes: NDArray[np.int64], step: int = 0) -> NDArray[np.float64]:
        """Return the rows of `nodes` [K] as if reached at `step`, float64 [K, W]."""
        rows = self.rows[self.state[nodes]]
        rows[:, -3] = step
        return rows

    def rows_after(self, nodes: NDArray[np.int64], step: int = 1) -> NDArray[np.float64]:
        """Return the rows after every action of `nodes` [K], with step count `step`, float64 [K, A, W]."""
        rows = self.rows[self.successor[nodes]]
        rows[..., -3] = step
        rows[..., -2] = self.won[nodes]
        rows[..., -1] = self.over[nodes] & ~self.won[nodes]
        return rows
