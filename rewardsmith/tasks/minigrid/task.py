"""A MiniGrid task as rewardsmith sees it: pools, batches, schema, interface, captions, plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..base import ActionSet, BatchEnv, Behaviour, Interface, Schema, Tables
from ..guarded import called
from .families import COVERED, FOREIGN_FAMILY, Family, mission_width
from .pools import SIZES, Pool, load_pool, make_real, reset_quietly
from .schema import build_schema
from .snapshot import list_objects

if TYPE_CHECKING:
    from .enumerate import Enumerator, StateGraph
    from .planner import Plan, Planner

ACTIONS = ("TURN_LEFT", "TURN_RIGHT", "FORWARD", "PICK_UP", "DROP", "TOGGLE", "DONE")
FOREIGN_SAMPLE = 32
"""Layouts looked at to bound the objects of a task that only the real environment plays."""


class MiniGridTask:
    """The Task protocol over one MiniGrid or BabyAI id; nothing heavy is loaded before it is needed."""

    family = "minigrid"
    view_cells = 49
    state_limit = 400_000

    def __init__(self, task_id: str, sizes: Mapping[str, int] | None = None) -> None:
        self.id = task_id
        self.sizes = {**SIZES, **(sizes or {})}
        self.kin: Family = COVERED[task_id][0] if task_id in COVERED else FOREIGN_FAMILY
        self.engine = "batched" if task_id in COVERED else "real"
        self.deterministic = self.engine == "batched"
        self.success_rule = self.kin.success
        self.observation_size = 151 + mission_width(self.kin)

    @cached_property
    def _env(self) -> Any:
        """One real environment, asked for its size and limits."""
        env = self.make_env()
        called(self.id, "reset()", reset_quietly, env, 0)
        return env.unwrapped

    @cached_property
    def actions(self) -> ActionSet:
        names = ACTIONS if self.engine == "batched" else ACTIONS[: int(self._env.action_space.n)]
        # DONE is the last action where there is one; four turns to the left are a full turn.
        return ActionSet(names, idle=len(names) - 1, detour=(ACTIONS.index("TURN_LEFT"),) * 4)

    @cached_property
    def max_steps(self) -> int:
        return self._survey[1]

    @cached_property
    def slots(self) -> int:
        """How many objects a state row has room for."""
        return self._survey[0]

    @cached_property
    def _survey(self) -> tuple[int, int]:
        """(object slots, step limit); foreign tasks vary in both, so a sample of layouts is looked at."""
        if self.id in COVERED:
            return COVERED[self.id][1], int(self._env.max_steps)
        counts, limits = [], []
        for seed in range(FOREIGN_SAMPLE):
            called(self.id, "reset()", reset_quietly, self._env, seed)
            counts.append(len(list_objects(self._env)))
            limits.append(int(self._env.max_steps))
        return max(counts) + max(counts) // 4 + 1, max(limits)

    @cached_property
    def schema(self) -> Schema:
        size = (int(self._env.width), int(self._env.height))
        return build_schema(self.slots, self.kin.ranked, size, self.max_steps)

    def make_env(self) -> Any:
        """The real gymnasium environment."""
        return make_real(self.id)

    def pool(self, split: str) -> Pool:
        """The layouts of "train", "select" or "claim"."""
        if split not in self.sizes:
            raise ValueError(f"pool {split!r} is none of {', '.join(self.sizes)}")
        return load_pool(self.id, split, self.kin, self.slots, self.sizes[split], self.sizes["train"])

    def pool_hashes(self, split: str) -> list[str]:
        """sha256 of every layout of a pool, over grid, agent, mission and target."""
        return self.pool(split).hashes.tolist()

    def unseen(self, pool: str) -> bool:
        return bool(self.pool(pool).unseen)

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        if self.engine == "real":
            return self.real_batch(num_envs, pool)
        from .batched import BatchedGrid

        see_through = bool(self._env.see_through_walls)
        return BatchedGrid(self.pool(pool), self.kin, num_envs, self.max_steps, see_through)

    def real_batch(self, num_envs: int, pool: str) -> BatchEnv:
        """The same layouts in the real environment, whichever engine `batch` plays in."""
        from .real import RealBatch

        return RealBatch(self, self.pool(pool), num_envs)

    def interface(self) -> Interface:
        from .interface import build_interface

        return build_interface(self)

    def caption(self, row: NDArray[Any], tables: Tables) -> str:
        from .captions import caption

        return caption(row, tables, self.schema)

    def fill_features(self, rows: NDArray[Any], tables: Tables, uses: Sequence[str]) -> None:
        """Compute the declared costly features in place; rows int32 [..., width]."""
        if "walk_distance" not in uses:
            return
        from .walking import compiled_fill

        objects = next(f for f in self.schema["fields"] if f["name"] == "objects")
        flat = rows.reshape(-1, rows.shape[-1])
        compiled_fill()(flat, tables["walls"], tables["lava"], objects["start"], objects["stride"], objects["length"])

    def plan(self, layout: int, state_cap: int | None = None) -> Plan | None:
        """A plan for one training layout, flagged if it may not be the shortest; None if none is found."""
        from .planner import STATE_CAP

        return self._planner.plan(layout, state_cap or STATE_CAP)

    def solution(self, layout: int) -> Sequence[int] | None:
        """Actions that solve one training layout; None where none are found, or the real environment plays."""
        if self.engine == "real":
            return None
        from .planner import QUICK_CAP, STATE_CAP

        # Where the first layout is beyond a full search, most are, and each try takes seconds.
        cap = STATE_CAP if self._first_plan is None or self._first_plan.optimal else QUICK_CAP
        plan = self._first_plan if layout == 0 else self.plan(layout, cap)
        return None if plan is None else plan.actions

    @cached_property
    def _first_plan(self) -> Plan | None:
        return self.plan(0)

    @cached_property
    def _planner(self) -> Planner:
        from .planner import Planner

        return Planner(self)

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> StateGraph | None:
        """Every state that a training layout can reach; None where the real environment plays."""
        return None if self.engine == "real" else self._enumerator.explore(layout, limit, events, uses, along)

    def count_states(self, layout: int, cap: int) -> tuple[int, bool] | None:
        """How many states a training layout can reach, at most `cap`, and whether that is all of them."""
        return None if self.engine == "real" else self._enumerator.count(layout, cap)

    def behaviours(self, layout: int, solution: Sequence[int]) -> list[Behaviour]:
        """To and fro before each object, into lava, against a wall."""
        from .behaviours import find_behaviours

        return find_behaviours(self, layout, solution)

    @cached_property
    def _enumerator(self) -> Enumerator:
        from .enumerate import Enumerator

        return Enumerator(self)

    def oracle_plans(self, count: int) -> Sequence[tuple[int, list[int]]] | None:
        """Solutions of the first `count` training layouts that the search can solve.

        They are the shortest wherever the search can afford to know; `plan` tells which.
        """
        if self.engine == "real":
            return None
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
