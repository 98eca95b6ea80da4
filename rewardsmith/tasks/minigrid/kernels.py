"""MiniGrid's rules, compiled: one step, one view and one state row, each over a batch of N environments.

- Grids are flat, with PAD walls on each side, so a view never leaves them.
- The code of a cell is minigrid's type * 18 + colour * 3 + state.
- Objects are numbered slots.
- The planner and the enumeration use the same step kernel, so all play by the same rules.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import columns as col
from .families import FETCH, MATCH, OPEN, OPEN_IN_ORDER, PICK_UP, PUT_NEAR, REACH, STAND_BESIDE
from .state_tracker import EVENTS, FIRST_OBJECT, KINDS

PAD = 7  # a view reaches 6 cells ahead of an agent that may stand on the outermost cell
VIEW = 7
EMPTY, WALL, GOAL_CODES, LAVA = 18, 2 * 18 + 5 * 3, 8 * 18, 9 * 18
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)

# Columns of `agent` int32 [N, 8].
POS, DIR, HELD, STEP, EVENT, EVENT_SLOT, SOLVED, EPISODE = range(8)
# Columns of `things` int32 [N, S, 2]; an object at place -1 is carried, inside a box or gone.
PLACE, STATE = range(2)
# Columns of `fixed` int32 [L, S, 5].
KIND, COLOR, CONTENT, TARGET, RANK = range(5)

KEY, DOOR, BALL, BOX, GOAL = range(len(KINDS))
TYPE_OF_KIND = np.array([5, 4, 6, 7, 8], np.int32)  # minigrid's type of key, door, ball, box, goal

E_NONE, E_TURNED, E_MOVED, E_BLOCKED, E_PICKED_UP, E_DROPPED, E_UNLOCKED, E_OPENED, E_CLOSED = range(9)
E_OPENED_BOX, E_REACHED, E_DIED, E_NOTHING, E_DECLARED = range(9, len(EVENTS))


def _scaled() -> np.ndarray:
    """float32 [256, 3]: a cell's type / 10, colour / 5 and state / 2 as a policy sees them."""
    code = np.arange(256)
    return np.stack([code // 18 / 10, code % 18 // 3 / 5, code % 3 / 2], 1).astype(np.float32)


def _spread() -> np.ndarray:
    """int32 [128, 128]: how visibility spreads along a row of a view, as in MiniGrid's process_vis.

    The index is [cells seen from below, transparent cells], one bit per column. The low 7 bits of an entry are the
    cells seen in the row, the next 7 bits the cells lit in the row above.
    """
    table = np.zeros((128, 128), np.int32)
    for row in range(128):
        for clear in range(128):
            seen, above = row, 0
            for i in range(6):
                if seen & clear & (1 << i):
                    seen |= 2 << i
                    above |= 3 << i
            for i in range(6, 0, -1):
                if seen & clear & (1 << i):
                    seen |= 1 << (i - 1)
                    above |= 3 << (i - 1)
            table[row, clear] = seen | above << 7
    return table


SCALED = _scaled()
SPREAD = _spread()
_TYPE, _STATE = np.arange(256) // 18, np.arange(256) % 3
_IS_DOOR = _TYPE == 4
OPAQUE = ((_TYPE == 2) | (_IS_DOOR & (_STATE > 0))).astype(np.int32)
ENTERABLE = (_TYPE == 1) | (_TYPE == 3) | (_IS_DOOR & (_STATE == 0)) | (_TYPE == 8) | (_TYPE == 9)
IS_OBJECT = (_TYPE >= 4) & (_TYPE <= 8)
IS_CARRYABLE = (_TYPE >= 5) & (_TYPE <= 7)


@njit(cache=True)
def stride_of(direction, row_length):
    """Return the offset of the cell ahead in a flat grid."""
    if direction == 0:
        return 1
    if direction == 1:
        return row_length
    if direction == 2:
        return -1
    return -row_length


@njit(cache=True)
def slot_at(things, n, place):
    """Return the slot of the object in a cell, or -1."""
    for slot in range(things.shape[1]):
        if things[n, slot, PLACE] == place:
            return slot
    return -1


@njit(cache=True)
def code_of(fixed, things, n, at, slot):
    """Return the cell code of an object."""
    return TYPE_OF_KIND[fixed[at, slot, KIND]] * 18 + fixed[at, slot, COLOR] * 3 + things[n, slot, STATE]


@njit(cache=True)
def toggle(cells, agent, things, fixed, n, at, front, slot):  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
    """Toggle the object `slot` in the cell `front` and return the event."""
    if slot < 0:
        return E_NOTHING
    kind = fixed[at, slot, KIND]
    if kind == BOX:
        content = fixed[at, slot, CONTENT]
        things[n, slot, PLACE] = -1
        cells[n, front] = EMPTY
        if content >= 0:
            things[n, content, PLACE] = front
            cells[n, front] = code_of(fixed, things, n, at, content)
        return E_OPENED_BOX
    if kind != DOOR:
        return E_NOTHING
    state = things[n, slot, STATE]
    if state == 2:
        held = agent[n, HELD]
        if held < 0 or fixed[at, held, KIND] != KEY or fixed[at, held, COLOR] != fixed[at, slot, COLOR]:
            return E_NOTHING
    things[n, slot, STATE] = 1 if state == 0 else 0
    cells[n, front] = code_of(fixed, things, n, at, slot)
    return E_CLOSED if state == 0 else (E_OPENED if state == 1 else E_UNLOCKED)


@njit(cache=True)
def act(cells, agent, things, fixed, n, at, row_length, action):  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
    """Do MiniGridEnv.step in one environment; return 1 on the goal, -1 in lava, otherwise 0."""
    if action <= RIGHT:
        agent[n, DIR] = (agent[n, DIR] + (3 if action == LEFT else 1)) & 3
        agent[n, EVENT] = E_TURNED
        agent[n, EVENT_SLOT] = -1
        return 0
    front = agent[n, POS] + stride_of(agent[n, DIR], row_length)
    code = cells[n, front]
    slot = slot_at(things, n, front) if IS_OBJECT[code] else -1
    outcome, event, event_slot = 0, E_NOTHING, -1
    if action == FORWARD:
        if ENTERABLE[code]:
            agent[n, POS] = front
            event = E_MOVED
            if code >= GOAL_CODES:
                outcome = 1 if code < LAVA else -1
                event = E_REACHED if code < LAVA else E_DIED
                event_slot = slot
        else:
            event, event_slot = E_BLOCKED, slot
    elif action == PICKUP:
        if agent[n, HELD] < 0 and slot >= 0 and IS_CARRYABLE[code]:
            agent[n, HELD] = slot
            things[n, slot, PLACE] = -1
            cells[n, front] = EMPTY
            event, event_slot = E_PICKED_UP, slot
    elif action == DROP:
        held = agent[n, HELD]
        if held >= 0 and code == EMPTY:
            things[n, held, PLACE] = front
            cells[n, front] = code_of(fixed, things, n, at, held)
            agent[n, HELD] = -1
            event, event_slot = E_DROPPED, held
    elif action == TOGGLE:
        event = toggle(cells, agent, things, fixed, n, at, front, slot)
        event_slot = slot if event != E_NOTHING else -1
    elif action == DONE:
        event = E_DECLARED
    agent[n, EVENT] = event
    agent[n, EVENT_SLOT] = event_slot
    return outcome


@njit(cache=True)
def step_one(cells, agent, things, fixed, goal, n, at, rule, row_length, action):  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
    """Apply one action in environment `n` on layout `at` under the family's rule; return (success, over)."""
    agent[n, STEP] += 1
    if rule == REACH:
        outcome = act(cells, agent, things, fixed, n, at, row_length, action)
        agent[n, SOLVED] = outcome == 1
        return outcome == 1, outcome != 0
    if rule == MATCH and action == PICKUP:
        action = TOGGLE
    held = agent[n, HELD]
    first, second = goal[at, 0], goal[at, 1]
    first_open = rule == OPEN_IN_ORDER and things[n, first, STATE] == 0
    second_open = rule == OPEN_IN_ORDER and things[n, second, STATE] == 0
    outcome = act(cells, agent, things, fixed, n, at, row_length, action)
    won, over = outcome == 1, outcome != 0
    now = agent[n, HELD]
    if rule == PICK_UP:
        won = over = action == PICKUP and now >= 0 and now == first
    elif rule == OPEN:
        won = over = action == TOGGLE and things[n, first, STATE] == 0
    elif rule == OPEN_IN_ORDER:
        if things[n, second, STATE] == 0:
            over, won = True, first_open
        elif things[n, first, STATE] == 0 and second_open:
            over, won = True, False
    elif rule == FETCH:
        over = now >= 0
        won = over and fixed[at, now, TARGET] == 1
    elif rule == STAND_BESIDE:
        over = action in (TOGGLE, DONE)
        distance = abs(agent[n, POS] - first)
        won = action == DONE and (distance == 1 or distance == row_length)
    elif rule == PUT_NEAR:
        if action == PICKUP and now >= 0:
            over = fixed[at, now, TARGET] == 0
        elif action == DROP and held >= 0:
            over = True
            dx = abs(things[n, held, PLACE] % row_length - first % row_length)
            dy = abs(things[n, held, PLACE] // row_length - first // row_length)
            won = now < 0 and dx <= 1 and dy <= 1
    elif rule == MATCH:
        won = agent[n, POS] == first
        over = won or agent[n, POS] == second
    agent[n, SOLVED] = won
    return won, over


@njit(cache=True)
def step_batch(cells, agent, things, layout, fixed, goal, rule, row_length, max_steps, actions,  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
               rewards, terminated, truncated, success):  # fmt: skip
    """Apply one action in every environment."""
    for n in range(agent.shape[0]):
        won, over = step_one(cells, agent, things, fixed, goal, n, layout[n], rule, row_length, actions[n])
        rewards[n] = 1 - 0.9 * (agent[n, STEP] / max_steps) if won else 0.0
        terminated[n] = over
        truncated[n] = (not over) and agent[n, STEP] >= max_steps
        success[n] = won


@njit(cache=True)
def start_batch(mask, order, start_cells, start_agent, start_things, cells, agent, things, layout):  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
    """Start the next episode where `mask` is true; episode e of environment n is number e * N + n of `order`."""
    count = agent.shape[0]
    for n in range(count):
        if mask[n]:
            number = agent[n, EPISODE] * count + n
            # Each pass over the pool is shifted by one, so that an environment gets different layouts.
            at = order[(number + number // order.shape[0]) % order.shape[0]]
            layout[n] = at
            cells[n] = start_cells[at]
            things[n] = start_things[at]
            agent[n, POS] = start_agent[at, 0]
            agent[n, DIR] = start_agent[at, 1]
            agent[n, HELD] = -1
            agent[n, STEP] = 0
            agent[n, EVENT] = E_NONE
            agent[n, EVENT_SLOT] = -1
            agent[n, SOLVED] = 0
            agent[n, EPISODE] += 1


@njit(cache=True)
def spread_of(row, place, aside, lit):
    """Return the entry of SPREAD for the seven cells of grid `row` from `place`, of which `lit` are seen from below."""
    clear = 127
    for i in range(VIEW):
        # Unsigned indices avoid numba's test for negative ones at every read: a third of an observation's time.
        clear ^= OPAQUE[row[np.uint64(place + i * aside)]] << i
    return SPREAD[np.uint64(lit), np.uint64(clear)]


@njit(cache=True)
def view_from(agent, n, row_length):
    """Return (leftmost cell of the view's nearest row, offset of the row ahead, offset of the cell to the right)."""
    aside = stride_of((agent[n, DIR] + 1) & 3, row_length)
    return agent[n, POS] - 3 * aside, stride_of(agent[n, DIR], row_length), aside


@njit(cache=True)
def observe_batch(mask, cells, agent, things, layout, fixed, features, see_through, row_length, out):  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
    """Write policy observations [N, 151 + F]: scaled view in minigrid's order, direction, mission code."""
    for n in range(agent.shape[0]):
        if not mask[n]:
            continue
        at, row, line, held = layout[n], cells[n], out[n], agent[n, HELD]
        hand = code_of(fixed, things, n, at, held) if held >= 0 else EMPTY
        left, ahead, aside = view_from(agent, n, row_length)
        lit = 8  # only the agent's own column of the nearest row
        for j in range(VIEW - 1, -1, -1):
            place = left + (VIEW - 1 - j) * ahead
            seen = 127
            if not see_through:
                spread = spread_of(row, place, aside, lit)
                seen, lit = spread & 127, spread >> 7
            k = 3 * j
            for i in range(VIEW):
                code = np.uint64(row[np.uint64(place + i * aside)] * ((seen >> i) & 1))
                if j == VIEW - 1 and i == 3:
                    code = np.uint64(hand)
                line[np.uint64(k)] = SCALED[code, 0]
                line[np.uint64(k + 1)] = SCALED[code, 1]
                line[np.uint64(k + 2)] = SCALED[code, 2]
                k += 3 * VIEW
        for d in range(4):
            line[3 * VIEW * VIEW + d] = 1.0 if agent[n, DIR] == d else 0.0
        for f in range(features.shape[1]):
            line[3 * VIEW * VIEW + 4 + f] = features[at, f]


@njit(cache=True)
def view_one(cells, agent, things, fixed, n, at, see_through, row_length, view):  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
    """Write the 49 cell codes that the agent sees into `view` int32 [49], row by row, 0 where unseen."""
    left, ahead, aside = view_from(agent, n, row_length)
    lit = 8
    for j in range(VIEW - 1, -1, -1):
        place = left + (VIEW - 1 - j) * ahead
        seen = 127
        if not see_through:
            spread = spread_of(cells[n], place, aside, lit)
            seen, lit = spread & 127, spread >> 7
        for i in range(VIEW):
            view[j * VIEW + i] = cells[n, place + i * aside] * ((seen >> i) & 1)
    held = agent[n, HELD]
    view[6 * VIEW + 3] = code_of(fixed, things, n, at, held) if held >= 0 else EMPTY


@njit(cache=True)
def images_batch(cells, agent, things, layout, fixed, see_through, row_length, out):  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
    """Write MiniGrid's own images into `out`, uint8 [N, 7, 7, 3]."""
    view = np.empty(VIEW * VIEW, np.int32)
    for n in range(agent.shape[0]):
        view_one(cells, agent, things, fixed, n, layout[n], see_through, row_length, view)
        for j in range(VIEW):
            for i in range(VIEW):
                code = view[j * VIEW + i]
                out[n, i, j, 0] = code // 18
                out[n, i, j, 1] = code % 18 // 3
                out[n, i, j, 2] = code % 3


@njit(cache=True)
def rows_batch(cells, agent, things, layout, fixed, row_length, max_steps, width, height, ranked, out):  # noqa: PLR0913  (a kernel: numba compiles arrays, not objects)
    """Write state rows into `out` int32 [N, width]; columns.py names the columns."""
    stride = 11 if ranked else 10
    for n in range(agent.shape[0]):
        at = layout[n]
        place, held = agent[n, POS], agent[n, HELD]
        x, y = place % row_length - PAD, place // row_length - PAD
        front = place + stride_of(agent[n, DIR], row_length)
        out[n, col.LAYOUT] = at
        out[n, col.STEP] = agent[n, STEP]
        out[n, col.MAX_STEPS] = max_steps
        out[n, col.WIDTH] = width
        out[n, col.HEIGHT] = height
        out[n, col.EVENT] = agent[n, EVENT]
        out[n, col.EVENT_OBJECT] = agent[n, EVENT_SLOT]
        out[n, col.SOLVED] = agent[n, SOLVED]
        out[n, col.AGENT_X] = x
        out[n, col.AGENT_Y] = y
        out[n, col.DIRECTION] = agent[n, DIR]
        out[n, col.FRONT_X] = front % row_length - PAD
        out[n, col.FRONT_Y] = front // row_length - PAD
        out[n, col.FRONT] = -1
        out[n, col.CARRYING] = held
        out[n, 15] = 0
        base = FIRST_OBJECT
        for slot in range(things.shape[1]):
            where = things[n, slot, PLACE]
            if where == front:
                out[n, col.FRONT] = slot
            carried = slot == held
            kind = fixed[at, slot, KIND]
            there = carried or where >= 0
            out[n, base + col.PRESENT] = there
            out[n, base + col.ID] = slot
            out[n, base + col.KIND] = kind
            out[n, base + col.COLOR] = fixed[at, slot, COLOR]
            out[n, base + col.X] = x if carried else (where % row_length - PAD if there else -1)
            out[n, base + col.Y] = y if carried else (where // row_length - PAD if there else -1)
            out[n, base + col.STATE] = things[n, slot, STATE] if kind == DOOR else -1
            out[n, base + col.CARRIED] = carried
            out[n, base + col.TARGET] = fixed[at, slot, TARGET]
            if ranked:
                out[n, base + col.RANK] = fixed[at, slot, RANK]
            out[n, base + stride - 1] = 0  # walking distance: filled in only if a program declares it
            base += stride
