"""Enumerate the states that one layout can reach, with every action's outcome: the model that a certificate solves.

A state is the vector of search.py. Step counts are not part of it, because the dynamics do not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..base import Tables
from . import columns as col
from . import kernels
from .batched import Layouts, pool_tables
from .families import Family
from .kernels import EMPTY, EVENT, EVENT_SLOT, IS_OBJECT, PLACE, POS, code_of, step_one, stride_of
from .pay import FIRST, LAST
from .pools import Pool
from .reachable import count_states, states_along
from .search import lookup, pack, unpack

FIRST_CAPACITY = 1 << 13
OVER, WON = 1, 2


@dataclass(frozen=True)
class StateGraph:
    """M states of one layout; N of them are nodes, that is, expanded with all A actions. Node 0 is the start.

    Attributes:
        layout: Index of the training layout.
        rows: int32 [M, width], with step count 0 and no event.
        state: int32 [N], the state of each node.
        node: int32 [M], the node of each state, or -1 if it is terminal or was not expanded.
        successor: int32 [N, A], the state after each action.
        event: int16 [N, A], the event of each action.
        event_object: int16 [N, A], the slot of the object that the event concerns, or -1.
        over: bool [N, A], whether the action ends the episode.
        won: bool [N, A], whether the action succeeds.
        complete: Whether every non-terminal state is a node; otherwise `successor` may lead to states without one.
        tables: The tables that the rows refer to.
        pay: float64 [2, N, A], the environment's reward at the first and at the last step, linear in between; None for
            MiniGrid's reward, which is 1.0 and 0.1 for success and 0 otherwise.
    """

    layout: int
    rows: NDArray[np.int32]
    state: NDArray[np.int32]
    node: NDArray[np.int32]
    successor: NDArray[np.int32]
    event: NDArray[np.int16]
    event_object: NDArray[np.int16]
    over: NDArray[np.bool_]
    won: NDArray[np.bool_]
    complete: bool
    tables: Tables
    pay: NDArray[np.float64] | None = None

    def paid(self, nodes: NDArray[np.int64], last: bool = False) -> NDArray[np.float64]:
        """Return the environment's reward of every action.

        Args:
            nodes: Nodes, int64 [K].
            last: Whether to return the reward at the last step of an episode instead of the first.

        Returns:
            float64 [K, A].
        """
        if self.pay is not None:
            return self.pay[int(last), nodes]
        return np.where(self.won[nodes], LAST if last else FIRST, 0.0)

    def rows_before(self, nodes: NDArray[np.int64], step: int = 0) -> NDArray[np.int32]:
        """Return the rows of `nodes` [K] as if reached at `step`, int32 [K, width]."""
        rows = self.rows[self.state[nodes]]
        rows[:, col.STEP] = step
        return rows

    def rows_after(self, nodes: NDArray[np.int64], step: int = 1) -> NDArray[np.int32]:
        """Return the rows after every action of `nodes` [K], with step count `step`, int32 [K, A, width]."""
        rows = self.rows[self.successor[nodes]]
        rows[..., col.STEP] = step
        rows[..., col.EVENT] = self.event[nodes]
        rows[..., col.EVENT_OBJECT] = self.event_object[nodes]
        rows[..., col.SOLVED] = self.won[nodes]
        return rows


class Enumerator:
    """Computes state graphs of the layouts of a pool."""

    def __init__(self, pool: Pool, family: Family, max_steps: int) -> None:
        self._pool, self._family, self._max_steps = pool, family, max_steps
        self._layouts = Layouts(pool, family)
        self._tables = pool_tables(pool)  # one object for all layouts, so that they can share a reward host

    def explore(self, layout: int, limit: int, events: bool, along: Sequence[int] = ()) -> StateGraph:
        """Return the graph of a layout; costly features are not filled in.

        Args:
            layout: Index of a layout of the pool.
            limit: The most nodes.
            events: Whether states that differ only in the last event are different states.
            along: Actions from the start. States nearest to the ones that they pass are expanded first; without them,
                states nearest to the start.
        """
        lay, slots = self._layouts, self._layouts.things.shape[1]
        base = self._base(layout)
        start = self._start(layout, events)
        starts = start[None]
        if along:
            starts = states_along(base, start, slots, lay.board, layout, events, np.array(along, np.int64))
        states, state, node, successor, event, item, flags, complete = explore(
            base, starts, slots, lay.board, layout, limit, events
        )
        rows = self._rows(states, layout, slots, events)
        over, won = flags & OVER > 0, flags & WON > 0
        return StateGraph(layout, rows, state, node, successor, event, item, over, won, complete, self._tables)

    def count(self, layout: int, cap: int) -> tuple[int, bool]:
        """Return (number of non-terminal states, at most `cap`; whether these are all), events ignored."""
        lay, slots = self._layouts, self._layouts.things.shape[1]
        counted, complete = count_states(self._base(layout), self._start(layout, False), slots, lay.board, layout, cap)
        return int(counted), bool(complete)

    def _base(self, layout: int) -> NDArray[np.uint8]:
        base = self._layouts.cells[layout].copy()
        base[IS_OBJECT[base]] = EMPTY
        return base

    def _start(self, layout: int, events: bool) -> NDArray[np.int16]:
        lay = self._layouts
        start = [*lay.agent[layout], -1, *lay.things[layout].ravel(), *([0, -1] if events else [])]
        return np.array(start, np.int16)

    def _rows(self, states: NDArray[np.int16], layout: int, slots: int, events: bool) -> NDArray[np.int32]:
        count, lay, pool = len(states), self._layouts, self._pool
        agent = np.zeros((count, 8), np.int32)
        agent[:, : kernels.HELD + 1] = states[:, :3]
        agent[:, EVENT_SLOT] = -1
        if events:
            agent[:, EVENT], agent[:, EVENT_SLOT] = states[:, -2], states[:, -1]
        things = states[:, 3 : 3 + 2 * slots].astype(np.int32).reshape(count, slots, 2)
        rows = np.zeros((count, col.row_width(slots, self._family.ranked)), np.int32)
        height, width = pool.cells.shape[1:]
        kernels.rows_batch(
            lay.cells[:1], agent, things, np.full(count, layout, np.int64), lay.fixed, lay.row_length,
            self._max_steps, width, height, self._family.ranked, rows,
        )  # fmt: skip
        return rows


@njit(cache=True)
def wider(old, size, fill):
    """Return a copy of `old` with `size` rows; new rows are set to `fill`."""
    new = np.full((size, old.shape[1]), fill, old.dtype)
    new[: old.shape[0]] = old
    return new


@njit(cache=True)
def explore(base, starts, slots, board, at, limit, events):
    """Search breadth-first over all actions from distinct `starts` [K, width]; return the arrays of a StateGraph."""
    fixed, goal, rule, row_length = board
    size, width = FIRST_CAPACITY, starts.shape[1]
    states, table = np.empty((size, width), np.int16), np.full(size * 2, -1, np.int32)
    node = np.full((size, 1), -1, np.int32)
    room = FIRST_CAPACITY
    state, successor = np.empty((room, 1), np.int32), np.empty((room, 7), np.int32)
    event, item = np.empty((room, 7), np.int16), np.empty((room, 7), np.int16)
    flags = np.zeros((room, 7), np.uint8)
    cells, agent = np.empty((1, base.shape[0]), np.uint8), np.zeros((1, 8), np.int32)
    things, vector = np.empty((1, slots, 2), np.int32), starts[0].copy()
    cells[0] = base
    count = min(starts.shape[0], limit)
    for k in range(count):
        states[k], node[k, 0], state[k, 0] = starts[k], k, k
        table[lookup(table, states, starts[k])] = k
    nodes, head, complete = count, 0, count == starts.shape[0]
    while head < nodes:
        here = state[head, 0]
        unpack(states[here], agent, things)
        for slot in range(slots):
            if things[0, slot, PLACE] >= 0:
                cells[0, things[0, slot, PLACE]] = code_of(fixed, things, 0, at, slot)
        front = agent[0, POS] + stride_of(agent[0, 1], row_length)
        before = cells[0, front]
        for action in range(7):
            won, over = step_one(cells, agent, things, fixed, goal, 0, at, rule, row_length, action)
            cells[0, front] = before
            pack(agent, things, vector)
            if events:
                vector[width - 2], vector[width - 1] = agent[0, EVENT], agent[0, EVENT_SLOT]
            spot = lookup(table, states, vector)
            if table[spot] < 0:
                if count == size:
                    size *= 2
                    states, node = wider(states, size, 0), wider(node, size, -1)
                    table = np.full(size * 2, -1, np.int32)
                    for i in range(count):
                        table[lookup(table, states, states[i])] = i
                    spot = lookup(table, states, vector)
                states[count] = vector
                table[spot] = count
                count += 1
            there = table[spot]
            successor[head, action] = there
            event[head, action], item[head, action] = agent[0, EVENT], agent[0, EVENT_SLOT]
            flags[head, action] = (OVER if over else 0) + (WON if won else 0)
            if not over and node[there, 0] < 0:
                if nodes < limit:
                    if nodes == room:
                        room *= 2
                        state, successor = wider(state, room, 0), wider(successor, room, 0)
                        event, item, flags = wider(event, room, 0), wider(item, room, 0), wider(flags, room, 0)
                    node[there, 0], state[nodes, 0] = nodes, there
                    nodes += 1
                else:
                    complete = False
            unpack(states[here], agent, things)
        for slot in range(slots):
            if things[0, slot, PLACE] >= 0:
                cells[0, things[0, slot, PLACE]] = base[things[0, slot, PLACE]]
        head += 1
    return (states[:count].copy(), state[:nodes, 0].copy(), node[:count, 0].copy(), successor[:nodes].copy(),
            event[:nodes].copy(), item[:nodes].copy(), flags[:nodes].copy(), complete)  # fmt: skip
