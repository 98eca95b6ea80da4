"""Every state that one layout can reach, with every action's outcome: the model that a certificate solves.

A state is the search's vector (search.py); step counts are left out, the dynamics do not depend on them.
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
    """M states of one layout, N of them with a move left; A actions each. Node 0 is the start.

    rows: int32 [M, width], step count 0, no event, LAYOUT column 0 (the only layout of `tables`).
    state: int32 [N], the state of each node. successor: int32 [N, A], the state after; node: int32 [M], the node
    of a state or -1. event, event_object: int16 [N, A], what the action did. over, won: bool [N, A].
    complete: whether nothing was left out; otherwise `successor` may lead to states that have no node.
    pay: float64 [2, N, A], what the environment pays at the first step and would at the last, on a line between;
    None where it is MiniGrid's 1.0 and 0.1 for success and nothing else.
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
        """What the environment pays [K, A] for every action of nodes at the first step, or as it would at the last."""
        if self.pay is not None:
            return self.pay[int(last), nodes]
        return np.where(self.won[nodes], LAST if last else FIRST, 0.0)

    def rows_before(self, nodes: NDArray[np.int64], step: int = 0) -> NDArray[np.int32]:
        """The rows int32 [K, width] of nodes, as if reached at `step`."""
        rows = self.rows[self.state[nodes]]
        rows[:, col.STEP] = step
        return rows

    def rows_after(self, nodes: NDArray[np.int64], step: int = 1) -> NDArray[np.int32]:
        """The rows int32 [K, A, width] after every action."""
        rows = self.rows[self.successor[nodes]]
        rows[..., col.STEP] = step
        rows[..., col.EVENT] = self.event[nodes]
        rows[..., col.EVENT_OBJECT] = self.event_object[nodes]
        rows[..., col.SOLVED] = self.won[nodes]
        return rows


class Enumerator:
    """State graphs of the layouts of a pool."""

    def __init__(self, pool: Pool, family: Family, max_steps: int) -> None:
        self._pool, self._family, self._max_steps = pool, family, max_steps
        self._layouts = Layouts(pool, family)

    def explore(self, layout: int, limit: int, events: bool, along: Sequence[int] = ()) -> StateGraph:
        """The graph of a layout, cut off at `limit` nodes.

        `events`: states that the last action reached otherwise are told apart. Costly features are not filled in.
        `along`: actions from the start on; what is nearest to any state that they pass is enumerated first.
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
        tables = {
            name: t[layout : layout + 1] for name, t in pool_tables(self._pool).items()
        }  # one layout: its tables travel into the sandbox
        rows = self._rows(states, layout, slots, events)
        over, won = flags & OVER > 0, flags & WON > 0
        return StateGraph(layout, rows, state, node, successor, event, item, over, won, complete, tables)

    def count(self, layout: int, cap: int) -> tuple[int, bool]:
        """(states with a move left, at most `cap`; whether these are all); the last event is not told apart."""
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
        rows[:, col.LAYOUT] = 0
        return rows


@njit(cache=True)
def wider(old, size, fill):
    """A copy of `old` with `size` rows."""
    new = np.full((size, old.shape[1]), fill, old.dtype)
    new[: old.shape[0]] = old
    return new


@njit(cache=True)
def explore(base, starts, slots, board, at, limit, events):
    """Breadth-first over all actions from `starts` [K, width], all different; returns the arrays of StateGraph."""
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
