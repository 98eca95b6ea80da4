"""A MiniGrid environment of a user's own as a task whose states can be listed, so that rewards for it can be certified.

The real environment is put into one state after another and stepped; nothing of its rules is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from minigrid.minigrid_env import MiniGridEnv

from rewardsmith.errors import UsageError

from . import schema as col
from .enumerate import StateGraph
from .families import FOREIGN_FAMILY
from .planner import Plan
from .pools import FIRST_SEED, Pool, collect_layouts, reset_quietly
from .snapshot import StateTracker
from .task import MiniGridTask

_SIZES = {"train": 64, "select": 32, "claim": 32}
_MOST = 50_000  # states; about 0.4 ms each
_REHEARSED = 4  # random episodes in which the listed states must be what the environment does
_MEASURED = 16  # resets whose grids must be of one size
_SAME = 1e-6  # of rewards: an environment may compute in float32
_MINIGRIDS = frozenset(
    {
        "grid", "carrying", "agent_pos", "agent_dir", "step_count", "actions", "action_space", "observation_space",
        "reward_range", "mission_space", "window", "clock", "render_size", "gen_obs", "_np_random", "_np_random_seed",
        "spec", "metadata",
    }
)  # fmt: skip
"""Attributes of every MiniGridEnv that are kept otherwise, or are none of its dynamics."""


class CustomTask(MiniGridTask):
    """`make()` returns a new MiniGridEnv (or a wrapped one); `name` is what it is called in messages.

    Success is what the environment ends an episode for with a positive reward. The environment must be deterministic
    after its reset, keep its state in the grid, the agent and plain attributes (numbers, texts, flags, None), and pay
    by the state alone, or for success by the step count on a line, as MiniGrid does; otherwise its rewards are checked
    but not certified. Raises UsageError where `make` makes no MiniGridEnv.
    """

    def __init__(self, make: Callable[[], Any], name: str, sizes: Mapping[str, int] | None = None) -> None:
        made = make() if callable(make) else make
        if not callable(make) or not isinstance(getattr(made, "unwrapped", None), MiniGridEnv):
            what = f"makes a {type(made).__name__}" if callable(make) else f"is a {type(made).__name__}"
            raise UsageError(f"{name}: `make` {what}.", "Give a function or class that makes a new MiniGridEnv.")
        super().__init__(name, {**_SIZES, **(sizes or {})})
        self.kin, self.engine, self.deterministic = FOREIGN_FAMILY, "real", False
        self._make = make
        self._graphs = lru_cache(maxsize=8)(self._listed)
        self._pools = lru_cache(maxsize=3)(self._collected)

    def make_env(self) -> Any:
        """A new real environment."""
        return self._make()

    def pool(self, split: str) -> Pool:
        """The layouts of "train", "select" or "claim", kept in memory only."""
        if split not in self.sizes:
            raise ValueError(f"pool {split!r} is none of {', '.join(self.sizes)}")
        return self._pools(split)

    def _collected(self, split: str) -> Pool:
        seen = set() if split == "train" else set(self.pool("train").hashes.tolist())
        env = self.make_env().unwrapped
        sizes = set()
        for seed in range(_MEASURED):
            reset_quietly(env, seed)
            sizes.add((env.width, env.height))
        if len(sizes) > 1:
            raise UsageError(
                f"The grid of {self.id} differs in size between layouts.", "Pad it to one size with walls."
            )
        return collect_layouts(env, self.kin, self.slots, self.sizes[split], FIRST_SEED[split], seen)

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> StateGraph | None:
        """Every state of a training layout; None where the environment does more than its listed states tell."""
        del along  # nearest to the start first, whatever solves
        if events:
            return None
        graph = self._graphs(layout, _MOST)
        if graph is not None and len(graph.state) > limit:
            graph = self._graphs(layout, limit)
        if graph is None or not uses:
            return graph
        rows = graph.rows.copy()
        self.fill_features(rows, graph.tables, uses)
        return StateGraph(**{**vars(graph), "rows": rows})

    def _listed(self, layout: int, limit: int) -> StateGraph | None:
        graph = _Walker(self, layout).explore(limit)
        if graph is None:
            return None
        rng = np.random.default_rng(layout)
        played = [rng.integers(len(self.actions), size=self.max_steps).tolist() for _ in range(_REHEARSED)]
        plan = _shortest(graph)
        played += [] if plan is None else [plan]
        return graph if all(_rehearse(self, graph, layout, actions) for actions in played) else None

    def count_states(self, layout: int, cap: int) -> tuple[int, bool] | None:
        """As of MiniGridTask, by listing them."""
        graph = self._graphs(layout, _MOST)
        if graph is None:
            return None
        return min(cap, len(graph.state)), graph.complete and len(graph.state) <= cap

    def oracle_plans(self, count: int) -> list[tuple[int, list[int]]] | None:
        """Shortest solutions of the first layouts that have one among the states that can be listed."""
        plans = [self.plan(layout) for layout in range(min(count, len(self.pool("train"))))]
        return [(plan.layout, plan.actions) for plan in plans if plan is not None] or None

    def plan(self, layout: int, state_cap: int | None = None) -> Plan | None:
        """The shortest solution among the states that can be listed; None without one that an episode has time for."""
        graph = self._graphs(layout, state_cap or _MOST)
        actions = None if graph is None else _shortest(graph)
        return Plan(layout, actions, True) if actions is not None and len(actions) <= self.max_steps else None


class _Walker:
    """One real environment that is put into states, each kept as what its dynamics may read."""

    def __init__(self, task: CustomTask, layout: int) -> None:
        self.task, self.layout = task, layout
        wrapped = task.make_env()
        reset_quietly(wrapped, int(task.pool("train").seeds[layout]))
        self.env = wrapped.unwrapped
        self.tracker = StateTracker(task.schema)
        self.first, self.tables = self.tracker.start(self.env)
        self.env.gen_obs = dict  # observations are most of the cost and none of the dynamics
        self._alive: list[Any] = []  # every object seen, so that no identity is used twice
        self._kept_elsewhere = self._other_attributes()

    def _other_attributes(self) -> str:
        """What of the environment's own attributes is neither plain nor MiniGrid's, in words that can be compared."""
        return repr(sorted((k, _words(v)) for k, v in vars(self.env).items() if not _plain(v) and k not in _MINIGRIDS))

    def save(self) -> tuple[Any, ...]:
        """(cells, agent, what is carried, doors and boxes, plain attributes): hashable, by identity of objects."""
        env = self.env
        things = [c for c in env.grid.grid if c is not None and c.type in ("door", "box")]
        inside = tuple((id(t), getattr(t, "is_open", None), getattr(t, "is_locked", None)) for t in things)
        plain = {k: v for k, v in vars(env).items() if _plain(v) and k not in _MINIGRIDS}
        held = id(env.carrying) if env.carrying is not None else 0
        agent = (int(env.agent_pos[0]), int(env.agent_pos[1]), int(env.agent_dir))
        return tuple(map(id, env.grid.grid)), agent, held, inside, tuple(sorted(plain.items()))

    def copy(self) -> tuple[Any, ...]:
        """What `put` needs besides the key."""
        self._alive += [c for c in (*self.env.grid.grid, self.env.carrying) if c is not None]
        return list(self.env.grid.grid), self.env.carrying

    def put(self, key: tuple[Any, ...], kept: tuple[Any, ...]) -> None:
        """Put the environment into a saved state."""
        env, (cells, carried) = self.env, kept
        _, agent, _, inside, plain = key
        env.grid.grid, env.carrying, env.step_count = list(cells), carried, 0
        env.agent_pos, env.agent_dir = np.array(agent[:2]), agent[2]
        for name in [k for k, v in vars(env).items() if _plain(v) and k not in _MINIGRIDS]:
            delattr(env, name)
        for name, value in plain:
            setattr(env, name, value)
        state = {number: (is_open, locked) for number, is_open, locked in inside}
        for place, cell in enumerate(cells):
            if cell is None or cell.type in ("wall", "lava"):
                continue
            cell.cur_pos = (place % env.width, place // env.width)
            if cell.type == "door":
                cell.is_open, cell.is_locked = state[id(cell)]
        if carried is not None:
            carried.cur_pos = np.array([-1, -1])

    def explore(self, limit: int) -> StateGraph | None:
        """Breadth-first over all actions, at most `limit` states with a move left; None where states hold more."""
        start = self.save()
        number, kept, rows = {start: 0}, [(start, self.copy())], [self.first]
        state, complete = [0], True
        node, successor, moved, flags, pays = {0: 0}, [], [], [], []
        for here in state:  # grows while it is read
            line = [self._step(kept[here], action) for action in range(len(self.task.actions))]
            if self._other_attributes() != self._kept_elsewhere or any(step[-1] is None for step in line):
                return None
            for key, copied, row, _, over, _ in line:
                if key not in number:
                    number[key] = len(rows)
                    kept.append((key, copied))
                    rows.append(row)
                if not over and number[key] not in node:
                    if len(state) < limit:
                        node[number[key]] = len(state)
                        state.append(number[key])
                    else:
                        complete = False
            successor.append([number[key] for key, *_ in line])
            moved.append([event for *_, event, _, _ in line])
            flags.append([over for *_, over, _ in line])
            pays.append([pay for *_, pay in line])
        return self._graph(rows, state, node, successor, moved, flags, pays, complete)

    def _step(self, saved: tuple[Any, ...], action: int) -> tuple[Any, ...]:
        """(key, copy, row without event, (event, object, solved), over, pay) after one action; pay as `StateGraph`'s,
        None where success is not paid on a line, or the episode is cut short."""
        self.put(*saved)
        self.tracker._row(self.env, 0, -1, False)  # what the next event is told from
        _, paid, over, cut, _ = self.env.step(action)
        row = self.tracker.after(self.env, action, float(paid), bool(over))
        told = (int(row[col.EVENT]), int(row[col.EVENT_OBJECT]), bool(row[col.SOLVED]))
        row[[col.STEP, col.EVENT, col.SOLVED]], row[col.EVENT_OBJECT] = 0, -1
        key, copied = self.save(), self.copy()
        pay = self._line(saved, action, float(paid)) if told[2] else (float(paid), float(paid))
        pay = None if cut and not over and self.task.max_steps > 1 else pay
        return key, copied, row, told, bool(over), pay

    def _line(self, saved: tuple[Any, ...], action: int, first: float) -> tuple[float, float] | None:
        """(pay at step 0, pay at the last step) of an action that succeeds and pays `first` at step 1."""
        steps = self.task.max_steps
        if steps < 2:
            return first, first
        later = {}
        for step in (steps // 2, steps):
            self.put(*saved)
            self.env.step_count = step - 1
            _, paid, over, _, _ = self.env.step(action)
            later[step] = float(paid)
            if not over or later[step] <= 0:
                return None
        slope = (later[steps] - first) / (steps - 1)
        told = first + slope * (steps // 2 - 1)
        return (first - slope, later[steps]) if abs(told - later[steps // 2]) <= _SAME else None

    def _graph(
        self, rows: Any, state: Any, node: Any, successor: Any, moved: Any, flags: Any, pays: Any, complete: bool
    ) -> StateGraph:
        nodes = np.full(len(rows), -1, np.int32)
        nodes[list(node)] = list(node.values())
        told = np.array(moved, np.int32)
        return StateGraph(
            self.layout, np.array(rows, np.int32), np.array(state, np.int32), nodes, np.array(successor, np.int32),
            told[..., 0].astype(np.int16), told[..., 1].astype(np.int16), np.array(flags, bool), told[..., 2] > 0,
            complete, self.tables, np.moveaxis(np.array(pays, np.float64), 2, 0).copy(),
        )  # fmt: skip


def _plain(value: Any) -> bool:
    """Whether an attribute is kept with a state, and put back."""
    return value is None or isinstance(value, int | float | str | bool | np.generic)


def _words(value: Any) -> str:
    return value.tobytes().hex() if isinstance(value, np.ndarray) else repr(value)


def _rehearse(task: CustomTask, graph: StateGraph, layout: int, actions: Sequence[int]) -> bool:
    """Whether an episode of the untouched environment passes the rows, and is paid, as the graph says."""
    env, tracker = task.make_env(), StateTracker(task.schema)
    reset_quietly(env, int(task.pool("train").seeds[layout]))
    tracker.start(env)
    assert graph.pay is not None
    node = 0
    for t, action in enumerate(actions, start=1):
        _, paid, over, cut, _ = env.step(action)
        row = tracker.after(env, action, float(paid), bool(over))
        row[col.STEP] = 1
        told = graph.rows_after(np.array([node]))[0, action]
        begin, end = graph.pay[:, node, action]
        right = abs(float(paid) - (begin + (end - begin) * t / task.max_steps)) <= _SAME * (1 + abs(float(paid)))
        if not right or (row != told).any() or bool(over) != bool(graph.over[node, action]):
            return False
        if not over and bool(cut) != (t == task.max_steps):
            return False  # an episode of another length
        node = int(graph.node[graph.successor[node, action]])
        if over or cut or node < 0:
            break
    env.close()
    return True


def _shortest(graph: StateGraph) -> list[int] | None:
    """Fewest actions from the start to success."""
    came: dict[int, tuple[int, int]] = {0: (-1, -1)}
    waiting = [0]
    for node in waiting:  # grows while it is read
        for action in range(graph.successor.shape[1]):
            if graph.won[node, action]:
                plan = [action]
                while node:
                    node, before = came[node]
                    plan.append(before)
                return plan[::-1]
            there = -1 if graph.over[node, action] else int(graph.node[graph.successor[node, action]])
            if there >= 0 and there not in came:
                came[there] = (node, action)
                waiting.append(there)
    return None
