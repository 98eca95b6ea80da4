"""Plays a task with random and constant actions, to show what a reward would see and what such play achieves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import reference_of

MOST_STEPS = 2_000
"""Steps that one way to act is played for."""

SECONDS = 20.0
"""Seconds after which one way to act is played no longer, where a step takes long."""

_EPISODES = 20
_SHOWN = 8  # steps told one by one
_CONSTANT = 6  # discrete actions that are held, each for an episode


@dataclass(frozen=True)
class Tried:
    """What one way to act achieved.

    Attributes:
        name: The way to act: "random", or the action that was held.
        episodes: Episodes that ended.
        successes: Those that succeeded.
        returned: Mean return of an episode by the environment's own reward; None if none ended.
        steps: Environment steps.
    """

    name: str
    episodes: int
    successes: int
    returned: float | None
    steps: int


def first_steps(task: Task) -> Iterator[str]:
    """The first steps of a random episode in words: action, state, reward, success. Raises TaskError."""
    batch, rng = task.batch(1, "train"), np.random.default_rng(0)
    try:
        batch.reset(0)
        row = task.schema.rows(1)
        batch.state_rows(row)
        yield f"start: {task.caption(row[0], batch.tables)}"
        for step in range(1, _SHOWN + 1):
            action = task.actions.sample(rng, 1, allowed=batch.masks)
            batch.step(action)
            batch.state_rows(row)
            ended = " terminated" if batch.terminated[0] else " truncated" if batch.truncated[0] else ""
            won = " success" if batch.success[0] else ""
            caption = task.caption(row[0], batch.tables)
            shown = task.actions.describe(action[0])
            yield f"{step}. {shown}: {caption} | reward {batch.rewards[0]:.3g}{won}{ended}"
            if ended:
                return
    finally:
        batch.close()


def tries(task: Task) -> Iterator[Tried]:
    """Random play, the reference, then constant actions if all are always allowed, on training layouts.

    Raises TaskError.
    """
    rng = np.random.default_rng(0)
    yield _played(task, "random", _EPISODES, lambda masks: task.actions.sample(rng, 1, allowed=masks))
    if (reference := reference_of(task)) is not None:
        found = reference.achieves(_EPISODES)
        steps = round(found.mean_length * found.episodes)
        yield Tried(f"reference {reference.name}", found.episodes, found.successes, found.mean_return, steps)
    if task.masked:
        return  # a constant action is not always allowed
    for name, action in _constants(task):
        yield _played(task, f"always {name}", 1, lambda masks, action=action: action)


def _constants(task: Task) -> Iterator[tuple[str, NDArray[np.generic]]]:
    actions = task.actions
    if actions.discrete:
        for number in range(min(len(actions), _CONSTANT)):
            yield actions.names[number], np.array([number])
        return
    low = np.array(actions.low) if actions.low else np.zeros(actions.width)
    high = np.array(actions.high) if actions.high else np.array(actions.counts or (2,) * actions.width) - 1.0
    if not (np.isfinite(low) & np.isfinite(high)).all():
        return  # some number has no smallest or largest value
    ends = (("the smallest values", low), ("the middle", (low + high) / 2), ("the largest values", high))
    for name, action in ends:
        if not actions.whole or name != "the middle":
            yield name, action[None]


def _played(task: Task, name: str, episodes: int, choose: Callable[[Any], NDArray[np.generic]]) -> Tried:
    batch = task.batch(1, "train")
    try:
        batch.reset(1)
        successes, returns, total, steps = 0, [], 0.0, 0
        until = time.monotonic() + SECONDS
        while len(returns) < episodes and steps < MOST_STEPS and (steps == 0 or time.monotonic() < until):
            batch.step(choose(batch.masks))
            steps += 1
            total += float(batch.rewards[0])
            if batch.terminated[0] or batch.truncated[0]:
                successes += bool(batch.success[0])
                returns.append(total)
                total = 0.0
                batch.restart(np.ones(1, dtype=bool))
    finally:
        batch.close()
    return Tried(name, len(returns), successes, float(np.mean(returns)) if returns else None, steps)
