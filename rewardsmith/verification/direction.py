"""Whether the components of a reward pay for coming closer to success, or for the opposite.

Progress is exact: the number of actions to success, from the enumerated model. It is compared with the pay of each
component within the stages of a shortest solution (docs/check.md, The direction of rewards).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.base import Task

from .agreement import Walks
from .difficulty import brings_nearer, shortest_path, value_of
from .model import POTENTIAL, RewardModel
from .solving import END

_FEWEST_TRANSITIONS, _FEWEST_STEPS = 40, 3  # of a stage, to say anything about it
_RARE = 0.1  # smallest proportion of paid transitions: a milestone or a rare penalty has no direction
_AGAINST, _OPPOSED = 0.25, -0.3  # of the programs that language models wrote, honest ones stay above both by a margin
_NOTHING = 1e-9
_SWEEPS, _SAMPLED = 100, 20_000


@dataclass(frozen=True)
class Direction:
    """How the pay of one component follows progress in one stage of a shortest solution.

    Attributes:
        component: Name of the component, or "potential", whose pay is its change.
        stage: Number of the stage, in the order of a shortest solution, from 1.
        steps: Number of the solution's steps in this stage.
        correlation: Rank correlation of the pay with progress (closer, as far, farther), in [-1, 1].
        paid: Proportion of the stage's transitions that are paid, in [0, 1].
        agrees: Of the transitions that change the distance and are not paid as standing still usually is, the
            proportion on which they are paid more for coming closer, or less for going away, in [0, 1].
        rewards: Whether the component is ever above 0; one that is not is a penalty.
    """

    component: str
    stage: int
    steps: int
    correlation: float
    paid: float
    agrees: float
    rewards: bool

    @property
    def wrong(self) -> bool:
        """Whether it pays for moving away from success."""
        told = self.rewards and self.paid >= _RARE and self.steps >= _FEWEST_STEPS
        return told and self.agrees <= _AGAINST and self.correlation <= _OPPOSED


@dataclass(frozen=True)
class Guidance:
    """What a reward says on one layout about the way to success.

    Attributes:
        pays: Number of enumerated transitions on which each component pays something.
        transitions: Number of transitions that were scored.
        complete: Whether these are all transitions of the layout.
        leads_on: Proportion of the steps of a shortest solution on which only actions that lead closer to success are
            paid best, in [0, 1].
        misleads: Proportion of these steps on which no action that leads closer is paid best, in [0, 1].
        correlation: Rank correlation of the rewards with exact progress: the change of the discounted probability that
            a uniform random policy succeeds. In [-1, 1].
        directions: The direction of each component in each stage.
    """

    pays: dict[str, int]
    transitions: int
    complete: bool
    leads_on: float
    misleads: float
    correlation: float
    directions: tuple[Direction, ...]


def guidance_of(
    task: Task, model: RewardModel, far: NDArray[np.int32], gamma: float, walks: Walks | None
) -> Guidance | None:
    """Measure what a reward says about the way to success; None without a program.

    Args:
        task: The task.
        model: The enumerated reward, whole or in part. Success must be reachable from node 0.
        far: int32 [N], the fewest actions to success from every node, -1 if there is no way.
        gamma: The learner's discount factor.
        walks: Scored walks through the model.
    """
    if walks is None:
        return None
    path = shortest_path(model.successor, model.success, far)
    best = model.high[path] >= model.high[path].max(axis=1, keepdims=True) - _NOTHING
    nearer = brings_nearer(model, path, far)
    leads_on = float((~best | nearer).all(axis=1).mean())
    misleads = 1.0 - float((best & nearer).any(axis=1).mean())
    pays = model.pays
    return Guidance(
        pays, model.transitions, not model.missing, leads_on, misleads, _with_progress(model, gamma),
        tuple(_directions(task, model, far, walks, path)),
    )  # fmt: skip


def _with_progress(model: RewardModel, gamma: float) -> float:
    """Rank correlation of the rewards with gamma * V(s') - V(s), V being the value of success for a random policy."""
    count, actions = model.successor.shape
    worth = value_of(model.successor, model.success.astype(float), np.full(actions, 1 / actions), gamma, _SWEEPS)
    node = np.arange(0, count, max(1, count * actions // _SAMPLED))
    there = model.successor[node]
    gained = np.where(there == END, model.success[node], gamma * worth[np.where(there == END, 0, there)])
    told = ~model.success[node] & ~model.left[node]
    progress = (gained - worth[node][:, None])[told]
    return rank_correlation(model.high[node][told], np.round(progress, 9))


def _directions(
    task: Task, model: RewardModel, far: NDArray[np.int32], walks: Walks, path: NDArray[np.int64]
) -> Iterator[Direction]:
    columns = stage_columns(task)
    rows = model.graph.rows_before(model.state[path].astype(np.int64))[:, columns]
    before = walks.rollout.before[..., columns]
    same = (before == walks.rollout.after[..., columns]).all(axis=-1)
    progress, known = _progress(model, far, walks)
    for number, stage in enumerate(dict.fromkeys(map(tuple, rows.tolist())), start=1):
        here = same & known & (before == np.array(stage, before.dtype)).all(axis=-1)
        steps = int((rows == np.array(stage, before.dtype)).all(axis=1).sum())
        if here.sum() >= _FEWEST_TRANSITIONS:
            for name, pay in _pays(walks):
                yield _direction(name, number, steps, pay[here], progress[here])


def _direction(name: str, stage: int, steps: int, pay: NDArray[np.float64], progress: NDArray[np.int64]) -> Direction:
    paid = np.abs(pay) > _NOTHING
    # A cost per step, or the discount in a hand-made potential difference, is paid for standing still as well.
    more = pay - (float(np.median(pay[progress == 0])) if (progress == 0).any() else 0.0)
    telling = (np.abs(more) > _NOTHING) & (progress != 0)
    agrees = float((np.sign(more) == progress)[telling].mean()) if telling.any() else 0.0
    rewards = bool((pay > _NOTHING).any())
    return Direction(name, stage, steps, rank_correlation(pay, progress), float(paid.mean()), agrees, rewards)


def stage_columns(task: Task) -> list[int]:
    """Columns of the choices and flags of a state's objects: they tell the stages of a task apart."""
    return [
        int(slot) + field.column
        for each in task.schema
        if each.kind == "list"
        for field in each.fields
        if field.kind in ("choice", "bool")
        for slot in each.slots()
    ]


def _progress(model: RewardModel, far: NDArray[np.int32], walks: Walks) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(1 closer, 0 as far, -1 farther; whether known), each [T, N]."""
    successor = model.successor[walks.node, walks.action]
    won = model.success[walks.node, walks.action]
    there = np.where(won, 0, far[np.where(successor == END, 0, successor)])
    known = (far[walks.node] >= 0) & (won | ((successor != END) & (there >= 0)))
    return np.sign(far[walks.node].astype(np.int64) - there), known & ~won


def _pays(walks: Walks) -> Iterator[tuple[str, NDArray[np.float64]]]:
    scores = walks.scores
    for i, name in enumerate(scores.names):
        yield name, scores.values[:, :, i]
    if scores.phi is not None and scores.phi0 is not None:
        last = np.vstack([scores.phi0[:1], scores.phi[:-1]])
        yield POTENTIAL, scores.phi - np.where(walks.rollout.starts, scores.phi0, last)


def rank_correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return Spearman's rank correlation, ties given their mean rank; 0 if either is constant."""
    a, b = _ranks(np.round(one, 9)), _ranks(other)
    spread = float(a.std() * b.std())
    return 0.0 if spread == 0.0 else float(((a - a.mean()) * (b - b.mean())).mean() / spread)


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[inverse]
