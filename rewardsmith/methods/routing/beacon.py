"""The present subgoal of each episode: when it is reached, what is paid for it, and what the policy is told."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsmith.methods.routing.routes import Routes
from rewardsmith.tasks.base import BatchEnv, Tables, Task

Encoding = Literal["relative", "object", "both"]
SIZES: dict[Encoding, int] = {"relative": 2, "object": 3, "both": 5}
_CELLS = 8.0  # a relative position is divided by it
_VIEW, _AHEAD = 7, 6  # width of the view, and the rows before the agent that it shows


class Progress:
    """Follows the routes of N episodes, by their state rows alone.

    A subgoal is reached when the agent stands on its object's cell, or the object has changed by this step (picked up,
    dropped, opened, unlocked). Then the next one is present. A subgoal expires after max_steps / number of subgoals.

    Attributes:
        present: The slot of the present subgoal's object, int64 [N]; -1 after the last one.
    """

    def __init__(self, task: Task, routes: Routes, num_envs: int, alpha: float, *, expires: bool) -> None:
        schema, objects = task.schema, task.schema.field("objects")
        agent = schema.field("agent")
        self._routes, self._alpha, self._expires = routes, alpha, expires
        self._limit = task.max_steps
        self._agent = [agent.field(name).column for name in ("x", "y")]
        self._slots = objects.slots()
        self._places = [objects.field(name).column for name in ("x", "y")]
        self._changing = [*self._places, objects.field("state").column, objects.field("carried").column]
        self._route: list[tuple[int, ...]] = [()] * num_envs
        self._at = np.zeros(num_envs, dtype=np.int64)
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self.present = np.full(num_envs, -1, dtype=np.int64)

    def begin(self, rows: NDArray[Any], layouts: NDArray[np.int64], tables: Tables, mask: NDArray[np.bool_]) -> None:
        """Begin the routes of the environments where `mask` [N] is true, in the states `rows` [N, W]."""
        envs = np.flatnonzero(mask)
        if not len(envs):
            return
        for env, route in zip(envs.tolist(), self._routes.of(rows[envs], layouts[envs], tables), strict=True):
            self._route[env], self._at[env], self._steps[env] = route, 0, 0
            self.present[env] = route[0] if route else -1

    def step(self, before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
        """Follow one step between state rows [N, W]; return what it pays, alpha * (1 - steps / max_steps) or 0, [N]."""
        self._steps += 1
        envs = np.flatnonzero(self.present >= 0)
        paid = np.zeros(len(self.present))
        starts = self._slots[self.present[envs]][:, None]
        there = np.take_along_axis(after[envs], starts + self._places, 1) == after[envs][:, self._agent]
        then, now = (np.take_along_axis(rows[envs], starts + self._changing, 1) for rows in (before, after))
        reached = there.all(1) | (then != now).any(1)
        for env, done in zip(envs.tolist(), reached.tolist(), strict=True):
            allowed = self._limit / len(self._route[env]) if self._expires else np.inf
            if done:
                paid[env] = self._alpha * (1.0 - self._steps[env] / self._limit)
            if done or self._steps[env] >= allowed:
                self._next(env)
        return paid

    def close(self) -> None:
        """Close the routes and their sandbox process."""
        self._routes.close()

    def _next(self, env: int) -> None:
        self._at[env] += 1
        self._steps[env] = 0
        left = self._route[env][self._at[env] :]
        self.present[env] = left[0] if left else -1


class Told:
    """What policies are told of the present subgoal: an InputTracker.

    The object's place is told from when the agent's view has shown it, or always. Some episodes are told nothing.
    """

    def __init__(self, task: Task, progress: Progress, encoding: Encoding, null: float, *, whole: bool) -> None:
        """Begin without episodes.

        Args:
            task: The task without the inputs.
            progress: The progress of the same environments.
            encoding: What is told.
            null: The share of episodes that are told nothing.
            whole: Whether the whole state is told, rather than what the agent has seen.
        """
        self._task, self._progress = task, progress
        self._encoding: Encoding = encoding
        self._null, self._whole = null, whole
        envs = len(progress.present)
        objects, agent = task.schema.field("objects"), task.schema.field("agent")
        self._slots, self._length = objects.slots(), objects.length
        self._object = [objects.field(name).column for name in ("x", "y", "kind", "color", "state")]
        self._numbers = [len(objects.field(name).values) for name in ("kind", "color", "state")]
        self._agent = [agent.field(name).column for name in ("x", "y", "direction")]
        self._rows, self._before = task.schema.rows(envs), task.schema.rows(envs)
        self._view = np.zeros((envs, task.observation_size), dtype=np.float32)
        self._seen = np.zeros((envs, self._length), dtype=bool)
        self._silent = np.zeros(envs, dtype=bool)
        self._rng = np.random.default_rng(0)
        self.values = np.zeros((envs, SIZES[encoding]), dtype=np.float32)

    def reset(self, seed: int) -> None:
        """Seed the choice of episodes that are told nothing."""
        self._rng = np.random.default_rng([seed, 2])

    def begin(self, batch: BatchEnv, mask: NDArray[np.bool_]) -> None:
        """Begin the routes of new episodes, and choose those that are told nothing."""
        batch.state_rows(self._rows)
        self._silent[mask] = self._rng.random(int(mask.sum())) < self._null
        self._seen[mask] = False
        self._progress.begin(self._rows, batch.layout, batch.tables, mask)
        self._tell(batch)

    def close(self) -> None:
        """Close the routes and their sandbox process."""
        self._progress.close()

    def step(self, batch: BatchEnv) -> None:
        """Follow a step of every environment."""
        self._before[:] = self._rows
        batch.state_rows(self._rows)
        self._progress.step(self._before, self._rows)
        self._tell(batch)

    def _tell(self, batch: BatchEnv) -> None:
        present = self._progress.present
        envs = np.flatnonzero((present >= 0) & ~self._silent)
        self.values[:] = 0.0
        if not len(envs):
            return
        slots = present[envs]
        objects = np.take_along_axis(self._rows[envs], self._slots[slots][:, None] + self._object, 1)
        aside, ahead = egocentric(self._rows[envs][:, self._agent], objects[:, :2])
        if not self._whole:
            batch.observe(self._view)
            self._seen[envs, slots] |= shown(self._view[envs], aside, ahead, objects[:, 2])
            known = self._seen[envs, slots]
        else:
            known = np.ones(len(envs), dtype=bool)
        parts = []
        if self._encoding != "object":
            parts.append(np.stack([aside, ahead], 1) / _CELLS)
        if self._encoding != "relative":
            parts.append((objects[:, 2:] + 1) / (np.array(self._numbers) + 1))
        self.values[envs] = np.concatenate(parts, 1) * known[:, None]


def egocentric(agent: NDArray[Any], places: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many cells `places` [N, 2] lie to the right of agents and ahead of them, int64 [N] each.

    Args:
        agent: x, y and direction, int [N, 3]; 0 right, 1 down, 2 left, 3 up, and y grows downwards.
        places: x and y, int [N, 2].
    """
    forward = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[agent[:, 2]]
    right = np.stack([-forward[:, 1], forward[:, 0]], 1)
    apart = places.astype(np.int64) - agent[:, :2]
    return (apart * right).sum(1), (apart * forward).sum(1)


_CODES = np.array([5, 4, 6, 7, 8])  # MiniGrid's type of key, door, ball, box, goal


def shown(view: NDArray[np.float32], aside: NDArray[Any], ahead: NDArray[Any], kind: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether the cell at (aside, ahead) of each view float32 [N, D] shows an object of the kind int [N]."""
    inside = (np.abs(aside) <= _VIEW // 2) & (ahead >= 0) & (ahead <= _AHEAD)
    column = np.clip(_VIEW // 2 + aside, 0, _VIEW - 1)
    row = np.clip(_AHEAD - ahead, 0, _VIEW - 1)
    types = np.rint(10 * np.take_along_axis(view, (3 * (_VIEW * column + row))[:, None], 1)[:, 0])
    return inside & (types == _CODES[kind])
