"""Predicts how hard a reward is to learn from branches of the reference's episodes: it goes on, or random play does.

docs/certificate.md (The predicted difficulty) states the algorithm. It orders candidates and proves nothing.
"""

from __future__ import annotations

import math

import numpy as np

from rewardsmith.programs.problem import Problem
from rewardsmith.verification.difficulty import TRACE
from rewardsmith.verification.scripts import Played
from rewardsmith.verification.ways import Way
from sandbox.client import Scores

_CLEAREST, _FAINT = 1.5, 0.01  # as in difficulty.py
_NEGLIGIBLE = 0.01  # discount at which a branch is cut


def predicted(problem: Problem, played: Played, scores: Scores | None) -> float | None:
    """Predict the difficulty of a reward from one start's episodes; None if they have no random branches.

    1. At each step where random play branches off, sum the rewards that follow, discounted by gamma * lambda: G of
       the reference, and of each branch.
    2. A = (G - mean of the branches) / s, limited to [-1.5, 1.5], where s is the root mean square of the branches'
       deviations, at least 0.01.
    3. The difficulty is the reference's steps to success, times the mean over the branching steps of
       -ln(e^A / (e^A + mean of the branches' e^A)).
    """
    at: dict[int, list[int]] = {}
    for column, way in enumerate(played.scripts):
        if isinstance(way, Way) and way.drawn and played.length[column] > way.led:
            at.setdefault(way.led, []).append(column)
    if not at:
        return None
    total = problem.compose(played.rollout, scores).total
    discount = problem.gamma * TRACE
    horizon = math.ceil(math.log(_NEGLIGIBLE) / math.log(discount)) if discount < 1 else len(total)

    def gained(column: int, first: int) -> float:
        rewards = total[first : min(first + horizon, int(played.length[column])), column]
        return float(rewards @ discount ** np.arange(len(rewards)))

    led = [gained(0, first) for first in at]
    drawn = [np.array([gained(column, first) for column in columns]) for first, columns in at.items()]
    typical = max(math.sqrt(np.mean(np.concatenate([np.square(g - g.mean()) for g in drawn]))), _FAINT)

    def weight(gain: float | np.ndarray, branches: np.ndarray) -> np.ndarray:
        return np.exp(np.clip((gain - branches.mean()) / typical, -_CLEAREST, _CLEAREST))

    unlikely = [
        -math.log(float(weight(mine, g)) / float(weight(mine, g) + weight(g, g).mean()))
        for mine, g in zip(led, drawn, strict=True)
    ]
    return (played.success_step(0) + 1) * float(np.mean(unlikely))
