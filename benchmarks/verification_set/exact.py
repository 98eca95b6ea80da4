"""The exact optimum of a reward by an independent implementation: MiniGrid, plain Python, value iteration.

The module imports nothing of rewardsmith: no compiled engine, state rows, sandbox or composition. It puts states into
one MiniGrid environment, which steps them, and calls programs as Python functions with views built here.
"""

from __future__ import annotations

import json
import pickle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

ACTIONS = ("TURN_LEFT", "TURN_RIGHT", "FORWARD", "PICK_UP", "DROP", "TOGGLE", "DONE")
DIRECTIONS = ("right", "down", "left", "up")
CARRIED, GONE = -1, -2
ENDED = -1


class TooMany(Exception):
    """The reward has more pairs of state and memory than allowed."""


class Thing:
    """One object as programs see it."""

    __slots__ = ("_world", "carried", "color", "id", "kind", "state", "target", "x", "y")
    _world: View

    @property
    def walk_distance(self) -> int:
        """Steps of a shortest walk from the agent, -1 if there is no way."""
        return self._world.walk_to(self.x, self.y)


class Agent:
    """The agent as programs see it."""

    __slots__ = ("direction", "front_x", "front_y", "x", "y")


class View:
    """One state as programs see it, with the event that led to it."""

    __slots__ = ("_grid", "_walks", "agent", "carrying", "event", "event_object", "front", "objects", "solved")

    def __init__(self, grid: Grid) -> None:
        self._grid, self._walks = grid, None
        self.agent, self.objects = Agent(), grid.things_now()
        env = grid.env
        self.agent.x, self.agent.y = map(int, env.agent_pos)
        self.agent.direction = DIRECTIONS[int(env.agent_dir)]
        self.agent.front_x, self.agent.front_y = map(int, env.front_pos)
        for thing in self.objects:
            thing._world = self
        self.carrying = next((o for o in self.objects if o.carried), None)
        ahead = (self.agent.front_x, self.agent.front_y)
        self.front = next((o for o in self.objects if not o.carried and (o.x, o.y) == ahead), None)
        self.event, self.event_object, self.solved = "none", None, False

    def after(self, event: str, about: int | None, solved: bool) -> View:
        """The same state, reached by an event with the object of id `about`."""
        same = object.__new__(View)
        for name in View.__slots__:
            setattr(same, name, getattr(self, name))
        same.event, same.solved = event, solved
        same.event_object = next((o for o in self.objects if o.id == about), None)
        return same

    width = property(lambda self: self._grid.width)
    height = property(lambda self: self._grid.height)
    walls = property(lambda self: self._grid.walls)
    lava = property(lambda self: self._grid.lava)
    mission = property(lambda self: self._grid.mission)
    max_steps = property(lambda self: self._grid.max_steps)

    def walk_to(self, x: int, y: int) -> int:
        """Steps of a breadth-first search to a cell, -1 without a way; the last cell may hold any object."""
        if self._walks is None:
            self._walks = self._walk()
        return self._walks.get((x, y), -1)

    def _walk(self) -> dict[tuple[int, int], int]:
        solid = {(o.x, o.y) for o in self.objects if not o.carried and o.kind != "goal" and o.state != "open"}
        far = {(self.agent.x, self.agent.y): 0}
        waiting = deque(far)
        while waiting:
            here = waiting.popleft()
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                there = (here[0] + dx, here[1] + dy)
                if there in far or self.walls[there] or self.lava[there]:
                    continue
                far[there] = far[here] + 1
                if there not in solid:
                    waiting.append(there)
        return far


class Grid:
    """One layout of a real MiniGrid environment that can be put into any state."""

    def __init__(self, task: str, seed: int) -> None:
        import gymnasium
        import minigrid  # noqa: F401  registers its ids

        self.env: Any = gymnasium.make(task).unwrapped
        self.env.reset(seed=seed)
        self.env.gen_obs = dict  # observations are most of the cost and none of the dynamics
        self.width, self.height = int(self.env.width), int(self.env.height)
        self.mission, self.max_steps = str(self.env.mission), int(self.env.max_steps)
        self.walls, self.lava = (self._cells(kind) for kind in ("wall", "lava"))
        everything = [(x, y) for y in range(self.height) for x in range(self.width)]
        found = [(c, self.env.grid.get(*c)) for c in everything]
        self.things = [o for _, o in found if o is not None and o.type not in ("wall", "lava", "floor")]
        for cell, thing in found:
            if thing is not None:
                thing.cur_pos = cell
        self.target = getattr(self.env, "obj", None) or next(o for o in self.things if o.type == "goal")

    def _cells(self, kind: str) -> np.ndarray:
        grid = self.env.grid
        found = [[getattr(grid.get(x, y), "type", "") == kind for y in range(self.height)] for x in range(self.width)]
        return np.array(found)

    def key(self) -> tuple[Any, ...]:
        """All values that the dynamics read, except the step count."""
        env = self.env
        x, y = env.agent_pos
        parts: list[Any] = [int(x), int(y), int(env.agent_dir)]
        for thing in self.things:
            if thing is env.carrying:
                parts.append(CARRIED)
            elif thing.type == "door":
                parts.append((bool(thing.is_open), bool(thing.is_locked)))
            else:
                cell = thing.cur_pos
                there = int(cell[0]) >= 0 and env.grid.get(*cell) is thing
                parts.append((int(cell[0]), int(cell[1])) if there else GONE)
        return tuple(parts)

    def put(self, key: tuple[Any, ...]) -> None:
        """Put the environment into a state that `key` returned."""
        env = self.env
        for thing in self.things:
            if thing.type != "door" and int(thing.cur_pos[0]) >= 0 and env.grid.get(*thing.cur_pos) is thing:
                env.grid.set(*thing.cur_pos, None)
        env.agent_pos, env.agent_dir, env.carrying, env.step_count = (key[0], key[1]), key[2], None, 0
        for thing, place in zip(self.things, key[3:], strict=True):
            if thing.type == "door":
                thing.is_open, thing.is_locked = place
            elif place == CARRIED:
                env.carrying, thing.cur_pos = thing, np.array([-1, -1])
            elif place == GONE:
                thing.cur_pos = np.array([-1, -1])
            else:
                thing.cur_pos = place
                env.grid.set(*place, thing)

    def step(self, action: int) -> tuple[bool, bool, str, int | None]:
        """Step the environment; returns (over, solved, event, id of the event's object or None)."""
        env = self.env
        before, held, front = tuple(env.agent_pos), env.carrying, env.grid.get(*env.front_pos)
        was = (front.is_open, front.is_locked) if getattr(front, "type", "") == "door" else None
        _, paid, over, _, _ = env.step(action)
        event, about = self._event(ACTIONS[action], before, held, front, was, bool(over))
        return bool(over), bool(over and paid > 0), event, None if about is None else self._id(about)

    def _event(self, name: str, before: Any, held: Any, front: Any, was: Any, over: bool) -> tuple[str, Any]:
        env = self.env
        if name in ("TURN_LEFT", "TURN_RIGHT"):
            return "turned", None
        if name == "FORWARD":
            if tuple(env.agent_pos) == before:
                return "blocked", front
            kind = getattr(front, "type", "")
            return {"goal": ("reached", front), "lava": ("died", None)}.get(kind, ("moved", None))
        if name == "PICK_UP" and env.carrying is not held:
            return "picked_up", env.carrying
        if name == "DROP" and env.carrying is not held:
            return "dropped", held
        if name == "TOGGLE" and was is not None and was != (front.is_open, front.is_locked):
            return ("closed" if was[0] else "unlocked" if was[1] else "opened"), front
        if name == "TOGGLE" and getattr(front, "type", "") == "box" and env.grid.get(*env.front_pos) is not front:
            return "opened_box", front
        return ("declared" if name == "DONE" else "nothing"), None

    def _id(self, thing: Any) -> int | None:
        return next((i for i, o in enumerate(self.things) if o is thing), None)

    def things_now(self) -> list[Thing]:
        """The objects of the present state, without those that vanished."""
        found = []
        key = self.key()
        for i, (thing, place) in enumerate(zip(self.things, key[3:], strict=True)):
            if place == GONE:
                continue
            seen = Thing()
            seen.id, seen.kind, seen.color, seen.target = i, thing.type, thing.color, thing is self.target
            seen.carried, seen.state = place == CARRIED, None
            if thing.type == "door":
                seen.state = "open" if thing.is_open else "locked" if thing.is_locked else "closed"
            where = self.env.agent_pos if seen.carried else thing.cur_pos
            seen.x, seen.y = int(where[0]), int(where[1])
            found.append(seen)
        return found


@dataclass(frozen=True)
class World:
    """All states of one layout: views, and per state and action (next state, over, solved, view after)."""

    views: list[View]
    moves: list[list[tuple[int, bool, bool, View]]]


def enumerate_world(grid: Grid, most: int) -> World:
    """Enumerate all states breadth-first from the layout's start. Raises TooMany beyond `most` states."""
    start = grid.key()
    number, keys = {start: 0}, [start]
    views, moves = [View(grid)], []
    afters: dict[tuple[int, str, int | None, bool], View] = {}
    for here in keys:  # grows while it is read
        row: list[tuple[int, bool, bool, View]] = []
        moves.append(row)
        if len(here) > len(start):
            continue  # the episode is over there
        for action in range(len(ACTIONS)):
            grid.put(here)
            over, solved, event, about = grid.step(action)
            key = (*grid.key(), over) if over else grid.key()
            if key not in number:
                number[key] = len(views)
                views.append(View(grid))
                keys.append(key)
            there = number[key]
            mark = (there, event, about, solved)
            if mark not in afters:
                afters[mark] = views[there].after(event, about, solved)
            row.append((there, over, solved, afters[mark]))
        if len(views) > most:
            raise TooMany(f"more than {most:,} states")
    return World(views, moves)


@dataclass(frozen=True)
class Model:
    """(state, memory) pairs: successor int [N, A] or ENDED, extra float [N, A] (all but the environment's pay)."""

    successor: np.ndarray
    extra: np.ndarray
    success: np.ndarray


def build(world: World, source: str, gamma: float, most: int) -> Model:
    """Call a program's reward() and potential() on every transition. Raises TooMany and whatever the program raises."""
    space: dict[str, Any] = {name: i for i, name in enumerate(ACTIONS)}
    exec(compile(source, "reward", "exec"), space)  # the set's own texts
    reward, potential = space.get("reward"), space.get("potential")
    phi = [potential(view, {}) if potential else 0.0 for view in world.views]
    number: dict[tuple[int, str], int] = {(0, "{}"): 0}
    pairs: list[tuple[int, str]] = [(0, "{}")]
    frozen: dict[str, bytes] = {}  # memories by their text: equal ones are written alike, and read fast
    rows, extras, wins = [], [], []
    for state, kept in pairs:  # grows while it is read
        row, extra, win = [], [], []
        for action, (there, over, solved, view) in enumerate(world.moves[state]):
            memory = pickle.loads(frozen[kept]) if kept in frozen else {}
            paid = _sum(reward(world.views[state], action, view, memory)) if reward else 0.0
            key = (there, repr(memory) if memory else "{}")
            if memory and not over and key[1] not in frozen:
                frozen[key[1]] = pickle.dumps(memory)
            if not over and key not in number:
                number[key] = len(pairs)
                pairs.append(key)
            row.append(ENDED if over else number[key])
            extra.append(paid + (0.0 if over else gamma * phi[there]) - phi[state])
            win.append(solved)
        rows.append(row)
        extras.append(extra)
        wins.append(win)
        if len(pairs) > most:
            raise TooMany(f"more than {most:,} pairs of state and memory")
    return Model(np.array(rows, np.int32), np.array(extras, np.float64), np.array(wins, bool))


def _sum(value: Any) -> float:
    numbers = value.values() if isinstance(value, dict) else [value]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float | np.integer | np.floating):
            raise TypeError(f"{number!r} is not a number")
    return float(sum(numbers))


def optimum(model: Model, gamma: float, pay: float, *, success: bool) -> np.ndarray:
    """V* of every pair with the success reward `pay`; if not `success`, without the transitions that succeed."""
    allowed = np.ones(model.success.shape, bool) if success else ~model.success
    reward = model.extra + pay * model.success
    return _sweeps(model.successor, reward, allowed, gamma, 1e-12)


@njit(cache=True)
def _sweeps(successor, reward, allowed, gamma, tolerance):
    """Value iteration in place, forwards and backwards in turn (Sutton and Barto, section 4.4)."""
    value = np.zeros(successor.shape[0])
    forwards = True
    while True:
        change = 0.0
        for k in range(successor.shape[0]):
            s = k if forwards else successor.shape[0] - 1 - k
            best = -np.inf
            for a in range(successor.shape[1]):
                if allowed[s, a]:
                    there = successor[s, a]
                    best = max(best, reward[s, a] + (gamma * value[there] if there != ENDED else 0.0))
            change = max(change, abs(best - value[s]))
            value[s] = best
        forwards = not forwards
        if change <= tolerance * (1.0 + np.abs(value).max()):
            return value


def solves(model: Model, gamma: float, pay: float) -> str:
    """ "yes" if every optimal policy succeeds from the start, "tie" if some do, else "no"."""
    best = optimum(model, gamma, pay, success=True)
    without = optimum(model, gamma, pay, success=False)
    slack = 1e-8 * (1.0 + float(np.abs(best).max()))
    if best[0] - without[0] > slack:
        return "yes"
    return "tie" if _reaches(model, best, gamma, pay, slack) else "no"


def _reaches(model: Model, value: np.ndarray, gamma: float, pay: float, slack: float) -> bool:
    after = np.where(model.successor == ENDED, 0.0, value[model.successor])
    good = model.extra + pay * model.success + gamma * after >= value[:, None] - slack
    seen, waiting = {0}, [0]
    while waiting:
        here = waiting.pop()
        for action in np.flatnonzero(good[here]):
            if model.success[here, action]:
                return True
            there = int(model.successor[here, action])
            if there != ENDED and there not in seen:
                seen.add(there)
                waiting.append(there)
    return False


def label(world: World, source: str, gamma: float, most: int, log: Callable[[str], None] = lambda _: None) -> str:
    """sound, unsound, tie, time-dependent, crash, or unknown (too many pairs to list)."""
    try:
        model = build(world, source, gamma, most)
    except TooMany as error:
        log(str(error))
        return "unknown"
    except Exception as error:  # whatever the program does wrong
        log(json.dumps(repr(error)))
        return "crash"
    least = solves(model, gamma, 0.1)
    if least == "yes":
        return "sound"
    most_paid = solves(model, gamma, 1.0)
    return {"no": "unsound", "tie": "tie", "yes": "time-dependent"}[most_paid]
