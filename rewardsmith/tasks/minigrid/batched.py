"""N MiniGrid environments stepped together by the compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base import Tables
from . import kernels
from .families import OPEN, OPEN_IN_ORDER, PICK_UP, Family
from .pools import (
    OBJECT_COLOR,
    OBJECT_CONTENT,
    OBJECT_KIND,
    OBJECT_RANK,
    OBJECT_STATE,
    OBJECT_TARGET,
    OBJECT_X,
    OBJECT_Y,
    Pool,
)

IMAGE_SIZE = 7 * 7 * 3
DIRECTIONS = 4


def pool_tables(pool: Pool) -> dict[str, Any]:
    """Return the tables that state rows refer to by layout: "walls" and "lava" (bool [L, W, H]), "missions" (list).

    A pool's tables are one object, so that rollouts of several batches can be scored together.
    """
    kept = _TABLES.get(id(pool))
    if kept is None or kept[0] is not pool:
        if len(_TABLES) >= _KEPT_TABLES:
            _TABLES.clear()
        types = pool.cells.transpose(0, 2, 1) // 18
        kept = (pool, {"walls": types == 2, "lava": types == 9, "missions": pool.missions.tolist()})
        _TABLES[id(pool)] = kept
    return kept[1]


_KEPT_TABLES = 16
_TABLES: dict[int, tuple[Pool, dict[str, Any]]] = {}
"""The tables of pools by id(); the pool is kept with them, so that its id stays its own."""


class Board(NamedTuple):
    """The constants of a task that the kernels need, in one tuple that compiled code can unpack."""

    fixed: NDArray[np.int32]  # [L, S, 5]: kind, colour, content, whether a target, and rank of each object
    goal: NDArray[np.int32]  # [L, 2]
    rule: int  # of success, see families.py
    row_length: int  # of a padded grid


class Layouts:
    """A pool in the kernels' format: flat padded grids, and cells as indices into them."""

    def __init__(self, pool: Pool, family: Family) -> None:
        count, height, width = pool.cells.shape
        pad = kernels.PAD
        self.row_length = width + 2 * pad
        padded = np.full((count, height + 2 * pad, self.row_length), kernels.WALL, np.uint8)
        padded[:, pad:-pad, pad:-pad] = pool.cells
        self.cells = padded.reshape(count, -1)
        self.agent = np.stack([self._place(pool.agent[:, 0], pool.agent[:, 1]), pool.agent[:, 2]], 1)
        o = pool.objects
        places = np.where(o[:, :, OBJECT_X] < 0, -1, self._place(o[:, :, OBJECT_X], o[:, :, OBJECT_Y]))
        self.things = np.stack([places, np.maximum(o[:, :, OBJECT_STATE], 0)], 2).astype(np.int32)
        columns = [OBJECT_KIND, OBJECT_COLOR, OBJECT_CONTENT, OBJECT_TARGET, OBJECT_RANK]
        self.fixed = np.ascontiguousarray(o[:, :, columns])
        self.goal = pool.goal
        if family.rule not in (PICK_UP, OPEN, OPEN_IN_ORDER):
            self.goal = np.where(pool.goal < 0, -1, self._place(pool.goal % width, pool.goal // width))
        self.goal = np.ascontiguousarray(self.goal, np.int32)
        self.board = Board(self.fixed, self.goal, family.rule, self.row_length)

    def _place(self, x: NDArray[np.int32], y: NDArray[np.int32]) -> NDArray[np.int32]:
        """Flat index of a cell in the padded grid."""
        return ((y + kernels.PAD) * self.row_length + x + kernels.PAD).astype(np.int32)


class BatchedGrid:
    """Compiled MiniGrid with the methods of BatchEnv.

    The seed of `reset` shuffles the layouts. No layout is played twice before all environments together have played
    every layout once.
    """

    def __init__(self, pool: Pool, family: Family, num_envs: int, max_steps: int, see_through: bool) -> None:
        layouts = Layouts(pool, family)
        self.num_envs = num_envs
        self.masks: NDArray[np.bool_] | None = None
        self.observation_size = IMAGE_SIZE + DIRECTIONS + pool.features.shape[1]
        self.tables: Tables = pool_tables(pool)
        self.rewards = np.zeros(num_envs)
        self.terminated = np.zeros(num_envs, np.bool_)
        self.truncated = np.zeros(num_envs, np.bool_)
        self.success = np.zeros(num_envs, np.bool_)
        self.layout = np.zeros(num_envs, np.int64)
        self._layouts = layouts
        self._features = pool.features
        self._order = np.arange(len(pool))
        self._cells = np.zeros((num_envs, layouts.cells.shape[1]), np.uint8)
        self._agent = np.zeros((num_envs, 8), np.int32)
        self._things = np.zeros((num_envs, *layouts.things.shape[1:]), np.int32)
        self._everywhere = np.ones(num_envs, np.bool_)
        self._max_steps, self._see_through = max_steps, see_through
        self._pool, self._family = pool, family
        self._replay: BatchedGrid | None = None  # plays the actions that an episode begins after
        self._size = (pool.cells.shape[2], pool.cells.shape[1])
        self._rule, self._ranked = family.rule, family.ranked
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._order = np.random.default_rng(seed).permutation(len(self._order))
        self._agent[:, kernels.EPISODE] = 0
        self.restart(self._everywhere)

    def restart(self, mask: NDArray[np.bool_]) -> None:
        start = self._layouts
        kernels.start_batch(
            mask, self._order, start.cells, start.agent, start.things,
            self._cells, self._agent, self._things, self.layout,
        )  # fmt: skip

    def play(self, layout: int) -> None:
        order, self._order = self._order, np.array([layout])
        self.restart(self._everywhere)
        self._order = order

    def place(self, env: int, layout: int, actions: Sequence[int]) -> None:
        """Start an episode of one environment in the state after `actions` on a layout, see placing.StartsWithin."""
        if self._replay is None:
            self._replay = BatchedGrid(self._pool, self._family, 1, self._max_steps, self._see_through)
        replay = self._replay
        replay.play(layout)
        for action in actions:
            replay.step(np.array([action], dtype=np.int64))
        episode = self._agent[env, kernels.EPISODE]
        self._cells[env], self._things[env], self.layout[env] = replay._cells[0], replay._things[0], layout
        self._agent[env] = replay._agent[0]
        self._agent[env, kernels.EPISODE] = episode
        self._agent[env, kernels.STEP] = 0
        self._agent[env, kernels.EVENT], self._agent[env, kernels.EVENT_SLOT] = kernels.E_NONE, -1

    def step(self, actions: NDArray[np.int64]) -> None:
        kernels.step_batch(
            self._cells, self._agent, self._things, self.layout, self._layouts.fixed, self._layouts.goal,
            self._rule, self._layouts.row_length, self._max_steps, actions,
            self.rewards, self.terminated, self.truncated, self.success,
        )  # fmt: skip

    def observe(self, out: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> None:
        kernels.observe_batch(
            self._everywhere if mask is None else mask, self._cells, self._agent, self._things, self.layout,
            self._layouts.fixed, self._features, self._see_through, self._layouts.row_length, out,
        )  # fmt: skip

    def images(self, out: NDArray[np.uint8]) -> None:
        """Write MiniGrid's own images into `out` [N, 7, 7, 3]."""
        kernels.images_batch(
            self._cells, self._agent, self._things, self.layout, self._layouts.fixed,
            self._see_through, self._layouts.row_length, out,
        )  # fmt: skip

    def state_rows(self, out: NDArray[np.int32]) -> None:
        kernels.rows_batch(
            self._cells, self._agent, self._things, self.layout, self._layouts.fixed,
            self._layouts.row_length, self._max_steps, *self._size, self._ranked, out,
        )  # fmt: skip

    @property
    def directions(self) -> NDArray[np.int32]:
        """The direction that each agent faces, int32 [N], as in MiniGrid's observation."""
        return self._agent[:, kernels.DIR]

    def close(self) -> None:
        """Do nothing: the batch holds no resources."""
