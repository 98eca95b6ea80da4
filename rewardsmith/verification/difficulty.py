"""How hard a sound reward is to learn from, predicted from its model: decides who trains first, proves nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .model import RewardModel
from .solving import END, walk_randomly

TRACE = 0.95
"""Lambda of the advantage estimates: a critic that knows nothing yet sees pay gamma * lambda as far per step."""

_WALKS = 64
_MOST_STEPS = 60_000  # of random walks; enough for a share to within a point
_MOST_SWEEPS = 400
_CLEAREST = 3.0  # advantages beyond so many typical ones say no more
_FAINT = 0.01  # advantages about as small are drowned by the entropy bonus and by what a critic is wrong by
_HABIT = 5.0  # improvements by what is true of an action wherever it is tried, before places are told apart


@dataclass(frozen=True)
class Difficulty:
    """Smaller is easier; all of a random policy whose critic knows nothing, as at the beginning of training.

    greedy_progress: share of the steps of a shortest solution on which the action of the largest advantage brings
    success nearer. advantage_gap: mean over those steps of the advantage of the best such action, in units of the
    typical advantage, within -3 to 3. density: share of random steps that pay anything. longest_silence: most steps
    in a row of that solution whose actions are all worth the same. score: what ranks them, see `predict_difficulty`.
    """

    greedy_progress: float
    advantage_gap: float
    density: float
    longest_silence: int
    score: float


def predict_difficulty(model: RewardModel, far: NDArray[np.int32], max_steps: int, gamma: float) -> Difficulty:
    """Predict from a model, whole or in part, in which success can be reached from node 0.

    The random policy is improved twice, each time by making an action's probability proportional to
    exp(advantage / typical advantage, or / 0.01 where that is more): five times by the mean advantage of an action over
    the states that random steps meet, for that is learned first, and may teach never to use the one action that
    matters; and once by its advantage in each state. score = -sum over a shortest solution of
    ln P(an action that brings success nearer): how unlikely the improved policy is to solve.
    """
    walks = max(1, min(_WALKS, _MOST_STEPS // max_steps))
    density, met = walk_randomly(model.successor, model.high, walks, max_steps, 0)
    value = random_value(model.successor, model.high, gamma * TRACE, _MOST_SWEEPS)
    after = np.where(model.successor == END, 0.0, value[model.successor])
    worth = model.high + gamma * TRACE * after
    advantage = worth - worth.mean(axis=1, keepdims=True)
    typical = float(np.sqrt(np.average(np.square(advantage).mean(axis=1), weights=met))) or 1.0
    path = shortest_path(model.successor, model.success, far)
    clear = np.clip(advantage[path] / typical, -_CLEAREST, _CLEAREST)
    nearer = brings_nearer(model, path, far)
    scale = max(typical, _FAINT)
    habit = np.clip(np.average(advantage, axis=0, weights=met) / scale, -_CLEAREST, _CLEAREST)
    chance = np.exp(np.clip(advantage[path] / scale, -_CLEAREST, _CLEAREST) + _HABIT * habit)
    chance = (chance * nearer).sum(axis=1) / chance.sum(axis=1)
    best = np.where(nearer, clear, -np.inf).max(axis=1)
    telling = clear.max(axis=1) - clear.min(axis=1) > 1e-3
    greedy = float(((best >= clear.max(axis=1) - 1e-9) & telling).mean())
    score = float(-np.log(chance).sum())
    return Difficulty(greedy, float(best.mean()), float(density), _longest_silence(telling), score)


def brings_nearer(model: RewardModel, nodes: NDArray[np.int64], far: NDArray[np.int32]) -> NDArray[np.bool_]:
    """bool [K, A]: whether an action from a node succeeds or leaves fewer actions to success."""
    row = model.successor[nodes]
    return model.success[nodes] | ((row != END) & (far[row] >= 0) & (far[row] < far[nodes][:, None]))


def shortest_path(
    successor: NDArray[np.int32], success: NDArray[np.bool_], far: NDArray[np.int32]
) -> NDArray[np.int64]:
    """The nodes of a shortest solution, from node 0 to the one before success."""
    path, node = [0], 0
    while not success[node].any():
        row = successor[node]
        ways = np.where((row != END) & (far[row] >= 0), far[row], np.iinfo(np.int32).max)
        node = int(row[np.argmin(ways)])
        path.append(node)
    return np.array(path)


@njit(cache=True)
def random_value(successor, reward, discount, most):
    """Value float64 [N] of choosing every action equally often; within 1e-6 of its size after a few hundred sweeps."""
    count, actions = successor.shape
    value = np.zeros(count)
    for k in range(most):
        change, size = 0.0, 0.0
        for i in range(count):
            s = i if k % 2 == 0 else count - 1 - i
            total = 0.0
            for a in range(actions):
                there = successor[s, a]
                total += reward[s, a] + (discount * value[there] if there != END else 0.0)
            total /= actions
            change, size = max(change, abs(total - value[s])), max(size, abs(total))
            value[s] = total
        if change <= 1e-9 * size:
            break
    return value


def _longest_silence(telling: NDArray[np.bool_]) -> int:
    longest = run = 0
    for tells in telling:
        run = 0 if tells else run + 1
        longest = max(longest, run)
    return longest
