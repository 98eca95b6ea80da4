"""Frame stacking: a task whose policies observe the last frames of an episode (Mnih et al. 2015).

As with SB3's VecFrameStack, an episode's first observation follows frames of zeros. Vectors follow one another, the
oldest first; the channels of images do, too. The task itself, its states and its rewards stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.tasks.observations import ObservationSpace


def stacked(task: Task, frames: int) -> Task:
    """Return `task` with observations of `frames` frames; `task` itself for one frame, or if it has them already.

    Raises:
        UsageError: If an observation cannot be stacked.
    """
    if frames == 1 or frames_of(task) == frames:
        return task
    single = task._single if isinstance(task, _StackedTask) else task
    for part in single.observation.parts:
        if part.discrete:
            raise UsageError(
                f"{task.id} has the choice `{part.source}`, and only numbers and images can be stacked.",
                "Leave `training.frame_stack` at 1, or choose other keys with `observe`.",
            )
        channels, *sides = part.space().shape if part.is_image else (0, 0)
        if part.is_image and channels * frames > min(sides):
            raise UsageError(
                f"{frames} frames of {channels} channels are more than the {min(sides)} pixels of an image's side, and "
                "SB3 would take them for pixels.",
                f"Set `training.frame_stack` to at most {min(sides) // channels}.",
            )
    found = copy.copy(single)
    found.__class__ = _class_for(type(single))
    assert isinstance(found, _StackedTask)
    found._single, found.frames = single, frames
    found._stacked_space = stacked_space(single.observation, frames)
    return cast("Task", found)


def frames_of(task: Task) -> int:
    """Return how many frames a policy of the task observes at once."""
    return task.frames if isinstance(task, _StackedTask) else 1


class _StackedTask:
    """What a stacked task has instead of what its class has; it keeps all capabilities of its class."""

    frames: int
    _single: Any
    _stacked_space: ObservationSpace

    @property
    def observation(self) -> ObservationSpace:
        return self._stacked_space

    @property
    def observation_size(self) -> int:
        return self._stacked_space.size

    @property
    def view_cells(self) -> int:
        return self.frames * self._single.view_cells

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        batch = self._single.batch(num_envs, pool)
        return cast("BatchEnv", StackedBatch(batch, self._single, self.frames))


@lru_cache
def _class_for(kind: type) -> type:
    """The class of a stacked task: protocols are checked by the attributes of a class."""
    return type(f"Stacked{kind.__name__}", (_StackedTask, kind), {"__doc__": kind.__doc__})


def stacked_space(single: ObservationSpace, frames: int) -> ObservationSpace:
    """Return the space of `frames` observations of `single` at once."""
    parts = (replace(part, start=frames * part.start, size=frames * part.size, frames=frames) for part in single.parts)
    return ObservationSpace(list(parts))


class Frames:
    """The last frames of N environments."""

    def __init__(self, single: ObservationSpace, frames: int, envs: int, cells: int = 0) -> None:
        """Begin with zeros.

        Args:
            single: The space of one frame.
            frames: The number of frames.
            envs: The number N of environments.
            cells: The number of a grid's cells at the start of a frame, three numbers each.
        """
        self.newest = single.rows(envs)
        self._history = single.rows(envs, frames)  # the oldest frame first
        self._order = _order(single, frames, cells)

    def begin(self, mask: NDArray[np.bool_]) -> None:
        """Make `newest` the first frame of an episode in the environments where `mask` [N] is true."""
        self._history[mask] = 0
        self._history[mask, -1] = self.newest[mask]

    def add(self) -> None:
        """Add `newest` in every environment."""
        self._history[:, :-1] = self._history[:, 1:]
        self._history[:, -1] = self.newest

    def rows(self, mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Return the stacks [N, frames * D], or those of the environments where `mask` [N] is true."""
        chosen = self._history if mask is None else self._history[mask]
        return chosen.reshape(len(chosen), -1)[:, self._order]


def _order(single: ObservationSpace, frames: int, cells: int) -> NDArray[np.int64]:
    """Where each number of a stacked row is found in [frames, D], flattened.

    The cells of a grid come first, those of all frames, because networks expect cells at the start.
    """
    bounds = sorted({0, 3 * cells, *(part.start + part.size for part in single.parts)})
    frame = single.size * np.arange(frames)[:, None]
    return np.concatenate([(frame + np.arange(a, b)).ravel() for a, b in pairwise(bounds)])


class StackedBatch:
    """A batch of environments whose observations are stacks; all else is the wrapped batch's own."""

    def __init__(self, batch: BatchEnv, task: Task, frames: int) -> None:
        """Wrap `batch` of `task`, which observes single frames."""
        self._batch = batch
        self._frames = Frames(task.observation, frames, batch.num_envs, task.view_cells)
        self.observation_size = frames * task.observation.size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def reset(self, seed: int) -> None:
        """Start an episode in every environment, see BatchEnv."""
        self._batch.reset(seed)
        self._begin(np.ones(self._batch.num_envs, bool))

    def play(self, layout: int) -> None:
        """Start an episode in every environment on one layout, see BatchEnv."""
        self._batch.play(layout)
        self._begin(np.ones(self._batch.num_envs, bool))

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start a new episode in the environments where `mask` [N] is true."""
        self._batch.restart(mask)
        if mask.any():
            self._begin(mask)

    def place(self, env: int, layout: int, actions: Sequence[int]) -> None:
        """Start an episode of one environment within a layout, see placing.StartsWithin."""
        self._batch.place(env, layout, actions)  # type: ignore[attr-defined]
        self._begin(np.arange(self._batch.num_envs) == env)

    def _begin(self, mask: NDArray[np.bool_]) -> None:
        self._batch.observe(self._frames.newest, mask)
        self._frames.begin(mask)

    def step(self, actions: NDArray[Any]) -> None:
        """Apply `actions`, one per environment, see BatchEnv."""
        self._batch.step(actions)
        self._batch.observe(self._frames.newest)
        self._frames.add()

    def observe(self, out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """Write stacks into `out` [N, frames * D]; if `mask` [N] is given, only the rows where it is true."""
        out[slice(None) if mask is None else mask] = self._frames.rows(mask)
