"""How many processes step a task's environments: as the description says, or as a short measurement finds faster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rewardsmith.errors import TaskError
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.base import BatchEnv

FAST = 150e-6
"""Seconds of a step below which a message to another process and back costs as much as it saves."""

FAST_POOL = 60e-6
"""The same of EnvPool, whose call costs 40 us and whose threads cost less than processes."""

_GAIN = 1.2  # how much faster several processes must be: trials at the same time share the cores
_ENVS_EACH = 4
_TURNS = 3
_SECONDS = 0.15  # of each turn
_FEW, _LEAST = 30, 5  # steps of the first look, and of each turn: a busy machine may delay one


@dataclass(frozen=True)
class Stepping:
    """Which processes step the environments of a batch.

    Attributes:
        processes: Their number; 1 for the process of the batch itself.
        why: The reason, in words.
        by: What steps them, in words, if it is not Gymnasium in these processes.
        seconds: Seconds of a step of one environment with these processes; None if that was not measured.
    """

    processes: int
    why: str
    by: str = ""
    seconds: float | None = None


def choose(
    given: str | int,
    make: Callable[[int, int], BatchEnv],
    actions: ActionSpace,
    cores: int | None = None,
    fast: float = FAST,
) -> Stepping:
    """How many processes are to step the environments of a task.

    Args:
        given: What the description says: "auto", "none", or a number.
        make: Makes a batch of a number of environments that a number of processes step.
        actions: The task's actions.
        cores: Processors that this process may use; as the system says unless given.
        fast: Seconds of a step of one environment below which one process is chosen.

    Returns:
        The choice; one process too if the environment fails, which whoever plays it next reports.
    """
    if given != "auto":
        return Stepping(1 if given == "none" else int(given), "as the description says")
    known = available_cores() if cores is None else cores
    if known < 2:
        return Stepping(1, "there is one processor")
    try:
        # The quickest of a few steps: on a busy machine the others are slower than the environment.
        with_one = quickest(make(1, 1), actions)
        if with_one < fast:
            return Stepping(1, f"a step takes {_seconds(with_one)}", seconds=with_one)
        taken = {count: _measured(lambda n=count: make(_ENVS_EACH * known, n), actions) for count in (1, known)}
    except TaskError:
        return Stepping(1, "not measured")
    told = ", ".join(f"{n} {'process' if n == 1 else 'processes'} {_seconds(t)} a step" for n, t in taken.items())
    chosen = known if taken[1] > _GAIN * taken[known] else 1
    return Stepping(chosen, f"measured: {told}", seconds=taken[chosen])


def quickest(batch: BatchEnv, actions: ActionSpace) -> float:
    """Return the seconds of the quickest of a few steps of a batch of one environment; closes it."""
    return min(_play(batch, actions, _FEW))


def available_cores() -> int:
    """Processors that this process may use, 1 where no process can be forked."""
    from rewardsmith.tasks.described.processes import can_fork

    if not can_fork():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _measured(make: Callable[[], BatchEnv], actions: ActionSpace) -> float:
    """Seconds of a step of one environment, the least of some turns."""
    return min(_steps(make(), actions) for _ in range(_TURNS))


def _steps(batch: BatchEnv, actions: ActionSpace) -> float:
    """Seconds of a step of one environment, the median of a turn of random play."""
    return float(np.median(_play(batch, actions, 10**9))) / batch.num_envs


def _play(batch: BatchEnv, actions: ActionSpace, steps: int) -> list[float]:
    """Seconds of each step of random play: of `steps` steps, or of as many as a turn has time for."""
    rng, taken = np.random.default_rng(0), []
    try:
        batch.reset(0)
        while len(taken) < steps and (len(taken) < _LEAST or sum(taken) < _SECONDS):
            chosen = actions.sample(rng, batch.num_envs, allowed=batch.masks)
            began = time.perf_counter()
            batch.step(chosen)
            taken.append(time.perf_counter() - began)
            over = batch.terminated | batch.truncated
            if over.any():
                batch.restart(over)
    finally:
        batch.close()
    return taken


def _seconds(taken: float) -> str:
    return f"{1e6 * taken:.0f} us" if taken < 1e-3 else f"{1e3 * taken:.1f} ms"
