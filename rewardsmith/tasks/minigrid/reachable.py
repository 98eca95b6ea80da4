"""Compiled helpers of a partial enumeration: the states that a plan passes, and the number of reachable states."""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernels import DIR, EVENT, EVENT_SLOT, PLACE, POS, code_of, step_one, stride_of
from .search import lookup, pack, unpack

FIRST_CAPACITY = 1 << 14


@njit(cache=True)
def place_objects(cells, fixed, things, at):
    """Write the codes of all objects that have a cell into `cells` uint8 [1, C]."""
    for slot in range(things.shape[1]):
        if things[0, slot, PLACE] >= 0:
            cells[0, things[0, slot, PLACE]] = code_of(fixed, things, 0, at, slot)


@njit(cache=True)
def states_along(base, start, slots, board, at, events, actions):
    """Return the distinct states that `actions` pass, int16 [K, width]: the start first, the final state left out."""
    fixed, goal, rule, row_length = board
    width, size = start.shape[0], 8
    while size < 2 * actions.shape[0]:  # a table's size is a power of two
        size *= 2
    states, table = np.empty((actions.shape[0], width), np.int16), np.full(size, -1, np.int32)
    cells, agent = np.empty((1, base.shape[0]), np.uint8), np.zeros((1, 8), np.int32)
    things, vector = np.empty((1, slots, 2), np.int32), start.copy()
    count = 0
    for k in range(actions.shape[0]):
        spot = lookup(table, states, vector)
        if table[spot] < 0:
            states[count], table[spot] = vector, count
            count += 1
        cells[0] = base
        unpack(vector, agent, things)
        place_objects(cells, fixed, things, at)
        _, over = step_one(cells, agent, things, fixed, goal, 0, at, rule, row_length, actions[k])
        if over:
            break
        pack(agent, things, vector)
        if events:
            vector[width - 2], vector[width - 1] = agent[0, EVENT], agent[0, EVENT_SLOT]
    return states[:count].copy()


@njit(cache=True)
def count_states(base, start, slots, board, at, cap):
    """Return (number of non-terminal states reachable from `start`, at most `cap`; whether these are all)."""
    fixed, goal, rule, row_length = board
    states, table = np.empty((FIRST_CAPACITY, start.shape[0]), np.int16), np.full(2 * FIRST_CAPACITY, -1, np.int32)
    cells, agent = np.empty((1, base.shape[0]), np.uint8), np.zeros((1, 8), np.int32)
    things, vector = np.empty((1, slots, 2), np.int32), start.copy()
    cells[0] = base
    states[0] = start
    table[lookup(table, states, start)] = 0
    count, head = 1, 0
    while head < count:
        unpack(states[head], agent, things)
        place_objects(cells, fixed, things, at)
        front = agent[0, POS] + stride_of(agent[0, DIR], row_length)
        before = cells[0, front]
        for action in range(6):  # the last one changes nothing, or ends the episode
            _, over = step_one(cells, agent, things, fixed, goal, 0, at, rule, row_length, action)
            cells[0, front] = before
            pack(agent, things, vector)
            unpack(states[head], agent, things)
            if over:
                continue
            spot = lookup(table, states, vector)
            if table[spot] >= 0:
                continue
            if count == cap:
                return count, False
            if count == states.shape[0]:
                wider = np.empty((2 * count, start.shape[0]), np.int16)
                wider[:count] = states
                states = wider
                table = np.full(4 * count, -1, np.int32)
                for i in range(count):
                    table[lookup(table, states, states[i])] = i
                spot = lookup(table, states, vector)
            states[count], table[spot] = vector, count
            count += 1
        for slot in range(slots):
            if things[0, slot, PLACE] >= 0:
                cells[0, things[0, slot, PLACE]] = base[things[0, slot, PLACE]]
        head += 1
    return count, True
