"""Measures what random play achieves: the zero of a scale of scores, and what designers are told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from rewardsmith.scores import ScoreScale, scale_of
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import events_of, reference_of, score_rule_of
from rewardsmith.tasks.subgoals import MOTION

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


@dataclass(frozen=True)
class RandomEpisodes:
    """The results of episodes of random play.

    Attributes:
        episodes: Episodes played.
        successes: Those that succeeded.
        events: (event with the kind of its object, episodes in which it occurred), by name, without motion.
    """

    episodes: int
    successes: int
    events: tuple[tuple[str, int], ...] = ()


_EPISODES = 64


@lru_cache(maxsize=16)
def play_at_random(task: Task) -> RandomEpisodes:
    """Play 64 episodes on training starts with random actions, by the same seed always. For tasks with cheap steps."""
    batch, rng = task.batch(_EPISODES, "train"), np.random.default_rng(0)
    told, rows = events_of(task), task.schema.rows(_EPISODES)
    playing, solved = np.ones(_EPISODES, bool), np.zeros(_EPISODES, bool)
    seen: list[set[str]] = [set() for _ in range(_EPISODES)]
    try:
        batch.reset(0)
        for _ in range(task.max_steps):
            batch.step(task.actions.sample(rng, _EPISODES, allowed=batch.masks))
            solved |= playing & batch.success
            if told is not None:
                batch.state_rows(rows)
                _note_events(rows, task, playing, seen)
            done = batch.terminated | batch.truncated
            playing &= ~done
            if not playing.any():
                break
            if done.any():
                batch.restart(done)
    finally:
        batch.close()
    counts = Counter(name for each in seen for name in each)
    return RandomEpisodes(_EPISODES, int(solved.sum()), tuple(sorted(counts.items())))


def _note_events(rows: np.ndarray, task: Task, playing: np.ndarray, seen: list[set[str]]) -> None:
    """Add the events of the last step to the sets of the episodes that are being played."""
    told, field = events_of(task), task.schema.field("event")
    if told is None:
        return
    motion = [field.number(name) for name in field.values if name in MOTION]
    for n in np.flatnonzero(playing & ~np.isin(rows[:, field.column], motion)):
        event, kind = told.read_event(rows[n])
        seen[n].add(f"{event} {kind}" if kind else event)
