"""A user's own MiniGrid environment as a task.

Its states can be enumerated, so that its rewards can be certified: the real environment is put into one state after
another and stepped. This module does not know its rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from minigrid.minigrid_env import MiniGridEnv
from numpy.typing import NDArray

from rewardsmith.errors import UsageError

from ..actions import ActionSpace
from ..base import BatchEnv, Behaviour, Schema
from ..given.layers import base_of, base_reward, succeeds
from ..guarded import called
from ..observations import ObservationSpace
from . import behaviours, drawing
from . import columns as col
from .columns import build_schema
from .enumerate import StateGraph
from .families import FOREIGN_FAMILY
from .interface import Told
from .own_batch import OwnBatch
from .own_terms import OwnTerms
from .own_views import OwnView
from .own_world import OwnWorld, examine
from .planner import Plan
from .pools import FIRST_SEED, Pool, collect_layouts, reset_quietly
from .real import with_quick_views
from .state_tracker import StateTracker
from .task import MiniGridTask
from .walker import Walker, own_attributes, without_observations

__all__ = ["CustomTask", "OwnTerms"]

_SIZES = {"train": 64, "select": 32, "claim": 32}
_REHEARSED = 4  # random episodes in which the enumerated states must match the environment
_SAME = 1e-6  # tolerance of rewards: an environment may compute in float32
_KEPT = 150_000  # states kept by all walkers together; each takes 1.6 kB


class CustomTask(MiniGridTask):
    """A task made from a user's own MiniGridEnv.

    Unless the terms say otherwise, an episode succeeds if the environment ends it with a positive reward. Rewards are
    certified only if the environment meets four conditions; otherwise they are checked without a certificate:

    1. It is deterministic after its reset.
    2. Its whole state is in the grid, the agent and plain attributes (numbers, strings, flags, None).
    3. Its reward depends on the state and action alone. Only the success reward may depend on the step count, linearly
       as in MiniGrid.
    4. An episode succeeds by a positive reward at its end, and not by a test of the terms.
    """

    state_limit = 50_000  # takes a few seconds

    def __init__(
        self,
        make: Callable[[], Any],
        name: str,
        sizes: Mapping[str, int] | None = None,
        terms: OwnTerms | None = None,
    ) -> None:
        """Make one environment and check its type.

        Args:
            make: Returns a new MiniGridEnv, possibly wrapped.
            name: The task's id, used in messages.
            sizes: Numbers of layouts by pool, to override 64 ("train"), 32 ("select") and 32 ("claim").
            terms: What a description says of it.

        Raises:
            UsageError: If `make` does not return a MiniGridEnv.
        """
        made = make() if callable(make) else make
        if not callable(make) or not isinstance(getattr(made, "unwrapped", None), MiniGridEnv):
            what = f"makes a {type(made).__name__}" if callable(make) else f"is a {type(made).__name__}"
            raise UsageError(f"{name}: `make` {what}.", "Pass a function or class that returns a new MiniGridEnv.")
        super().__init__(name, {**_SIZES, **(sizes or {})})
        self._make, self._terms = make, terms or OwnTerms()
        self.success_rule = self._terms.success_rule or FOREIGN_FAMILY.success
        self._walkers: dict[int, Walker] = {}
        self._graphs = lru_cache(maxsize=4)(self._listed)
        self._right = lru_cache(maxsize=None)(self._rehearsed)
        self._pools = lru_cache(maxsize=3)(self._collected)

    @cached_property
    def world(self) -> OwnWorld:
        """What resets and random play of the environment show. Raises UsageError, TaskError."""
        env = with_quick_views(self.make_env())
        found = examine(self.id, env, self._terms.labels, self._terms.docs)
        self.family = replace(found.family, name=self.id)
        called(self.id, "close()", env.close)
        return found

    @cached_property
    def _view(self) -> OwnView:
        env = self.make_env()
        space, observed = env.observation_space, self.world.observed
        if keys := self._terms.observe:
            space, observed = _chosen(self.id, space, observed, keys)
        called(self.id, "close()", env.close)
        return OwnView(space, observed, self.family, self.world.codes)

    @property
    def slots(self) -> int:  # type: ignore[override]
        return self.world.slots

    @property
    def actions(self) -> ActionSpace:
        return self.world.actions

    @property
    def max_steps(self) -> int:
        return min(self.world.max_steps, self._terms.max_steps or self.world.max_steps)

    @property
    def view_cells(self) -> int:
        """Cells at the start of an observation; 0 if it holds types of the user's own, or an image."""
        return self._view.cells

    @property
    def observation_size(self) -> int:
        return self._view.space.size

    @property
    def observation(self) -> ObservationSpace:
        """What the environment observes, in its wrappers."""
        return self._view.space

    @cached_property
    def _schema(self) -> Schema:
        world = self.world
        return Schema(build_schema(world.slots, self.family.ranked, world.size, self.max_steps, world.words))

    def draw_observation(self, observation: NDArray[Any]) -> str:
        """Return the agent's own view in an observation [D], one line of text per row of cells."""
        side = self._view.side
        return drawing.draw_view(observation, side) if side else "(the policy's view cannot be drawn in symbols)"

    def _told(self, example: dict[str, Any]) -> Told:
        terms, pay = self._terms, self._terms.env_reward
        rule = f"The environment's own reward: {pay}." if pay else self.world.pay
        return Told(rule, example, terms.goal, self.world.kinds, terms.mechanics, self.success_rule)

    def raw_observations(self) -> None:
        """Return None: which parts of an observation are categories is found by looking at many of them."""

    def make_env(self) -> Any:
        """Make a new real environment; its exceptions become TaskErrors."""
        return called(self.id, "its constructor", self._make)

    def pool(self, split: str) -> Pool:
        """Return the layouts of "train", "select" or "claim"; they are kept in memory only."""
        if split not in self.sizes:
            raise ValueError(f"unknown pool {split!r}; the pools are {', '.join(self.sizes)}")
        return self._pools(split)

    def _collected(self, split: str) -> Pool:
        seen = set() if split == "train" else set(self.pool("train").hashes.tolist())
        count, first, slots = self.sizes[split], FIRST_SEED[split], self.slots
        env = with_quick_views(self.make_env())
        return called(
            self.id, "reset()", collect_layouts, env, self.family, slots, count, first, seen, beside=own_attributes
        )

    def real_batch(self, num_envs: int, pool: str) -> BatchEnv:
        """Return `num_envs` real environments that play the layouts of `pool`."""
        layouts, view = self.pool(pool), self._view
        envs = [self.make_env() for _ in range(num_envs)]
        return OwnBatch(self.id, envs, layouts, self.schema, view, self._terms)

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> StateGraph | None:
        """Enumerate a training layout's states, see TabularModel; None if they do not determine its behaviour."""
        del along  # states nearest to the start are always expanded first
        if events or self._terms.success is not None:
            return None
        graph = self._graphs(layout, limit)
        if graph is None or not uses:
            return graph
        rows = graph.rows.copy()
        self.fill_features(rows, graph.tables, uses)
        return StateGraph(**{**vars(graph), "rows": rows})

    def _listed(self, layout: int, limit: int) -> StateGraph | None:
        graph = self._walker(layout).graph(limit)
        return graph if graph is not None and self._right(layout, len(graph.state)) else None

    def _rehearsed(self, layout: int, states: int) -> bool:
        """Whether random episodes and the plan match the first `states` states in an unmodified environment."""
        walker = self._walker(layout)
        graph = walker.graph(states)
        rng = np.random.default_rng(layout)
        played = [rng.integers(len(self.actions), size=self.max_steps).tolist() for _ in range(_REHEARSED)]
        plan = walker.plan(states)
        played += [] if plan is None else [plan]
        return graph is not None and all(_rehearse(self, graph, layout, actions) for actions in played)

    def _walker(self, layout: int) -> Walker:
        """The walker of a layout, with the states that it already has; least recently used walkers are dropped."""
        walker = self._walkers.pop(layout, None) or self._new_walker(layout)
        self._walkers[layout] = walker
        while len(self._walkers) > 1 and sum(map(len, self._walkers.values())) > _KEPT:
            del self._walkers[next(iter(self._walkers))]
        return walker

    def _new_walker(self, layout: int) -> Walker:
        return Walker(
            self.id,
            without_observations(with_quick_views(self.make_env())),
            layout,
            self.start_seed(layout),
            self.schema,
            len(self.actions),
        )

    def count_states(self, layout: int, cap: int) -> tuple[int, bool] | None:
        """Return (number of states known so far, at most `cap`; whether these are all); enumerate no further ones."""
        if self._terms.success is not None:
            return None
        walker = self._walker(layout)
        return None if walker.hidden else (min(cap, len(walker)), walker.complete and len(walker) <= cap)

    def behaviours(self, layout: int, solution: Sequence[int]) -> list[Behaviour]:
        """Return behaviours as CompiledTask does; none if the states do not determine the environment's behaviour."""
        del solution
        graph = self.state_graph(layout, behaviours.LISTED)
        return [] if graph is None else behaviours.find_behaviours(graph, self.schema)

    def oracle_plans(self, count: int) -> list[tuple[int, list[int]]] | None:
        """Return (layout, actions) for those of the first `count` layouts solved within `state_limit` states."""
        plans = [self.plan(layout) for layout in range(min(count, len(self.pool("train"))))]
        return [(plan.layout, plan.actions) for plan in plans if plan is not None] or None

    def solution(self, layout: int) -> Sequence[int] | None:
        """Return the actions of `plan`, or None without a plan."""
        plan = self.plan(layout)
        return None if plan is None else plan.actions

    def plan(self, layout: int, state_cap: int | None = None) -> Plan | None:
        """Return a shortest solution of a training layout, verified in an unmodified environment.

        Args:
            layout: Index of a training layout.
            state_cap: The most states to enumerate; None for `state_limit`.

        Returns:
            The plan. None if there is none within `state_cap` states and the step limit, or if the states do not
            determine the environment's behaviour.
        """
        if self._terms.success is not None:
            return None  # states are enumerated by the environment's own rule of success
        actions = self._walker(layout).plan(state_cap or self.state_limit)
        if actions is None or len(actions) > self.max_steps or not self._solves(layout, actions):
            return None
        return Plan(layout, actions, True)

    def _solves(self, layout: int, actions: Sequence[int]) -> bool:
        env = self.make_env()
        called(self.id, "reset()", reset_quietly, env, self.start_seed(layout))
        ended = solved = False
        for action in actions:
            _, paid, over, cut, _ = called(self.id, "step()", env.step, action)
            ended, solved = bool(over or cut), bool(over) and succeeds(base_of(env), bool(over), float(paid))
            if ended:
                break
        env.close()
        return ended and solved


def _chosen(task_id: str, space: Any, observed: Sequence[Any], keys: Sequence[str]) -> tuple[Any, list[Any]]:
    """A Dict space and its observations with some keys only. Raises UsageError for a key that is not there."""
    from gymnasium import spaces

    there = list(map(str, space.spaces)) if isinstance(space, spaces.Dict) else []
    if unknown := [key for key in keys if key not in there]:
        has = f"has the keys {', '.join(there)}" if there else "is no Dict"
        raise UsageError(
            f"{task_id} observes no {', '.join(unknown)}: its observation {has}.", "Correct `observe`, or leave it out."
        )
    return spaces.Dict({key: space[key] for key in keys}), [{key: each[key] for key in keys} for each in observed]


def _rehearse(task: CustomTask, graph: StateGraph, layout: int, actions: Sequence[int]) -> bool:
    """Whether an episode of an unmodified environment has the rows and rewards that the graph predicts."""
    env, tracker = task.make_env(), StateTracker(task.schema.as_dict())
    called(task.id, "reset()", reset_quietly, env, task.start_seed(layout))
    tracker.start(env)
    assert graph.pay is not None
    node = 0
    for t, action in enumerate(actions, start=1):
        _, paid, over, cut, _ = called(task.id, "step()", env.step, action)
        row = tracker.after(env, action, base_reward(env, float(paid)), bool(over))
        row[col.STEP] = 1
        told = graph.rows_after(np.array([node]))[0, action]
        begin, end = graph.pay[:, node, action]
        right = abs(float(paid) - (begin + (end - begin) * t / task.max_steps)) <= _SAME * (1 + abs(float(paid)))
        if not right or (row != told).any() or bool(over) != bool(graph.over[node, action]):
            return False
        if not over and bool(cut) != (t == task.max_steps):
            return False  # the episode's length differs
        node = int(graph.node[graph.successor[node, action]])
        if over or cut or node < 0:
            break
    env.close()
    return True
