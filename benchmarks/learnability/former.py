"""The former prediction of difficulty, which the benchmark compares with the present one.

It improves a state-independent policy for three rounds, then asks how likely a shortest solution has become, with the
success reward as it is and limited to the largest other reward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rewardsmith.verification.difficulty import brings_nearer, shortest_path, value_of
from rewardsmith.verification.model import RewardModel
from rewardsmith.verification.rehearsal import TRACE, unmet_success
from rewardsmith.verification.solving import END, walk

_WALKS = 64
_MOST_STEPS = 60_000
_MOST_SWEEPS = 400
_CLEAREST = 1.5
_FAINT = 0.01
_ROUNDS, _HABIT = 3, 2.0


def former_difficulty(model: RewardModel, far: NDArray[np.int32], max_steps: int, gamma: float) -> float:
    """Return the former predicted difficulty; smaller is easier. Arguments as in `predict_difficulty`."""
    path = shortest_path(model.successor, model.success, far)
    nearer = brings_nearer(model, path, far)
    study = partial(_study, model, max_steps=max_steps, gamma=gamma)
    both = (model.high, unmet_success(model))
    learned = [stage for reward in both for stage in _improve(study, reward, nearer.shape[1])]
    return float(np.mean([_unlikely(*stage, path, nearer) for stage in learned]))


@dataclass(frozen=True)
class _Study:
    """Measurements of a state-independent policy: A float64 [N, A], their root mean square over the visited states (s),
    their mean over these states per action float64 [A], and the proportion of steps whose reward is not 0."""

    advantage: NDArray[np.float64]
    typical: float
    habit: NDArray[np.float64]
    density: float

    def clear(self, advantage: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return A/s with s at least 0.01, limited to [-1.5, 1.5]."""
        return np.clip(advantage / max(self.typical, _FAINT), -_CLEAREST, _CLEAREST)


def _study(
    model: RewardModel, reward: NDArray[np.float64], logits: NDArray[np.float64], max_steps: int, gamma: float
) -> _Study:
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    walks = max(1, min(_WALKS, _MOST_STEPS // max_steps))
    density, met = walk(model.successor, reward, chances, walks, max_steps, 0)
    value = value_of(model.successor, reward, chances, gamma * TRACE, _MOST_SWEEPS)
    worth = reward + gamma * TRACE * np.where(model.successor == END, 0.0, value[model.successor])
    advantage = worth - (worth @ chances)[:, None]
    typical = float(np.sqrt(np.average(np.square(advantage) @ chances, weights=met))) or 1.0
    return _Study(advantage, typical, np.average(advantage, axis=0, weights=met), density)


def _improve(
    study: Callable[[NDArray[np.float64], NDArray[np.float64]], _Study], reward: NDArray[np.float64], actions: int
) -> Iterator[tuple[_Study, NDArray[np.float64]]]:
    """Per round: the measurements of the policy before it, and the logits float64 [A] after it."""
    logits = np.zeros(actions)
    for _ in range(_ROUNDS):
        found = study(reward, logits)
        logits = logits + _HABIT * found.clear(found.habit)
        yield found, logits


def _unlikely(found: _Study, logits: NDArray[np.float64], path: NDArray[np.int64], nearer: NDArray[np.bool_]) -> float:
    """-ln P(every step of the path leads closer to success), after one more improvement with per-state advantages."""
    chance = np.exp(logits + found.clear(found.advantage[path]))
    return float(-np.log((chance * nearer).sum(axis=1) / chance.sum(axis=1)).sum())
