"""The data of `evaluate-verifier`: transitions, their true labels, and the agreement of flags with the labels."""

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
_EPISODES = 8  # per plan: one follows the plan, seven leave it at a random step and then act randomly
_AFTER = 30  # random steps after the plan

_TOUCHES_NOTHING = MOTION - {"blocked"}
"""Events that concern no object, even if the event names one. Running into an object does concern it."""


@dataclass(frozen=True)
class Examination:
    """Played episodes and the transitions chosen from them: half positive, a quarter hard negatives, a quarter others.

    Attributes:
        rollout: N episodes of T steps.
        observations: Observations before each step, float32 [T, N, D].
        following: Observations after each step, float32 [T, N, D].
        steps: Indices (t, n) of the chosen transitions, int64 [K, 2].
        positive: Whether a chosen transition terminated a subgoal, bool [K].
        hard: Whether it is a hard negative, bool [K].
        truth: Whether each step terminated each subgoal, bool [T, N, G].
    """

    rollout: Rollout
    observations: NDArray[np.float32]
    following: NDArray[np.float32]
    steps: NDArray[np.int64]
    positive: NDArray[np.bool_]
    hard: NDArray[np.bool_]
    truth: NDArray[np.bool_]

    @property
    def tables(self) -> Tables:
        """The tables that the rows of the states refer to."""
        return self.rollout.tables


def draw_examination(task: Task, subgoals: tuple[Subgoal, ...], count: int, seed: int) -> Examination:
    """Play episodes and choose about `count` transitions from them.

    A transition is positive if it terminated a subgoal. A hard negative is one step before or after a positive, or
    touches an object without terminating a subgoal: the wrong object, a door closed again, an action without effect.

    Args:
        task: The task.
        subgoals: Its G preset subgoals.
        count: Number of transitions.
        seed: Seed of the episodes and of the choice.

    Raises:
        UsageError: No planner solves the task.
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
    """Return the steps just before or after a positive one of the same episode, bool [T, N]."""
    beside = np.zeros_like(positive)
    beside[1:] |= positive[:-1] & ~starts[1:]
    beside[:-1] |= positive[1:] & ~starts[1:]
    return beside


def _touches(task: Task, rollout: Rollout) -> NDArray[np.bool_]:
    """Return the steps whose event concerns an object, or whose action had no effect on the object ahead."""
    event, item, front = (task.schema.field(name) for name in ("event", "event_object", "front"))
    events = rollout.after[..., event.column]
    touched = ~np.isin(events, [event.number(e) for e in sorted(_TOUCHES_NOTHING)])
    touched &= rollout.after[..., item.column] >= 0
    faces = rollout.before[..., front.column] >= 0
    return touched | ((events == event.number("nothing")) & faces)


def _play(task: Task, seed: int) -> tuple[Rollout, NDArray[np.float32], NDArray[np.float32]]:
    """Play eight episodes per plan: (rollout [T, N], observations before and after each step, float32 [T, N, D])."""
    plans = solutions_of(task, _PLANS)
    if not plans:
        raise UsageError(
            f"No planner solves {task.id}, so there are no true labels to compare with.", "Pass a MiniGrid task."
        )
    steps = max(len(actions) for _, actions in plans) + _AFTER
    rng = np.random.default_rng([seed, 0])
    rollouts, before, after = zip(*(_play_plan(task, *plan, steps, rng) for plan in plans), strict=True)
    return Rollout.joined(rollouts), np.concatenate(before, axis=1), np.concatenate(after, axis=1)


def _play_plan(
    task: Task, layout: int, actions: list[int], steps: int, rng: np.random.Generator
) -> tuple[Rollout, NDArray[np.float32], NDArray[np.float32]]:
    """Play eight episodes on one layout. Each follows the plan up to a random step."""
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

    rollout = record(batch, task, choose, steps, watch=lambda t: batch.observe(after[t]))
    batch.close()
    return rollout, before, after


@dataclass(frozen=True)
class Agreement:
    """Counts of a verifier's flags against the true labels.

    Attributes:
        tp: True positives.
        fp: False positives.
        tn: True negatives.
        fn: False negatives.
        hard: Hard negatives.
        hard_fp: Hard negatives that were flagged.
    """

    tp: int
    fp: int
    tn: int
    fn: int
    hard: int
    hard_fp: int

    @staticmethod
    def of(flags: NDArray[np.bool_], examined: Examination) -> Agreement:
        """Compare `flags`, bool [K], with the labels of an examination."""
        truth, hard = examined.positive, examined.hard
        counts = [flags & truth, flags & ~truth, ~flags & ~truth, ~flags & truth, hard, hard & flags]
        return Agreement(*(int(c.sum()) for c in counts))

    @property
    def accuracy(self) -> float:
        """Accuracy, (tp + tn) / (tp + fp + tn + fn)."""
        return (self.tp + self.tn) / max(self.tp + self.tn + self.fp + self.fn, 1)

    @property
    def precision(self) -> float | None:
        """Precision, tp / (tp + fp); None if nothing was flagged."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        """Recall, tp / (tp + fn); None if nothing is positive."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def f1(self) -> float | None:
        """F1, the harmonic mean of precision and recall; None if nothing is flagged or positive."""
        both = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / both if both else None
