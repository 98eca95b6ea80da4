"""A MiniGrid task that the compiled engine plays: it can be searched, and its states listed and counted."""

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
    """The Task protocol over an id of families.COVERED, with every capability that a grid's full model gives."""

    engine = "batched"
    pay_rule = RULE
    cheap_steps = True
    deterministic = True
    state_limit = 400_000

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        from .batched import BatchedGrid

        see_through = bool(self._env.see_through_walls)
        return BatchedGrid(self.pool(pool), self.family, num_envs, self.max_steps, see_through)

    def success_reward(self, step: int) -> float:
        """1 - 0.9 * step / max_steps, as MiniGrid computes it."""
        return success_reward(step, self.max_steps)

    def plan(self, layout: int, state_cap: int | None = None) -> Plan | None:
        """A plan for one training layout, flagged if it may not be the shortest; None if none is found."""
        from .planner import STATE_CAP

        return self._planner.plan(layout, state_cap or STATE_CAP)

    def solution(self, layout: int) -> Sequence[int] | None:
        """Actions that solve one training layout; None where none are found."""
        from .planner import QUICK_CAP, STATE_CAP

        # Where the first layout is beyond a full search, most are, and each try takes seconds.
        cap = STATE_CAP if self._first_plan is None or self._first_plan.optimal else QUICK_CAP
        plan = self._first_plan if layout == 0 else self.plan(layout, cap)
        return None if plan is None else plan.actions

    def oracle_plans(self, count: int) -> Sequence[tuple[int, list[int]]] | None:
        """Solutions of the first `count` training layouts that the search can solve.

        They are the shortest wherever the search can afford to know; `plan` tells which.
        """
        from .planner import QUICK_CAP, STATE_CAP

        cap, found = STATE_CAP, []
        for layout in range(len(self.pool("train"))):
            plan = self.plan(layout, cap)
            if plan is not None:
                found.append((plan.layout, plan.actions))
                # Where one layout is beyond a full search, most are, and each try takes seconds.
                cap = cap if plan.optimal else QUICK_CAP
            if len(found) >= count:
                break
        return found

    def behaviours(self, layout: int, solution: Sequence[int]) -> list[Behaviour]:
        """To and fro before each object, into lava, against a wall."""
        from . import behaviours

        graph = self.state_graph(layout, behaviours.LISTED, along=solution)
        return behaviours.find_behaviours(graph, self.schema)

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> StateGraph:
        """Every state that a training layout can reach."""
        graph = self._enumerator.explore(layout, limit, events, along)
        self.fill_features(graph.rows, graph.tables, uses)
        return graph

    def count_states(self, layout: int, cap: int) -> tuple[int, bool]:
        """How many states a training layout can reach, at most `cap`, and whether that is all of them."""
        return self._counted(layout, cap)

    @cached_property
    def _counted(self) -> Callable[[int, int], tuple[int, bool]]:
        return lru_cache(maxsize=64)(self._enumerator.count)

    def _example_plan(self) -> Plan | None:
        from .examples import SEARCHED

        return self.plan(0, SEARCHED)

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
