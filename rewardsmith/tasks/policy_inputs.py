"""Policy inputs: a task whose policies observe K more numbers in training, such as the present subgoal.

Only training and evaluations that ask for it receive the numbers. Everywhere else they are zeros, so that a policy is
judged as it is exported: without the inputs, whose weights are left out of the stored file.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.tasks.observations import ObservationSpace, vector


class InputTracker(Protocol):
    """Computes the inputs of the running episodes of N environments."""

    def reset(self, seed: int) -> None:
        """Seed the tracker's random numbers; called when every environment is reset."""
        ...

    def begin(self, batch: BatchEnv, mask: NDArray[np.bool_]) -> None:
        """Follow the episodes that have just begun where `mask` [N] is true."""
        ...

    def step(self, batch: BatchEnv) -> None:
        """Follow a step of every environment; called before finished episodes start again."""
        ...

    def close(self) -> None:
        """End all processes that the tracker has started."""
        ...

    @property
    def values(self) -> NDArray[np.float32]:
        """The inputs of the present states, float32 [N, K]; zeros for an episode that is not told anything."""
        ...


class PolicyInputs(Protocol):
    """The definition of K further inputs of a policy."""

    @property
    def size(self) -> int:
        """The number K of inputs, at least 1."""
        ...

    def tracker(self, task: Task, num_envs: int) -> InputTracker:
        """Return the tracker of a batch of `task`, which observes without the inputs."""
        ...


def with_inputs(task: Task, inputs: PolicyInputs, *, everywhere: bool = False) -> Task:
    """Return `task` with the inputs at the end of each observation.

    Args:
        task: A task whose policies observe a vector.
        inputs: The definition of the inputs.
        everywhere: Whether evaluations receive them, too; otherwise only batches of the pool "train" do.

    Raises:
        UsageError: If an observation is not a vector of numbers.
    """
    if not task.observation.plain:
        raise UsageError(
            f"Policies of {task.id} observe more than one vector, to which no inputs can be added.",
            "Choose another method, or a task that is observed as a vector.",
        )
    found = copy.copy(task)
    found.__class__ = _class_for(type(task))
    assert isinstance(found, _InformedTask)
    found._own, found._inputs, found._everywhere = task, inputs, everywhere
    found._wider = vector(task.observation_size + inputs.size)
    return cast("Task", found)


def inputs_of(task: Task) -> int:
    """Return how many inputs `with_inputs` has added to the observations of a task."""
    return task._inputs.size if isinstance(task, _InformedTask) else 0


class _InformedTask:
    """What a task with inputs has instead of what its class has; it keeps all capabilities of its class."""

    _own: Any
    _inputs: PolicyInputs
    _everywhere: bool
    _wider: ObservationSpace

    @property
    def observation(self) -> ObservationSpace:
        return self._wider

    @property
    def observation_size(self) -> int:
        return self._wider.size

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        batch = self._own.batch(num_envs, pool)
        told = self._everywhere or pool == "train"
        tracker = self._inputs.tracker(self._own, num_envs) if told else None
        return cast("BatchEnv", InformedBatch(batch, tracker, self._inputs.size))


@lru_cache
def _class_for(kind: type) -> type:
    """The class of such a task: protocols are checked by the attributes of a class."""
    return type(f"Informed{kind.__name__}", (_InformedTask, kind), {"__doc__": kind.__doc__})


class InformedBatch:
    """A batch of environments with inputs at the end of each observation; all else is the wrapped batch's own."""

    def __init__(self, batch: BatchEnv, tracker: InputTracker | None, size: int) -> None:
        """Wrap `batch`. Without a tracker all inputs are zeros."""
        self._batch, self._tracker = batch, tracker
        self._everywhere = np.ones(batch.num_envs, dtype=bool)
        self._narrow = np.zeros((batch.num_envs, batch.observation_size), dtype=np.float32)
        self.observation_size = batch.observation_size + size
        if tracker is not None:
            tracker.reset(0)
            tracker.begin(batch, self._everywhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def reset(self, seed: int) -> None:
        """Start an episode in every environment, see BatchEnv."""
        self._batch.reset(seed)
        if self._tracker is not None:
            self._tracker.reset(seed)
            self._tracker.begin(self._batch, self._everywhere)

    def play(self, layout: int) -> None:
        """Start an episode in every environment on one layout, see BatchEnv."""
        self._batch.play(layout)
        self._begin(self._everywhere)

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start a new episode in the environments where `mask` [N] is true."""
        self._batch.restart(mask)
        self._begin(mask)

    def place(self, env: int, layout: int, actions: Sequence[int]) -> None:
        """Start an episode of one environment within a layout, see placing.StartsWithin."""
        self._batch.place(env, layout, actions)  # type: ignore[attr-defined]
        self._begin(np.arange(self._batch.num_envs) == env)

    def _begin(self, mask: NDArray[np.bool_]) -> None:
        if self._tracker is not None and mask.any():
            self._tracker.begin(self._batch, mask)

    def step(self, actions: NDArray[Any]) -> None:
        """Apply `actions`, one per environment, see BatchEnv."""
        self._batch.step(actions)
        if self._tracker is not None:
            self._tracker.step(self._batch)

    def observe(self, out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """Write observations with their inputs into `out` [N, D + K], or the rows where `mask` [N] is true."""
        chosen = self._everywhere if mask is None else mask
        own = self._batch.observation_size
        self._batch.observe(self._narrow, mask)
        out[chosen, :own] = self._narrow[chosen]
        out[chosen, own:] = 0.0 if self._tracker is None else self._tracker.values[chosen]

    def close(self) -> None:
        """Close the environments and the tracker."""
        self._batch.close()
        if self._tracker is not None:
            self._tracker.close()
