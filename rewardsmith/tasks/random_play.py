"""Measures what random play scores, once per job: the zero of a scale of scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rewardsmith.scores import ScoreScale, scale_of
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import reference_of, score_rule_of

MOST_STEPS = 10_000
"""Steps of random play, unless fewer episodes than FEWEST would fit into them."""

FEWEST, MOST = 10, 100
"""Least and most episodes of random play."""

_AT_ONCE = 10  # environments; each plays as many episodes as the others, or short episodes would count too often


def measure_scale(task: Task) -> ScoreScale | None:
    """Play a task at random and return the scale of its scores; None if it has a success.

    If the description states no number, what the task's reference achieves is the one of the scale.

    Raises:
        UsageError: The task's reference is no better than random play.
        TaskError: The environment fails.
    """
    rule = score_rule_of(task)
    if rule is None:
        return None
    source, reference = "the reference of the description", reference_of(task)
    if rule.reference is None and reference is not None:
        rule = replace(rule, reference=reference.achieves().mean_return)
        source = f"the mean return of {reference.name}"
    return scale_of(task.id, rule, random_returns(task), source)


def random_returns(task: Task) -> list[float]:
    """Return the return of each of 10 to 100 episodes of random play on training starts, by the same seeds always."""
    wanted = min(MOST, max(FEWEST, MOST_STEPS // task.max_steps)) // _AT_ONCE
    batch, rng = task.batch(_AT_ONCE, "train"), np.random.default_rng(0)
    found: list[list[float]] = [[] for _ in range(_AT_ONCE)]
    running = np.zeros(_AT_ONCE)
    try:
        batch.reset(0)
        while any(len(each) < wanted for each in found):
            batch.step(task.actions.sample(rng, _AT_ONCE, allowed=batch.masks))
            running += batch.rewards
            done = batch.terminated | batch.truncated
            for n in np.flatnonzero(done):
                found[n].append(float(running[n]))
            running[done] = 0.0
            if done.any():
                batch.restart(done)
    finally:
        batch.close()
    return [value for each in found for value in each[:wanted]]
