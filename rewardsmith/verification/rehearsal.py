"""Rehearses learning on the enumerated model of one layout: a policy improved round by round, as PPO improves one.

docs/certificate.md (The predicted difficulty) states the algorithm. It predicts, and proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .model import RewardModel
from .solving import END

TRACE = 0.95
"""Lambda of the advantage estimates (GAE): with an untrained critic, a later reward counts by gamma * lambda a step."""

CLEAREST = 1.5
"""Limit of A/s: PPO clips its steps, so that larger advantages have no more effect."""
FAINT = 0.01
"""Smallest s: smaller advantages are hidden by the entropy bonus and by the critic's error."""

_ROUNDS, _EPISODES = 10, 64
_LONGEST = 300  # steps of a sampled episode; success within them is what an early policy has to find
_FULL_VISITS = 2.0  # visits to a node after which it improves at the full rate
_UNSEEN = 0.3  # rate of a node that was not visited: networks generalise from similar states
_FIRST_SWEEPS, _SWEEPS = 100, 25  # of value iteration; later rounds start from the values of the round before


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal of learning found.

    Attributes:
        success: Proportion of episodes that succeed in each round, in [0, 1].
        chances: float64 [rounds, A], the mean probability of each action over the visited nodes.
    """

    success: tuple[float, ...]
    chances: NDArray[np.float64]


def rehearse(model: RewardModel, max_steps: int, gamma: float) -> Rehearsal:
    """Improve a uniform random policy for ten rounds, and record how often it succeeds.

    The success reward is limited to the size of the other rewards until an episode has succeeded.

    Args:
        model: The enumerated reward, whole or in part.
        max_steps: Length of the longest episode, in steps.
        gamma: The learner's discount factor.
    """
    reward, discount, met_success = unmet_success(model), gamma * TRACE, False
    each, shared = np.zeros(reward.shape), np.zeros(reward.shape[1])
    value, success, chances = np.zeros(len(reward)), [], []
    for number in range(_ROUNDS):
        policy = _softmax(each + shared)
        met, solved = _play(model.successor, model.success, policy, _EPISODES, min(max_steps, _LONGEST), number)
        weight = met / met.sum()
        if solved and not met_success:
            reward, met_success = model.high, True
        success.append(float(solved))
        chances.append(weight @ policy)
        _improve_value(model.successor, reward, policy, discount, value, _SWEEPS if number else _FIRST_SWEEPS)
        clear = _clear_advantages(model.successor, reward, policy, discount, value, weight)
        each += (_UNSEEN + (1 - _UNSEEN) * np.minimum(met / _FULL_VISITS, 1.0))[:, None] * clear
        shared += weight @ clear
    return Rehearsal(tuple(success), np.array(chances))


def unmet_success(model: RewardModel) -> NDArray[np.float64]:
    """Return the rewards float64 [N, A], success limited to the largest absolute reward of all other transitions.

    This models training before the first success, when a large success reward has not been seen.
    """
    guided = float(np.abs(model.high[~model.success]).max(initial=0.0))
    return np.where(model.success, np.minimum(model.high, guided), model.high)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return chances / chances.sum(axis=1, keepdims=True)


def _clear_advantages(
    successor: NDArray[np.int32],
    reward: NDArray[np.float64],
    policy: NDArray[np.float64],
    discount: float,
    value: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """A/s float64 [N, A]: s is the root mean square of A over the visited nodes, at least 0.01; limited."""
    worth = reward + discount * np.where(successor == END, 0.0, value[successor])
    advantage = worth - (worth * policy).sum(axis=1, keepdims=True)
    typical = float(np.sqrt(weight @ (np.square(advantage) * policy).sum(axis=1)))
    return np.clip(advantage / max(typical, FAINT), -CLEAREST, CLEAREST)


@njit(cache=True)
def _play(successor, success, policy, episodes, steps, seed):
    """Return the visits to each node, int64 [N], and the proportion of episodes that succeed."""
    np.random.seed(seed)
    count, actions = successor.shape
    met, solved = np.zeros(count, np.int64), 0
    for _ in range(episodes):
        s = 0
        for _ in range(steps):
            met[s] += 1
            drawn, a, summed = np.random.random(), 0, policy[s, 0]
            while a < actions - 1 and drawn > summed:
                a += 1
                summed += policy[s, a]
            if success[s, a]:
                solved += 1
            s = successor[s, a]
            if s == END:
                break
    return met, solved / episodes


@njit(cache=True)
def _improve_value(successor, reward, policy, discount, value, most):
    """Sweep over the value float64 [N] of a policy, in place, until it changes by less than 1e-3 of itself."""
    count, actions = successor.shape
    for k in range(most):
        change, size = 0.0, 0.0
        for i in range(count):
            s = i if k % 2 == 0 else count - 1 - i
            total = 0.0
            for a in range(actions):
                there = successor[s, a]
                total += policy[s, a] * (reward[s, a] + (discount * value[there] if there != END else 0.0))
            change, size = max(change, abs(total - value[s])), max(size, abs(total))
            value[s] = total
        if change <= 1e-3 * size:
            break
