"""How hard a sound reward is to learn from, predicted from its model: decides who trains first, proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .model import RewardModel
from .solving import END, walk

TRACE = 0.95
"""Lambda of the advantage estimates: a critic that knows nothing yet sees pay gamma * lambda as far per step."""

_WALKS = 64
_MOST_STEPS = 60_000  # of random walks; enough for a share to within a point
_MOST_SWEEPS = 400
_CLEAREST = 1.5  # advantages beyond so many typical ones say no more: a step of PPO is clipped, however large they are
_FAINT = 0.01  # advantages about as small are drowned by the entropy bonus and by what a critic is wrong by
_ROUNDS, _HABIT = 3, 2.0  # of what is true of an action wherever it is tried: improvements per round


@dataclass(frozen=True)
class Difficulty:
    """Smaller is easier; all of a random policy whose critic knows nothing, as at the beginning of training.

    greedy_progress: share of the steps of a shortest solution on which the action of the largest advantage brings
    success nearer. advantage_gap: mean over those steps of the advantage of the best such action, in units of the
    typical advantage, within -1.5 to 1.5. density: share of random steps that pay anything. longest_silence: most steps
    in a row of that solution whose actions are all worth the same. score: what ranks them, see `predict_difficulty`.
    """

    greedy_progress: float
    advantage_gap: float
    density: float
    longest_silence: int
    score: float


def predict_difficulty(model: RewardModel, far: NDArray[np.int32], max_steps: int, gamma: float) -> Difficulty:
    """Predict from a model, whole or in part, in which success can be reached from node 0.

    An improvement of a policy multiplies an action's probability by exp(advantage / typical advantage, or / 0.01 where
    that is more). The random policy is improved three times, by twice the mean advantage of an action over the states
    that it meets: that is learned before places are told apart, and may teach never to use the one action that
    matters. Each of these three is improved once more by the advantages in each state, and -sum over a shortest
    solution of ln P(an action that brings success nearer) says how unlikely it is to solve then. score is the mean of
    the three, as the area under a curve of success would be; and, since before success was met a first time its pay
    teaches nothing, the mean for the reward and for one in which success pays no more than the most that anything else
    pays.
    """
    path = shortest_path(model.successor, model.success, far)
    nearer = brings_nearer(model, path, far)
    guided = float(np.abs(model.high[~model.success]).max(initial=0.0))
    unmet = np.where(model.success, np.minimum(model.high, guided), model.high)
    study = partial(_study, model, max_steps=max_steps, gamma=gamma)
    learned = [*_improve(study, model.high, nearer.shape[1]), *_improve(study, unmet, nearer.shape[1])]
    scores = [_unlikely(*stage, path, nearer) for stage in learned]
    first, _ = learned[0]
    clear = np.clip(first.advantage[path] / first.typical, -_CLEAREST, _CLEAREST)
    best = np.where(nearer, clear, -np.inf).max(axis=1)
    telling = clear.max(axis=1) - clear.min(axis=1) > 1e-3
    greedy = float(((best >= clear.max(axis=1) - 1e-9) & telling).mean())
    return Difficulty(greedy, float(best.mean()), first.density, _longest_silence(telling), float(np.mean(scores)))


@dataclass(frozen=True)
class _Study:
    """Of a policy that chooses alike everywhere: advantages float64 [N, A], the root of their mean square where it is,
    their mean per action [A], both there too, and the share of its steps that pay."""

    advantage: NDArray[np.float64]
    typical: float
    habit: NDArray[np.float64]
    density: float

    def clear(self, advantage: NDArray[np.float64]) -> NDArray[np.float64]:
        """Advantages in units of the typical one, as far as a learner could tell them from noise."""
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
    """Per improvement: what is found of the policy before, and logits float64 [A] of the one after."""
    logits = np.zeros(actions)
    for _ in range(_ROUNDS):
        found = study(reward, logits)
        logits = logits + _HABIT * found.clear(found.habit)
        yield found, logits


def _unlikely(found: _Study, logits: NDArray[np.float64], path: NDArray[np.int64], nearer: NDArray[np.bool_]) -> float:
    """-ln P(the policy, improved in each state, brings success nearer at every step of the path)."""
    chance = np.exp(logits + found.clear(found.advantage[path]))
    return float(-np.log((chance * nearer).sum(axis=1) / chance.sum(axis=1)).sum())


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
def value_of(successor, reward, chances, discount, most):
    """Value float64 [N] of a policy that chooses alike everywhere, within 1e-3 of its size, in some hundred sweeps."""
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
    for tells in telling:
        run = 0 if tells else run + 1
        longest = max(longest, run)
    return longest
