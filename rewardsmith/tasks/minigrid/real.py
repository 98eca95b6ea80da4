"""A batch of real MiniGrid environments, for the ids that the compiled engine does not play."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import Schema, Tables
from ..guarded import called
from .batched import DIRECTIONS, IMAGE_SIZE, pool_tables
from .kernels import SPREAD, VIEW
from .pools import Pool, reset_quietly
from .state_tracker import STEPS, StateTracker

IMAGE_SCALE = np.array([10, 5, 2], np.float32)  # largest type, colour and state


def with_quick_views(env: Any) -> Any:
    """Make `env` compute its observations five times faster, and return it; they take nearly all of a step's time."""
    from minigrid.core.grid import Grid
    from minigrid.minigrid_env import MiniGridEnv

    e = env.unwrapped
    # What a view depends on; an environment of a user's own may replace any of them.
    unchanged = all(
        getattr(type(e), name) is getattr(MiniGridEnv, name)
        for name in ("gen_obs", "gen_obs_grid", "get_view_exts", "dir_vec")
    )
    if unchanged and e.agent_view_size == VIEW and type(e.grid) is Grid:
        e.gen_obs = lambda: {"image": quick_image(e), "direction": e.agent_dir, "mission": e.mission}
    return env


def quick_image(e: Any) -> NDArray[np.uint8]:
    """Return the image of MiniGridEnv.gen_obs of environment `e`, uint8 [7, 7, 3]."""
    from minigrid.core.world_object import Wall

    ax, ay = int(e.agent_pos[0]), int(e.agent_pos[1])
    (dx, dy), cells, width, height = STEPS[e.agent_dir], e.grid.grid, e.width, e.height
    outside = Wall()
    rows, lit = [], 1 << VIEW // 2
    for ahead in range(VIEW):
        codes, clear = [], (1 << VIEW) - 1
        for i in range(VIEW):
            aside = i - VIEW // 2
            x, y = ax + ahead * dx - aside * dy, ay + ahead * dy + aside * dx
            cell = cells[y * width + x] if 0 <= x < width and 0 <= y < height else outside
            codes.append((1, 0, 0) if cell is None else cell.encode())
            if cell is not None and not cell.see_behind():
                clear ^= 1 << i
        if not e.see_through_walls:
            spread = int(SPREAD[lit, clear])
            codes = [code if spread >> i & 1 else (0, 0, 0) for i, code in enumerate(codes)]
            lit = spread >> VIEW
        rows.append(codes)
    rows[0][VIEW // 2] = (1, 0, 0) if e.carrying is None else e.carrying.encode()
    return np.array(rows[::-1], np.uint8).transpose(1, 0, 2)


def _checked_step(env: Any, action: int) -> tuple[dict[str, Any], float, bool, bool]:
    """(observation, reward, terminated, truncated). Raises ValueError for a reward that is not finite."""
    observed, reward, terminated, truncated, _ = env.step(action)
    if not math.isfinite(reward):
        raise ValueError(f"the environment's reward is {reward}")
    return observed, float(reward), bool(terminated), bool(truncated)


class RealBatch:
    """Real environments with the layouts, observations and state rows of BatchedGrid, stepped one at a time.

    The seed of a layout determines the randomness within its episodes, such as moving obstacles.
    """

    def __init__(self, task_id: str, envs: Sequence[Any], pool: Pool, schema: Schema) -> None:
        """Take over environments that have been made.

        Args:
            task_id: The task's id, for messages.
            envs: The real environments; `close` closes them.
            pool: The layouts to play.
            schema: The schema of the state rows.
        """
        self.num_envs = num_envs = len(envs)
        self.masks: NDArray[np.bool_] | None = None
        self.observation_size = IMAGE_SIZE + DIRECTIONS + pool.features.shape[1]
        self.tables: Tables = pool_tables(pool)
        self.rewards = np.zeros(num_envs)
        self.terminated = np.zeros(num_envs, np.bool_)
        self.truncated = np.zeros(num_envs, np.bool_)
        self.success = np.zeros(num_envs, np.bool_)
        self.layout = np.zeros(num_envs, np.int64)
        self._pool = pool
        self._id = task_id
        self._envs = [with_quick_views(env) for env in envs]
        self._trackers = [StateTracker(schema.as_dict()) for _ in range(num_envs)]
        self._rows = np.zeros((num_envs, schema.width), np.int32)
        self._observed: list[dict[str, Any]] = [{} for _ in range(num_envs)]
        self._episode = np.zeros(num_envs, np.int64)
        self._order = np.arange(len(pool))
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._order = np.random.default_rng(seed).permutation(len(self._pool))
        self._episode[:] = 0
        self.restart(np.ones(self.num_envs, np.bool_))

    def restart(self, mask: NDArray[np.bool_]) -> None:
        for n in np.flatnonzero(mask):
            number = self._episode[n] * self.num_envs + n
            passes = number // len(self._order)
            self._episode[n] += 1
            self._start(int(n), int(self._order[(number + passes) % len(self._order)]))

    def play(self, layout: int) -> None:
        for n in range(self.num_envs):
            self._start(n, layout)

    def _start(self, n: int, layout: int) -> None:
        """Start an episode in environment `n` on a layout of the pool."""
        self.layout[n] = layout
        self._observed[n] = called(self._id, "reset()", reset_quietly, self._envs[n], int(self._pool.seeds[layout]))
        self._rows[n] = self._trackers[n].start(self._envs[n])[0]
        self._rows[n, 0] = layout

    def step(self, actions: NDArray[np.int64]) -> None:
        for n, env in enumerate(self._envs):
            action = int(actions[n])
            self._observed[n], reward, terminated, truncated = called(self._id, "step()", _checked_step, env, action)
            self._rows[n] = self._trackers[n].after(env, action, float(reward), terminated)
            self._rows[n, 0] = self.layout[n]
            self.rewards[n] = reward
            self.terminated[n] = terminated
            self.truncated[n] = truncated and not terminated
            self.success[n] = terminated and reward > 0

    def observe(self, out: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> None:
        for n in range(self.num_envs) if mask is None else np.flatnonzero(mask):
            seen = self._observed[n]
            out[n, :IMAGE_SIZE] = (seen["image"] / IMAGE_SCALE).ravel()
            out[n, IMAGE_SIZE : IMAGE_SIZE + DIRECTIONS] = 0
            out[n, IMAGE_SIZE + seen["direction"]] = 1
            out[n, IMAGE_SIZE + DIRECTIONS :] = self._pool.features[self.layout[n]]

    def state_rows(self, out: NDArray[np.int32]) -> None:
        out[:] = self._rows

    def close(self) -> None:
        for env in self._envs:
            env.close()
