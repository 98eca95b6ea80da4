"""MiniGrid tasks played by the real environment: pools, batches, schema, interface, captions, events, drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..actions import ActionSpace
from ..base import BatchEnv, Interface, Schema, Tables
from ..capabilities import StateReader
from ..events import read_event
from ..guarded import called
from ..observations import ObservationSpace, RawObservations, vector
from . import captions, drawing
from .columns import build_schema
from .families import COVERED, FOREIGN_FAMILY, Family, mission_width
from .pools import SIZES, Pool, load_pool, make_real, reset_quietly
from .state_tracker import list_objects

if TYPE_CHECKING:
    from .interface import Told

ACTIONS = ("TURN_LEFT", "TURN_RIGHT", "FORWARD", "PICK_UP", "DROP", "TOGGLE", "DONE")
FOREIGN_SAMPLE = 32
"""The number of layouts from which the object slots and the step limit of a foreign task are estimated."""


class MiniGridTask:
    """The task of one MiniGrid or BabyAI id, played by the real environment.

    numba and minigrid are imported only when they are needed. compiled.CompiledTask adds the compiled engine's
    capabilities.
    """

    masked = False
    engine = "real"
    cheap_steps = False
    deterministic = False  # the environment may have state that its grid does not show
    legend = drawing.LEGEND
    pay_rule = "The environment pays on success only."

    def __init__(self, task_id: str, sizes: Mapping[str, int] | None = None) -> None:
        self.id = task_id
        self.sizes = {**SIZES, **(sizes or {})}
        self.family: Family = COVERED[task_id][0] if task_id in COVERED else FOREIGN_FAMILY
        self.success_rule = self.family.success

    @cached_property
    def _env(self) -> Any:
        """One real environment, from which size and limits are read."""
        env = self.make_env()
        called(self.id, "reset()", reset_quietly, env, 0)
        return env.unwrapped

    # Properties return cached ones, because type checkers do not accept a cached_property for a protocol's property.
    @property
    def actions(self) -> ActionSpace:
        return self._actions

    @property
    def max_steps(self) -> int:
        return self._survey[1]

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def view_cells(self) -> int:
        """The 49 cells of the agent's view."""
        return 49

    @property
    def observation_size(self) -> int:
        """147 numbers of the view, four of the direction, and those of the mission."""
        return 151 + mission_width(self.family)

    @property
    def observation(self) -> ObservationSpace:
        """A vector: the view's cells, the direction and the mission."""
        return vector(self.observation_size)

    @cached_property
    def _actions(self) -> ActionSpace:
        names = ACTIONS if self.id in COVERED else ACTIONS[: int(self._env.action_space.n)]
        # DONE is the last action of tasks that have it; four left turns are a full turn.
        return ActionSpace(names, idle=len(names) - 1, detour=(ACTIONS.index("TURN_LEFT"),) * 4)

    @cached_property
    def slots(self) -> int:
        """The number of objects that a state row can hold."""
        return self._survey[0]

    @cached_property
    def _survey(self) -> tuple[int, int]:
        """(object slots, step limit); for foreign tasks, whose layouts vary in both, from a sample of layouts."""
        if self.id in COVERED:
            return COVERED[self.id][1], int(self._env.max_steps)
        counts, limits = [], []
        for seed in range(FOREIGN_SAMPLE):
            called(self.id, "reset()", reset_quietly, self._env, seed)
            counts.append(len(list_objects(self._env)))
            limits.append(int(self._env.max_steps))
        return max(counts) + max(counts) // 4 + 1, max(limits)

    @cached_property
    def _schema(self) -> Schema:
        size = (int(self._env.width), int(self._env.height))
        return Schema(build_schema(self.slots, self.family.ranked, size, self.max_steps))

    def make_env(self) -> Any:
        """Make one real Gymnasium environment of the task."""
        return make_real(self.id)

    def pool(self, split: str) -> Pool:
        """Return the layouts of "train", "select" or "claim". Raises ValueError for other names."""
        if split not in self.sizes:
            raise ValueError(f"unknown pool {split!r}; the pools are {', '.join(self.sizes)}")
        return load_pool(self.id, split, self.family, self.slots, self.sizes[split], self.sizes["train"])

    def pool_hashes(self, split: str) -> list[str]:
        """Return the sha256 of every layout of a pool, over grid, agent, mission and target."""
        return self.pool(split).hashes.tolist()

    def start_seed(self, layout: int) -> int:
        """Return the seed that makes the real environment's reset start on a training layout."""
        return int(self.pool("train").seeds[layout])

    def unseen(self, pool: str) -> bool:
        return bool(self.pool(pool).unseen)

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        return self.real_batch(num_envs, pool)

    def real_batch(self, num_envs: int, pool: str) -> BatchEnv:
        """Return `num_envs` real environments that play the layouts of `pool`, whichever engine `batch` uses."""
        from .real import RealBatch

        layouts = self.pool(pool)
        envs = [called(self.id, "its constructor", self.make_env) for _ in range(num_envs)]
        return RealBatch(self.id, envs, layouts, self.schema)

    def interface(self) -> Interface:
        from .examples import worked_example
        from .interface import build_interface

        example = worked_example(self.batch(1, "train"), self.actions.names, self.schema)
        return build_interface(self.id, self.family, self.pool("train"), self.schema, self.actions, self._told(example))

    def _told(self, example: dict[str, Any]) -> Told:
        """What the interface says besides what layouts show."""
        from .interface import Told

        return Told(self.pay_rule, example)

    def caption(self, row: NDArray[Any], tables: Tables) -> str:
        return captions.caption(row, tables, self.schema)

    def read_event(self, row: NDArray[Any]) -> tuple[str, str | None]:
        """Return (event, kind of the object that it concerns or None) of the last action, from a state row [W]."""
        return read_event(row, self.schema)

    def draw_state(self, row: NDArray[Any], tables: Tables) -> str:
        """Return the whole grid of a state row [W], one line of text per row of cells."""
        return drawing.draw_grid(row, tables, self.schema)

    def picture(self, rows: NDArray[Any], tables: Tables) -> dict[str, Any]:
        """Return the grids of state rows [S, W] as a picture, see tasks.pictures."""
        return drawing.picture_grid(rows, tables, self.schema)

    def draw_observation(self, observation: NDArray[np.float32]) -> str:
        """Return the agent's own view in an observation [D] as seven rows of text."""
        return drawing.draw_view(observation)

    def transition_columns(
        self, before: NDArray[Any], actions: NDArray[Any], after: NDArray[Any], everything: bool
    ) -> NDArray[np.int32]:
        """Return the columns that determine a transition's description, see drawing.transition_columns."""
        return drawing.transition_columns(before, actions, after, self.schema, everything)

    def transition_words(
        self, before: NDArray[Any], action: str, after: NDArray[Any], tables: Tables, drawings: list[str]
    ) -> str:
        """Describe a transition between two rows [W], see drawing.transition_words."""
        return drawing.transition_words(before, action, after, tables, self.schema, drawings)

    def state_reader(self) -> StateReader:
        """Return the sources of the state tracker and of the walking distances, and code that calls them."""
        from . import state_tracker
        from .walking import features_code

        code = (Path(__file__).parent / "export_parts" / "grid_tracker.py").read_text(encoding="utf-8")
        return StateReader(f"gymnasium.make({self.id!r})", (state_tracker,), (features_code(), code))

    def raw_observations(self) -> RawObservations | None:
        """Return code that writes the view, the direction and the mission as a row."""
        from .families import encoder_code

        size = self.observation_size
        return RawObservations(False, np.zeros(size), np.ones(size), encoder_code(self.family))

    def fill_features(self, rows: NDArray[Any], tables: Tables, uses: Sequence[str]) -> None:
        """Compute the costly features that are declared in `uses`, in place; rows int32 [..., width]."""
        if "walk_distance" not in uses:
            return
        from .walking import compiled_fill

        objects = self.schema.field("objects")
        flat = rows.reshape(-1, rows.shape[-1])
        compiled_fill()(flat, tables["walls"], tables["lava"], objects.start, objects.stride, objects.length)
