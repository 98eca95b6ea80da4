"""Predicts from the enumerated model how hard a sound reward is to learn. Orders candidates; proves nothing.

docs/certificate.md (The predicted difficulty) states the algorithm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .model import RewardModel
from .rehearsal import CLEAREST, FAINT, TRACE, rehearse, unmet_success
from .solving import END, walk

_WALKS = 64
_MOST_STEPS = 60_000  # of random walks; determines a proportion to within one percentage point
_MOST_SWEEPS = 400
_ROUNDS, _HABIT = 3, 2.0  # rounds of state-independent improvement, and the factor of its exponent
_PER_SUCCESS = 15.0  # chosen on DoorKey-8x8 and KeyCorridorS3R3, see benchmarks/learnability
_AVOIDED = 0.1  # proportion of its chance in random play below which an action counts as avoided


@dataclass(frozen=True)
class Difficulty:
    """How hard a reward is to learn from, predicted from the enumerated states.

    Attributes:
        greedy_progress: Proportion of the steps of a shortest solution on which the action with the largest advantage
            of a random policy leads closer to success, in [0, 1].
        advantage_gap: Mean over these steps of A/s of the best action that leads closer, in [-1.5, 1.5].
        density: Proportion of random steps whose reward is not 0, in [0, 1].
        longest_silence: Largest number of consecutive steps of that solution on which all actions have equal advantage.
        score: The predicted difficulty, at least 0; smaller is easier. See `predict_difficulty`.
        success: Mean success of the rehearsal's rounds, in [0, 1].
        avoided: (action, its smallest probability) of the actions that the solution needs and that the rehearsal
            learned to avoid.
    """

    greedy_progress: float
    advantage_gap: float
    density: float
    longest_silence: int
    score: float
    success: float = 0.0
    avoided: tuple[tuple[int, float], ...] = ()


def predict_difficulty(model: RewardModel, far: NDArray[np.int32], max_steps: int, gamma: float) -> Difficulty:
    """Predict the difficulty of a reward with the algorithm of docs/certificate.md (The predicted difficulty).

    Args:
        model: The enumerated reward, whole or in part. Success must be reachable from node 0.
        far: int32 [N], the fewest actions to success from every node, -1 if there is no way.
        max_steps: Length of the longest episode, in steps.
        gamma: The learner's discount factor.
    """
    path = shortest_path(model.successor, model.success, far)
    nearer = brings_nearer(model, path, far)
    unmet = unmet_success(model)
    study = partial(_study, model, max_steps=max_steps, gamma=gamma)
    learned = [*_improve(study, model.high, nearer.shape[1]), *_improve(study, unmet, nearer.shape[1])]
    scores = [_unlikely(*stage, path, nearer) for stage in learned]
    first, _ = learned[0]
    clear = np.clip(first.advantage[path] / first.typical, -CLEAREST, CLEAREST)
    best = np.where(nearer, clear, -np.inf).max(axis=1)
    telling = clear.max(axis=1) - clear.min(axis=1) > 1e-3
    greedy = float(((best >= clear.max(axis=1) - 1e-9) & telling).mean())
    rehearsal = rehearse(model, max_steps, gamma)
    success = float(np.mean(rehearsal.success))
    score = float(np.mean(scores)) + _PER_SUCCESS * (1.0 - success)
    needed = np.flatnonzero(nearer[nearer.sum(axis=1) == 1].any(axis=0)).tolist()
    rarest = rehearsal.chances.min(axis=0)
    avoided = tuple((a, float(rarest[a])) for a in needed if rarest[a] < _AVOIDED / len(rarest))
    silence = _longest_silence(telling)
    return Difficulty(greedy, float(best.mean()), first.density, silence, score, success, avoided)


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
        return np.clip(advantage / max(self.typical, FAINT), -CLEAREST, CLEAREST)


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


def brings_nearer(model: RewardModel, nodes: NDArray[np.int64], far: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return bool [K, A]: whether an action from a node succeeds or reduces the number of actions to success."""
    row = model.successor[nodes]
    return model.success[nodes] | ((row != END) & (far[row] >= 0) & (far[row] < far[nodes][:, None]))


def shortest_path(
    successor: NDArray[np.int32], success: NDArray[np.bool_], far: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the nodes of a shortest solution, from node 0 to the last one before success."""
    path, node = [0], 0
    while not success[node].any():
        row = successor[node]
        ways = np.where((row != END) & (far[row] >= 0), far[row], np.iinfo(np.int32).max)
        node = int(row[np.argmin(ways)])
        path.append(node)
    return np.array(path)


@njit(cache=True)
def value_of(successor, reward, chances, discount, most):
    """Return the value float64 [N] of a state-independent policy, to a relative error of about 1e-3."""
    count, actions = successor.shape
    value = np.zeros(count)
    for k in range(most):
        change, size = 0.0, 0.0
        for i in range(count):
            s = i if k % 2 == 0 else count - 1 - i
            total = 0.0
            for a in range(actions):
                there = successor[s, a]
                total += chances[a] * (reward[s, a] + (discount * value[there] if there != END else 0.0))
            change, size = max(change, abs(total - value[s])), max(size, abs(total))
            value[s] = total
        if change <= 1e-5 * size:
            break
    return value


def _longest_silence(telling: NDArray[np.bool_]) -> int:
    longest = run = 0
    for differs in telling:
        run = 0 if differs else run + 1
        longest = max(longest, run)
    return longest
