"""How hard a sound reward is to learn from, predicted from its model: decides who trains first, proves nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .model import RewardModel
from .solving import END, Solution, walk_randomly

_WALKS = 64
_MOST_STEPS = 60_000  # of random walks; enough for a share to within a point
_MOST_NODES = 4000


@dataclass(frozen=True)
class Difficulty:
    """Smaller is easier.

    greedy_progress: share of random play's states in which some action that pays most at once brings success nearer.
    advantage_gap: mean over a shortest optimal path of (Q* of the best action - mean Q*) / (spread of V*).
    density: share of a random policy's steps that pay anything. longest_silence: most steps in a row of that path
    that pay nothing. score: the combination, see `predict_difficulty`.
    """

    greedy_progress: float
    advantage_gap: float
    density: float
    longest_silence: int
    score: float


def predict_difficulty(
    model: RewardModel, best: Solution, far: NDArray[np.int32], max_steps: int, gamma: float
) -> Difficulty:
    """Predict from a certified model.

    score = log2(1 + longest_silence) * (1 - greedy_progress / 2) - log10(density + 1e-4) / 2 - min(gap, 1). The
    weights are a first guess and not fitted: random exploration must cross the longest silence by luck, and does
    so the sooner the more often the greedy action is right.
    """
    walks = max(1, min(_WALKS, _MOST_STEPS // max_steps))
    density, met = walk_randomly(model.successor, model.high, walks, max_steps, 0)
    nodes = np.flatnonzero(met)[:_MOST_NODES]
    greedy = _greedy_progress(model, nodes, far)
    path = _path(model, best.policy, max_steps)
    gap = _gap(model, best, path, gamma)
    silence = _longest_silence([abs(float(model.high[n, a])) > 1e-12 for n, a in path])
    score = float(np.log2(1 + silence) * (1 - greedy / 2) - np.log10(density + 1e-4) / 2 - min(gap, 1.0))
    return Difficulty(greedy, gap, float(density), silence, score)


def _greedy_progress(model: RewardModel, nodes: NDArray[np.int64], far: NDArray[np.int32]) -> float:
    row, pay = model.successor[nodes], model.high[nodes]
    nearer = model.success[nodes] | ((row != END) & (far[row] >= 0) & (far[row] < far[nodes][:, None]))
    most = pay.max(axis=1, keepdims=True)
    top = pay >= most - 1e-12
    # Where all actions pay alike, the reward says nothing: no progress.
    telling = ~top.all(axis=1)
    return float(((top & nearer).any(axis=1) & telling).mean())


def _path(model: RewardModel, policy: NDArray[np.int8], most: int) -> list[tuple[int, int]]:
    path, node = [], 0
    while node != END and len(path) < most:
        path.append((node, int(policy[node])))
        node = int(model.successor[node, policy[node]])
    return path


def _gap(model: RewardModel, best: Solution, path: list[tuple[int, int]], gamma: float) -> float:
    nodes = np.array([n for n, _ in path])
    row = model.successor[nodes]
    q = model.high[nodes] + gamma * np.where(row == END, 0.0, best.value[row])
    spread = float(np.ptp(best.value)) or 1.0
    return float(np.mean(q.max(axis=1) - q.mean(axis=1)) / spread)


def _longest_silence(paid: list[bool]) -> int:
    longest = run = 0
    for pays in paid:
        run = 0 if pays else run + 1
        longest = max(longest, run)
    return longest
