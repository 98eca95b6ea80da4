"""Enumerate the states of a layout of a real MiniGrid environment, by putting it into one state after another.

This module does not know the environment's rules. Enumeration can stop at any number of states and continue later.
Saving and restoring states would take most of the time. So states share equal parts (the grid, plain attributes), and
only the parts that an action changed are compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from operator import is_, itemgetter
from typing import Any

import numpy as np
from minigrid.minigrid_env import MiniGridEnv
from numpy.typing import NDArray

from ..base import Schema
from ..given.layers import NEUTRAL, LayerState, base_of, succeeds
from ..guarded import called
from ..progress import report
from . import columns as col
from .enumerate import StateGraph
from .pools import reset_quietly
from .state_tracker import EVENTS, StateTracker, is_own, own_state

_SAME = 1e-6  # tolerance of rewards: an environment may compute in float32
_REPORTED = 256  # states between two reports
_EVENTS = {name: number for number, name in enumerate((*EVENTS, *col.OWN_EVENT_DOCS))}
_MINIGRIDS = frozenset(
    {
        "grid", "carrying", "agent_pos", "agent_dir", "step_count", "actions", "action_space", "observation_space",
        "reward_range", "mission_space", "window", "clock", "render_size", "gen_obs", "_np_random", "_np_random_seed",
        "spec", "metadata",
    }
)  # fmt: skip
"""Attributes of every MiniGridEnv that are stored in another way, or do not affect its dynamics."""

Told = tuple[Any, ...]
"""StateTracker's memory of a state, from which it derives the next event."""


@dataclass(frozen=True)
class _Grid:
    """The cells that some states share.

    things: doors, boxes and a user's own objects. placed: objects that may move, each with the position stored in it.
    """

    number: int
    cells: list[Any]
    ids: tuple[int, ...]
    things: tuple[Any, ...]
    placed: tuple[tuple[Any, tuple[int, int]], ...]


@dataclass(frozen=True)
class _Plain:
    """The environment's own attributes, as some states share them.

    names, values: all attributes that MiniGrid does not define. count: the number of all attributes. plain: those of
    plain types.
    """

    number: int
    names: tuple[str, ...]
    values: tuple[Any, ...]
    count: int
    plain: dict[str, Any]

    def held_by(self, attributes: Mapping[str, Any]) -> bool:
        """Whether `attributes` are unchanged: every value is the same object."""
        if len(attributes) != self.count:
            return False
        try:
            return all(map(is_, itemgetter(*self.names)(attributes), self.values))
        except KeyError:
            return False


@dataclass(slots=True)
class _State:
    """One state that can be restored. inside: what the grid's things, and a carried one, hold; see `_inside`.

    layers: What the wrappers of a caller keep, see LayerState.
    """

    grid: _Grid
    agent: tuple[int, int, int]
    carried: Any
    inside: tuple[tuple[Any, ...], ...]
    plain: _Plain
    told: Told
    layers: Any


class Walker:
    """Enumerates the states of one training layout, breadth-first over all actions; `graph` returns them.

    Attributes:
        layout: Index of the training layout.
        hidden: Whether the states do not determine the environment's behaviour; then no result is valid.
        tables: The tables of this layout.
    """

    def __init__(self, task_id: str, env: Any, layout: int, seed: int, schema: Schema, actions: int) -> None:
        """Start at the layout's first state.

        Args:
            task_id: The task's id, for messages.
            env: A new environment, which only the walker uses from now on.
            layout: Index of the training layout.
            seed: The seed of the layout.
            schema: The schema of the state rows.
            actions: The number of actions.
        """
        self.layout, self.hidden = layout, False
        self._task_id, self._actions = task_id, actions
        self._steps = schema.field("max_steps").exact
        called(task_id, "reset()", reset_quietly, env, seed)
        self._step_env = env.step  # through wrappers, which may change actions and rewards
        self._env = env.unwrapped
        self._tracker = StateTracker(schema.as_dict())
        first, self.tables = self._tracker.start(self._env)
        self._base, self._layers = base_of(env), None
        if self._base is None:
            self._env.gen_obs = dict  # observations take most of the time and do not affect the dynamics
        else:
            self._layers = LayerState(env)  # a caller's wrappers, which may read observations
        self._grids: dict[tuple[int, ...], _Grid] = {}
        self._plains: dict[tuple[Any, ...], _Plain] = {}
        self._kept_elsewhere = self._other_attributes()
        start, key = self._seen(None)
        start.told = _remembered(self._tracker)
        self._number = {key: 0}
        self._rows, self._kept = [first], [start]  # of every state
        self._state_of, self._node = [0], {0: 0}  # the state of every node, and the node of every state
        self._came: list[tuple[int, int]] = [(-1, -1)]  # (node, action) that led to every node first
        # For every expanded node, in the order of its actions.
        self._successor, self._event, self._item = array("i"), array("h"), array("h")
        self._over, self._won, self._pay = array("b"), array("b"), array("d")
        self._states_after: list[int] = []  # number of known states after each node's expansion
        self._solved_at: tuple[int, int] | None = None

    def __len__(self) -> int:
        """The number of known non-terminal states."""
        return len(self._state_of)

    @property
    def complete(self) -> bool:
        """Whether no state is left to expand."""
        return len(self._states_after) == len(self._state_of)

    def explore(self, limit: int, until_solved: bool = False) -> None:
        """Expand states until `limit` states are expanded or none is left.

        With `until_solved`, also stop at the first state from which an action succeeds.
        """
        first = done = len(self._states_after)
        while done < min(limit, len(self._state_of)) and not self.hidden:
            if until_solved and self._solved_at is not None:
                return
            if (done - first) % _REPORTED == 0:
                report(f"states of layout {self.layout} enumerated", done, limit, bound=True, begins=done == first)
            self._expand(done)
            done = len(self._states_after)

    def plan(self, limit: int) -> list[int] | None:
        """Return the fewest actions from the start to success; None if the first `limit` states do not reach it."""
        self.explore(limit, until_solved=True)
        if self._solved_at is None or self.hidden:
            return None
        node, action = self._solved_at
        plan = [action]
        while node:
            node, action = self._came[node]
            plan.append(action)
        return plan[::-1]

    def graph(self, limit: int) -> StateGraph | None:
        """Return the graph of the first `limit` non-terminal states; None if `hidden`."""
        self.explore(limit)
        if self.hidden:
            return None
        count = min(limit, len(self._states_after))
        states, shape = self._states_after[count - 1], (count, self._actions)
        successor, event, item, over, won = (
            np.array(column[: count * self._actions]).reshape(shape)
            for column in (self._successor, self._event, self._item, self._over, self._won)
        )
        pay = np.array(self._pay[: 2 * count * self._actions]).reshape(*shape, 2)
        state, node = np.array(self._state_of[:count], np.int32), np.full(states, -1, np.int32)
        node[state] = np.arange(count)
        return StateGraph(
            self.layout, np.array(self._rows[:states], np.int32), state, node, successor.astype(np.int32), event, item,
            over > 0, won > 0, bool((over | (node[successor] >= 0)).all()), self.tables, np.moveaxis(pay, 2, 0).copy(),
        )  # fmt: skip

    def _expand(self, here: int) -> None:
        state = self._kept[self._state_of[here]]
        for action in range(self._actions):
            if not self._step(state, here, action):
                self.hidden = True
                return
        if self._other_attributes() != self._kept_elsewhere:
            self.hidden = True
            return
        self._states_after.append(len(self._rows))

    def _step(self, state: _State, here: int, action: int) -> bool:
        """Record an action's outcome.

        False if the success reward is not linear in the step, or if the episode is truncated before its step limit.
        """
        env, tracker = self._env, self._tracker
        self._put(state)
        _, paid, over, cut, _ = called(self._task_id, "step()", self._step_env, action)
        over, paid = bool(over), float(paid)
        if cut and not over and self._steps > 1:
            return False
        _remind(tracker, state.told)
        won = self._won_by(over, paid)
        event, slot = tracker._event(env, action, paid if self._base is None else self._base.paid, over)
        after, key = self._seen(state)
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = len(self._rows)
            self._rows.append(self._row())
            after.told = _remembered(tracker)
            self._kept.append(after)
        if not over and number not in self._node:
            self._node[number] = len(self._state_of)
            self._state_of.append(number)
            self._came.append((here, action))
        if won:
            self._solved_at = self._solved_at or (here, action)
        pay = self._line(state, action, paid) if won else (paid, paid)
        self._successor.append(number)
        self._event.append(_EVENTS[event])
        self._item.append(slot)
        self._over.append(over)
        self._won.append(won)
        self._pay.extend(pay or (0.0, 0.0))
        return pay is not None

    def _won_by(self, over: bool, paid: float) -> bool:
        """Whether a step succeeds: the environment itself ends the episode with a positive reward."""
        return over and succeeds(self._base, over, paid)

    def _line(self, state: _State, action: int, first: float) -> tuple[float, float] | None:
        """(reward at step 0, reward at the last step) of an action that succeeds with reward `first` at step 1.

        None if the reward is not linear in the step.
        """
        steps = self._steps
        if steps < 2:
            return first, first
        later = {}
        for step in (steps // 2, steps):
            self._put(state)
            self._env.step_count = step - 1
            _, paid, over, _, _ = called(self._task_id, "step()", self._step_env, action)
            later[step] = float(paid)
            if not self._won_by(bool(over), later[step]):
                return None
        slope = (later[steps] - first) / (steps - 1)
        told = first + slope * (steps // 2 - 1)
        return (first - slope, later[steps]) if abs(told - later[steps // 2]) <= _SAME else None

    def _row(self) -> NDArray[np.int32]:
        """The row of the environment's present state, without an event."""
        row = self._tracker._row(self._env, 0, -1, False)
        row[col.STEP] = 0
        return row

    def _put(self, state: _State) -> None:
        """Put the environment into a state."""
        env, grid = self._env, state.grid
        x, y, direction = state.agent
        env.grid.grid, env.carrying, env.step_count = grid.cells.copy(), state.carried, 0
        env.agent_pos, env.agent_dir = np.array((x, y)), direction
        if not state.plain.held_by(vars(env)):
            for name in [k for k, v in vars(env).items() if _plain(v) and k not in _MINIGRIDS]:
                delattr(env, name)
            for name, value in state.plain.plain.items():
                setattr(env, name, value)
        for cell, place in grid.placed:
            cell.cur_pos = place
        for thing, inside in zip(_with_held(grid.things, state.carried), state.inside, strict=True):
            if is_own(thing):
                vars(thing).update(inside)
            elif thing.type == "door":
                thing.is_open, thing.is_locked = inside
        if state.carried is not None:
            state.carried.cur_pos = np.array([-1, -1])
        if self._layers is not None:
            self._layers.restore(state.layers)

    def _seen(self, before: _State | None) -> tuple[_State, tuple[Any, ...]]:
        """(the environment's present state, its key); `before` is the state that it came from."""
        env = self._env
        grid = self._grid_of(env.grid.grid, before)
        held = env.carrying
        inside = tuple([_inside(thing) for thing in _with_held(grid.things, held)])
        plain = before.plain if before is not None and before.plain.held_by(vars(env)) else self._plain_of()
        agent = (int(env.agent_pos[0]), int(env.agent_pos[1]), int(env.agent_dir))
        layers_key, layers = (None, None) if self._layers is None else self._layers.save()
        key = (grid.number, agent, id(held) if held is not None else 0, inside, plain.number, layers_key)
        return _State(grid, agent, held, inside, plain, (), layers), key

    def _grid_of(self, cells: list[Any], before: _State | None) -> _Grid:
        ids = tuple(map(id, cells))
        if before is not None and ids == before.grid.ids:
            return before.grid
        known = self._grids.get(ids)
        if known is None:
            things = tuple(c for c in cells if c is not None and (c.type in ("door", "box") or is_own(c)))
            width = self._env.width
            placed = tuple(
                (c, (k % width, k // width))
                for k, c in enumerate(cells)
                if c is not None and c.type not in ("wall", "lava")
            )
            known = self._grids[ids] = _Grid(len(self._grids), list(cells), ids, things, placed)
        return known

    def _plain_of(self) -> _Plain:
        own = {k: v for k, v in vars(self._env).items() if k not in _MINIGRIDS}
        plain = {k: v for k, v in own.items() if _plain(v)}
        key = tuple(sorted(plain.items()))
        known = self._plains.get(key)
        if known is None:
            known = self._plains[key] = _Plain(
                len(self._plains), tuple(own), tuple(own.values()), len(vars(self._env)), plain
            )
        return known

    def _other_attributes(self) -> str:
        """The environment's own attributes that are not plain, as a text that can be compared."""
        return _in_words({k: v for k, v in vars(self._env).items() if not _plain(v)})


def _with_held(things: tuple[Any, ...], held: Any) -> tuple[Any, ...]:
    """The things whose state belongs to a state: those of the grid, and a carried one of the user's own."""
    return (*things, held) if is_own(held) else things


def _inside(thing: Any) -> tuple[Any, ...]:
    """What a thing holds: (is_open, is_locked), or the plain attributes of one of the user's own."""
    return own_state(thing) if is_own(thing) else (getattr(thing, "is_open", None), getattr(thing, "is_locked", None))


def own_attributes(env: MiniGridEnv) -> str:
    """Return all of an environment's own attributes, which its grid may not show, as a text that can be compared."""
    return _in_words(vars(env))


def _in_words(attributes: Mapping[str, Any]) -> str:
    return repr(sorted((k, _words(v)) for k, v in attributes.items() if k not in _MINIGRIDS))


def without_observations(env: Any) -> Any:
    """Take the wrappers off that only count steps, or change observations that no caller's wrapper reads."""
    from gymnasium import ObservationWrapper

    # A caller's wrapper may read what those inside it observe.
    unneeded = (ObservationWrapper, *NEUTRAL) if base_of(env) is None else NEUTRAL
    outer: Any = env
    while isinstance(outer, unneeded):
        outer = outer.env
    layer: Any = outer
    while layer is not outer.unwrapped:
        while isinstance(layer.env, unneeded):
            layer.env = layer.env.env
        layer = layer.env
    return outer


def _remembered(tracker: StateTracker) -> Told:
    return tuple(getattr(tracker, name) for name in _TOLD)


def _remind(tracker: StateTracker, told: Told) -> None:
    for name, value in zip(_TOLD, told, strict=True):
        setattr(tracker, name, value)


_TOLD = ("_position", "_direction", "_front", "_ahead", "_ahead_state", "_carried", "_cells")


def _plain(value: Any) -> bool:
    """Whether an attribute is stored with a state and restored."""
    return value is None or isinstance(value, int | float | str | bool | np.generic)


def _words(value: Any) -> str:
    return value.tobytes().hex() if isinstance(value, np.ndarray) else repr(value)
