"""The transitions on which a program is scored before training, and the statistics of its components on them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from rewardsmith.programs.rollout import Rollout, record
from rewardsmith.tasks.base import Task
from rewardsmith.verification.battery import first_bank
from sandbox.client import Scores

RANDOM_TRANSITIONS = 16 * 256
"""Transitions of random play on which a program is scored if the task has no planner."""

_RANDOM_ENVS = 16
_FEWEST_STEPS = 16


def sample_transitions(
    task: Task, layouts: Sequence[int] | None = None, most: int = RANDOM_TRANSITIONS, led: int | None = None
) -> Rollout:
    """Return the scripted episodes of the first of `layouts` (a job's by default) with a solution.

    Scripted episodes contain successes, so that terms for success are exercised. Without a solution, the result is
    `random_transitions(task, most)`. `led` is as `most` in `run_battery`.
    """
    played = first_bank(task, layouts, led)
    return random_transitions(task, most) if played is None else played.rollout


@lru_cache(maxsize=8)
def random_transitions(task: Task, most: int = RANDOM_TRANSITIONS) -> Rollout:
    """Return at most `most` transitions of random play on training layouts, but at least 16 steps of an episode."""
    rng, envs = np.random.default_rng(0), max(1, min(_RANDOM_ENVS, most // _FEWEST_STEPS))
    batch = task.batch(envs, "train")
    batch.reset(0)
    rollout = record(
        batch,
        task,
        lambda t, starts: task.actions.sample(rng, envs, allowed=batch.masks),
        max(_FEWEST_STEPS, most // envs),
    )
    batch.close()
    return rollout


def component_statistics(scores: Scores) -> dict[str, dict[str, float]]:
    """Return mean, minimum, maximum and proportion of nonzero steps ("fires") of every component."""
    return {
        name: {
            "mean": float(scores.values[:, :, i].mean()),
            "min": float(scores.values[:, :, i].min()),
            "max": float(scores.values[:, :, i].max()),
            "fires": float(np.count_nonzero(scores.values[:, :, i]) / scores.values[:, :, i].size),
        }
        for i, name in enumerate(scores.names)
    }
