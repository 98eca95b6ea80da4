"""Compiled breadth-first search over whole states; it steps with the engine's own kernel.

A state is int16 [3 + 2 S]: the agent's cell, direction and held slot, then each object's cell and state.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .families import STAND_BESIDE
from .kernels import (
    BALL,
    BOX,
    COLOR,
    DIR,
    DONE,
    DOOR,
    E_CLOSED,
    E_OPENED_BOX,
    E_UNLOCKED,
    EVENT,
    HELD,
    KEY,
    KIND,
    PICKUP,
    PLACE,
    POS,
    STATE,
    TARGET,
    code_of,
    slot_at,
    step_one,
    stride_of,
)

FIRST_CAPACITY = 1 << 14
FOUND, EXHAUSTED, CAPPED = range(3)


@njit(cache=True)
def hash_state(state):
    """Return a 64-bit FNV-1a hash of a state vector."""
    code = np.uint64(14695981039346656037)
    for value in state:
        code = (code ^ np.uint64(value & 0xFFFF)) * np.uint64(1099511628211)
    return code ^ (code >> np.uint64(29))


@njit(cache=True)
def lookup(table, states, state):
    """Return the index in the open-addressing `table` where `state` is, or where it would be inserted."""
    mask = table.shape[0] - 1
    spot = np.int64(hash_state(state) & np.uint64(mask))
    while table[spot] >= 0:
        known = states[table[spot]]
        same = True
        for i in range(state.shape[0]):
            if known[i] != state[i]:
                same = False
                break
        if same:
            break
        spot = (spot + 1) & mask
    return spot


@njit(cache=True)
def grow(states, parents, moves, count):
    """Return copies of the arrays with twice the capacity, and a new table of the first `count` states."""
    size = states.shape[0] * 2
    wider = np.empty((size, states.shape[1]), np.int16)
    wider[:count] = states[:count]
    more_parents, more_moves = np.empty(size, np.int32), np.empty(size, np.int8)
    more_parents[:count], more_moves[:count] = parents[:count], moves[:count]
    table = np.full(size * 2, -1, np.int32)
    for i in range(count):
        table[lookup(table, wider, wider[i])] = i
    return wider, more_parents, more_moves, table


@njit(cache=True)
def unpack(state, agent, things):
    """Copy a state vector into the engine's arrays."""
    agent[0, POS], agent[0, DIR], agent[0, HELD] = state[0], state[1], state[2]
    for slot in range(things.shape[1]):
        things[0, slot, PLACE] = state[3 + 2 * slot]
        things[0, slot, STATE] = state[4 + 2 * slot]


@njit(cache=True)
def pack(agent, things, state):
    """Copy the engine's arrays into a state vector."""
    state[0], state[1], state[2] = agent[0, POS], agent[0, DIR], agent[0, HELD]
    for slot in range(things.shape[1]):
        state[3 + 2 * slot] = things[0, slot, PLACE]
        state[4 + 2 * slot] = things[0, slot, STATE]


@njit(cache=True)
def worth_taking(things, fixed, at, slot, row_length):
    """Return whether a staged search picks this object up: it is a target, a matching key, or blocks a door."""
    if fixed[at, slot, TARGET] == 1:
        return True
    place = things[0, slot, PLACE]
    for other in range(things.shape[1]):
        if fixed[at, other, KIND] != DOOR:
            continue
        locked = things[0, other, STATE] == 2
        if locked and fixed[at, slot, KIND] == KEY and fixed[at, slot, COLOR] == fixed[at, other, COLOR]:
            return True
        distance = abs(things[0, other, PLACE] - place)
        if fixed[at, slot, KIND] in (BALL, BOX, KEY) and (distance in (1, row_length)):
            return True
    return False


@njit(cache=True)
def is_progress(event, things, front):
    """Return whether a stage of the search ends here: a door was unlocked, or a box revealed its content."""
    if event == E_UNLOCKED:
        return True
    return event == E_OPENED_BOX and slot_at(things, 0, front) >= 0


@njit(cache=True)
def breadth_first(base, start, board, at, cap, staged):
    """Search for the fewest actions from `start` to success or, if `staged`, to the next step of progress.

    Closing a door never shortens a plan, so closing actions are not followed.

    Returns:
        (outcome, moves, parents, last, state): to read the plan, follow `parents` back from `last`.
    """
    fixed, goal, rule, row_length = board
    slots, size = (start.shape[0] - 3) // 2, FIRST_CAPACITY
    states, parents = np.empty((size, start.shape[0]), np.int16), np.empty(size, np.int32)
    moves, table = np.empty(size, np.int8), np.full(size * 2, -1, np.int32)
    cells, agent = np.empty((1, base.shape[0]), np.uint8), np.zeros((1, 8), np.int32)
    things = np.empty((1, slots, 2), np.int32)
    cells[0] = base
    state = start.copy()
    states[0], parents[0], moves[0] = start, -1, -1
    table[lookup(table, states, start)] = 0
    count, head = 1, 0
    while head < count:
        unpack(states[head], agent, things)
        for slot in range(slots):
            if things[0, slot, PLACE] >= 0:
                cells[0, things[0, slot, PLACE]] = code_of(fixed, things, 0, at, slot)
        front = agent[0, POS] + stride_of(agent[0, DIR], row_length)
        before = cells[0, front]
        ahead = slot_at(things, 0, front)
        takes = ahead >= 0 and (not staged or worth_taking(things, fixed, at, ahead, row_length))
        for action in range(7):
            if action == DONE and rule != STAND_BESIDE:
                continue
            if action == PICKUP and not takes:
                continue
            won, over = step_one(cells, agent, things, fixed, goal, 0, at, rule, row_length, action)
            cells[0, front] = before
            event = agent[0, EVENT]
            pack(agent, things, state)
            done = won or (staged and is_progress(event, things, front))
            if done:  # the state may be a known one, so it is not looked up
                parents[count], moves[count] = head, action
                return (FOUND if won else EXHAUSTED), moves, parents, count, state
            if event != E_CLOSED and not over:
                spot = lookup(table, states, state)
                if table[spot] < 0:
                    states[count], parents[count], moves[count] = state, head, action
                    table[spot] = count
                    count += 1
                    if count == cap:
                        return CAPPED, moves, parents, -1, state
                    if count == states.shape[0]:
                        states, parents, moves, table = grow(states, parents, moves, count)
            unpack(states[head], agent, things)
        for slot in range(slots):
            if things[0, slot, PLACE] >= 0:
                cells[0, things[0, slot, PLACE]] = base[things[0, slot, PLACE]]
        head += 1
    return EXHAUSTED, moves, parents, -1, state
