"""Find plans that solve a layout: the shortest if a full search is affordable, otherwise in stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .batched import Layouts
from .families import Family
from .pools import Pool
from .search import CAPPED, FOUND, breadth_first

STATE_CAP = 2_000_000
QUICK_CAP = 200_000
MEMORY_CAP = 150_000_000  # bytes of stored states
MOST_STAGES = 60


@dataclass(frozen=True)
class Plan:
    """Actions that solve a layout of a pool.

    Attributes:
        layout: Index of the layout.
        actions: The actions, from the start.
        optimal: Whether it is known that no shorter plan exists.
    """

    layout: int
    actions: list[int]
    optimal: bool


class Planner:
    """Finds plans for the layouts of one pool."""

    def __init__(self, pool: Pool, family: Family, max_steps: int) -> None:
        self._max_steps = max_steps
        self._layouts = Layouts(pool, family)
        slots = self._layouts.things.shape[1]
        self._memory_cap = MEMORY_CAP // (2 * (3 + 2 * slots))

    def plan(self, layout: int, state_cap: int = STATE_CAP) -> Plan | None:
        """Return a plan within the episode's step limit, or None if none is found.

        If a full search exceeds `state_cap` states, the planner searches from one unlocked door or opened box to the
        next. Such a plan is valid but need not be the shortest.
        """
        cap = min(state_cap, self._memory_cap)
        outcome, actions, _ = self._search(layout, self._start(layout), cap, staged=False)
        if outcome == FOUND:
            plan = Plan(layout, actions, True)
        elif outcome == CAPPED:
            plan = self._plan_in_stages(layout, cap)
        else:
            plan = None
        return plan if plan is not None and len(plan.actions) <= self._max_steps else None

    def _plan_in_stages(self, layout: int, cap: int) -> Plan | None:
        """Join the shortest paths from each step of progress to the next."""
        state, actions = self._start(layout), []
        for _ in range(MOST_STAGES):
            outcome, stage, state = self._search(layout, state, cap, staged=True)
            actions += stage
            if outcome == FOUND:
                return Plan(layout, actions, False)
            if not stage:
                return None
        return None

    def _start(self, layout: int) -> NDArray[np.int16]:
        """The state vector of a layout's start, see search.py."""
        lay = self._layouts
        agent = [*lay.agent[layout], -1]
        return np.concatenate([agent, lay.things[layout].ravel()]).astype(np.int16)

    def _base(self, layout: int) -> NDArray[np.uint8]:
        """A layout's cells without its objects."""
        cells = self._layouts.cells[layout].copy()
        cells[kernels.IS_OBJECT[cells]] = kernels.EMPTY
        return cells

    def _search(
        self, layout: int, start: NDArray[np.int16], cap: int, staged: bool
    ) -> tuple[int, list[int], NDArray[np.int16]]:
        """Run the compiled search; return (outcome, actions, state reached)."""
        lay = self._layouts
        outcome, moves, parents, last, state = breadth_first(self._base(layout), start, lay.board, layout, cap, staged)
        actions = []
        while last > 0:
            actions.append(int(moves[last]))
            last = int(parents[last])
        return outcome, actions[::-1], state
