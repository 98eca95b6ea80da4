"""Predicts from the enumerated model how hard a sound reward is to learn. Orders candidates; proves nothing.

docs/certificate.md (The predicted difficulty) states the algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .model import RewardModel
from .rehearsal import CLEAREST, TRACE, rehearse
from .solving import END, walk

_WALKS = 64
_MOST_STEPS = 60_000  # of random walks; determines a proportion to within one percentage point
_MOST_SWEEPS = 400
_PER_SUCCESS = 10.0  # points of the score for each unit of success; one for each unit of -ln P
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
    advantage, typical, density = _at_the_start(model, max_steps, gamma)
    clear = np.clip(advantage[path] / typical, -CLEAREST, CLEAREST)
    best = np.where(nearer, clear, -np.inf).max(axis=1)
    telling = clear.max(axis=1) - clear.min(axis=1) > 1e-3
    greedy = float(((best >= clear.max(axis=1) - 1e-9) & telling).mean())
    learned = rehearse(model, path, nearer, max_steps, gamma)
    success = float(np.mean(learned.success))
    score = _PER_SUCCESS * (1.0 - success) + float(np.mean(learned.unlikely))
    needed = np.flatnonzero(nearer[nearer.sum(axis=1) == 1].any(axis=0)).tolist()
    rarest = learned.chances.min(axis=0)
    avoided = tuple((a, float(rarest[a])) for a in needed if rarest[a] < _AVOIDED / len(rarest))
    return Difficulty(greedy, float(best.mean()), density, _longest_silence(telling), score, success, avoided)


def _at_the_start(model: RewardModel, max_steps: int, gamma: float) -> tuple[NDArray[np.float64], float, float]:
    """Measurements of the uniform random policy with an untrained critic, as at the beginning of training.

    Returns:
        Its advantages A, float64 [N, A]; their root mean square over the visited states; the proportion of its steps
        whose reward is not 0.
    """
    actions = model.successor.shape[1]
    chances = np.full(actions, 1 / actions)
    walks = max(1, min(_WALKS, _MOST_STEPS // max_steps))
    density, met = walk(model.successor, model.high, chances, walks, max_steps, 0)
    value = value_of(model.successor, model.high, chances, gamma * TRACE, _MOST_SWEEPS)
    worth = model.high + gamma * TRACE * np.where(model.successor == END, 0.0, value[model.successor])
    advantage = worth - (worth @ chances)[:, None]
    typical = float(np.sqrt(np.average(np.square(advantage) @ chances, weights=met))) or 1.0
    return advantage, typical, density


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
