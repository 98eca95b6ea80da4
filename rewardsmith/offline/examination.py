"""The examination of `evaluate-verifier`: transitions, their truth, and how well flags agree with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.programs.rollout import Rollout, record
from rewardsmith.tasks.base import Tables, Task
from rewardsmith.tasks.capabilities import solutions_of
from rewardsmith.tasks.subgoals import MOTION, Subgoal, terminated

_PLANS = 16
_EPISODES = 8  # per plan: the plan itself, and seven that leave it at random and then act at random
_AFTER = 30  # random steps after the plan is left

_TOUCHES_NOTHING = MOTION - {"blocked"}
"""Events that concern no object, even where one is named; running into an object is meant for it."""


@dataclass(frozen=True)
class Examination:
    """Played episodes [T, N] and the steps chosen of them: half positive, a quarter hard negatives, a quarter others.

    observations, following: float32 [T, N, D]. steps: int [K, 2], (t, n). positive, hard: bool [K].
    """

    rollout: Rollout
    observations: NDArray[np.float32]
    following: NDArray[np.float32]
    steps: NDArray[np.int64]
    positive: NDArray[np.bool_]
    hard: NDArray[np.bool_]
    truth: NDArray[np.bool_]  # [T, N, G]

    @property
    def tables(self) -> Tables:
        """What the states' rows point into."""
        return self.rollout.tables


def draw_examination(task: Task, subgoals: tuple[Subgoal, ...], count: int, seed: int) -> Examination:
    """About `count` balanced transitions of `task`. Raises UsageError where no planner solves it.

    A transition is positive if it terminated any subgoal. Hard negatives lie one step beside a positive, or touch an
    object without terminating anything: the wrong object, a door closed again, an action without effect.
    """
    rollout, observations, following = _play(task, seed)
    truth = terminated(rollout.after, subgoals, task.schema)
    positive = np.logical_or.reduce(truth, axis=-1)
    hard = ~positive & (_beside(positive, rollout.starts) | _touches(task, rollout))
    rng = np.random.default_rng([seed, 1])
    half = min(count // 2, int(positive.sum()))
    steps = [
        _some(positive, half, rng),
        _some(hard, half // 2, rng),
        _some(~positive & ~hard, half - half // 2, rng),
    ]
    chosen = np.concatenate(steps)
    t, n = chosen.T
    return Examination(rollout, observations, following, chosen, positive[t, n], hard[t, n], truth)


def _some(mask: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    places = np.argwhere(mask)
    return places[rng.permutation(len(places))[:count]]


def _beside(positive: NDArray[np.bool_], starts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Steps just before or after a positive one of the same episode."""
    beside = np.zeros_like(positive)
    beside[1:] |= positive[:-1] & ~starts[1:]
    beside[:-1] |= positive[1:] & ~starts[1:]
    return beside


def _touches(task: Task, rollout: Rollout) -> NDArray[np.bool_]:
    """Steps whose event concerns an object, or whose action was meant for the object ahead and did nothing."""
    event, item, front = (task.schema.field(name) for name in ("event", "event_object", "front"))
    events = rollout.after[..., event.column]
    touched = ~np.isin(events, [event.number(e) for e in sorted(_TOUCHES_NOTHING)])
    touched &= rollout.after[..., item.column] >= 0
    faces = rollout.before[..., front.column] >= 0
    return touched | ((events == event.number("nothing")) & faces)


def _play(task: Task, seed: int) -> tuple[Rollout, NDArray[np.float32], NDArray[np.float32]]:
    """(the rollout [T, N], observations before and after each step float32 [T, N, D]): eight episodes per plan."""
    plans = solutions_of(task, _PLANS)
    if not plans:
        raise UsageError(f"No planner solves {task.id}, so there is no truth to compare with.", "Name a grid task.")
    steps = max(len(actions) for _, actions in plans) + _AFTER
    rng = np.random.default_rng([seed, 0])
    rollouts, before, after = zip(*(_play_plan(task, *plan, steps, rng) for plan in plans), strict=True)
    return Rollout.joined(rollouts), np.concatenate(before, axis=1), np.concatenate(after, axis=1)


def _play_plan(
    task: Task, layout: int, actions: list[int], steps: int, rng: np.random.Generator
) -> tuple[Rollout, NDArray[np.float32], NDArray[np.float32]]:
    """Eight episodes on one layout: each follows the plan up to a random step."""
    batch = task.batch(_EPISODES, "train")
    batch.play(layout)
    leaves = rng.integers(0, len(actions) + 1, size=_EPISODES)
    leaves[0] = len(actions)
    follows = np.ones(_EPISODES, dtype=bool)
    before, after = (np.zeros((steps, _EPISODES, task.observation_size), dtype=np.float32) for _ in range(2))

    def choose(t: int, starts: NDArray[np.bool_]) -> NDArray[np.int64]:
        nonlocal follows
        batch.observe(before[t])
        follows &= ~starts | (t == 0)
        chosen = rng.integers(len(task.actions), size=_EPISODES)
        return np.where(follows & (t < leaves), actions[t], chosen) if t < len(actions) else chosen

    rollout = record(batch, task.schema, choose, steps, watch=lambda t: batch.observe(after[t]))
    batch.close()
    return rollout, before, after


@dataclass(frozen=True)
class Agreement:
    """Flags of a verifier against the truth: true and false positives and negatives, and false ones that were hard."""

    tp: int
    fp: int
    tn: int
    fn: int
    hard: int
    hard_fp: int

    @staticmethod
    def of(flags: NDArray[np.bool_], examined: Examination) -> Agreement:
        """Agreement of `flags` [K]."""
        truth, hard = examined.positive, examined.hard
        counts = [flags & truth, flags & ~truth, ~flags & ~truth, ~flags & truth, hard, hard & flags]
        return Agreement(*(int(c.sum()) for c in counts))

    @property
    def accuracy(self) -> float:
        """(tp + tn) / all."""
        return (self.tp + self.tn) / max(self.tp + self.tn + self.fp + self.fn, 1)

    @property
    def precision(self) -> float | None:
        """tp / (tp + fp), None if nothing was flagged."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        """tp / (tp + fn), None if nothing is positive."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        both = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / both if both else None
