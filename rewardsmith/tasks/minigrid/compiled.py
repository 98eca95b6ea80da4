"""MiniGrid tasks of the compiled engine: they can be planned for, and their states can be enumerated and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from ..base import BatchEnv, Behaviour
from .pay import RULE, success_reward
from .task import MiniGridTask

if TYPE_CHECKING:
    from .enumerate import Enumerator, StateGraph
    from .planner import Plan, Planner


class CompiledTask(MiniGridTask):
    """The task of an id in families.COVERED, with every capability that a full model of the grid allows."""

    engine = "batched"
    pay_rule = RULE
    cheap_steps = True
    deterministic = True
    state_limit = 400_000

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        from .batched import BatchedGrid

        see_through = bool(self._env.see_through_walls)
        return BatchedGrid(self.pool(pool), self.family, num_envs, self.max_steps, see_through)

    def start_within(self, batch: BatchEnv, env: int, layout: int, actions: Sequence[int]) -> None:
        """Start an episode of one environment in the state after `actions` on a layout, see StartsWithin."""
        batch.place(env, layout, actions)  # type: ignore[attr-defined]

    def success_reward(self, step: int) -> float:
        """Return 1 - 0.9 * step / max_steps, equal to MiniGrid's result bit for bit."""
        return success_reward(step, self.max_steps)

    def plan(self, layout: int, state_cap: int | None = None) -> Plan | None:
        """Return a plan for a training layout, or None if none is found.

        Args:
            layout: Index of a training layout.
            state_cap: The most states of a full search; beyond it the plan need not be the shortest.
        """
        from .planner import STATE_CAP

        return self._planner.plan(layout, state_cap or STATE_CAP)

    def solution(self, layout: int) -> Sequence[int] | None:
        """Return actions that solve a training layout; None if none are found."""
        from .planner import QUICK_CAP, STATE_CAP

        # If the first layout is too large for a full search, most are, and each attempt takes seconds.
        cap = STATE_CAP if self._first_plan is None or self._first_plan.optimal else QUICK_CAP
        plan = self._first_plan if layout == 0 else self.plan(layout, cap)
        return None if plan is None else plan.actions

    def oracle_plans(self, count: int) -> Sequence[tuple[int, list[int]]] | None:
        """Return (layout, actions) for the first `count` training layouts that the search can solve.

        Each solution is a shortest one if a full search is affordable; `plan` returns whether it is.
        """
        from .planner import QUICK_CAP, STATE_CAP

        cap, found = STATE_CAP, []
        for layout in range(len(self.pool("train"))):
            plan = self.plan(layout, cap)
            if plan is not None:
                found.append((plan.layout, plan.actions))
                # If one layout is too large for a full search, most are, and each attempt takes seconds.
                cap = cap if plan.optimal else QUICK_CAP
            if len(found) >= count:
                break
        return found

    def behaviours(self, layout: int, solution: Sequence[int]) -> list[Behaviour]:
        """Return behaviours: to and fro before each object, into lava, against a wall."""
        from . import behaviours

        graph = self.state_graph(layout, behaviours.LISTED, along=solution)
        return behaviours.find_behaviours(graph, self.schema)

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> StateGraph:
        """Enumerate the states that a training layout can reach, see TabularModel."""
        graph = self._enumerator.explore(layout, limit, events, along)
        self.fill_features(graph.rows, graph.tables, uses)
        return graph

    def count_states(self, layout: int, cap: int) -> tuple[int, bool]:
        """Return (number of non-terminal states of a training layout, at most `cap`; whether these are all)."""
        return self._counted(layout, cap)

    @cached_property
    def _counted(self) -> Callable[[int, int], tuple[int, bool]]:
        return lru_cache(maxsize=64)(self._enumerator.count)

    @cached_property
    def _first_plan(self) -> Plan | None:
        return self.plan(0)

    @cached_property
    def _planner(self) -> Planner:
        from .planner import Planner

        return Planner(self.pool("train"), self.family, self.max_steps)

    @cached_property
    def _enumerator(self) -> Enumerator:
        from .enumerate import Enumerator

        return Enumerator(self.pool("train"), self.family, self.max_steps)
