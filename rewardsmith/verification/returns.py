"""Discounted returns of reference behaviours: a shortest solution, constant actions, the earliest failure, a cycle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .model import RewardModel
from .solving import END, evaluate, optimal_reach


def solution_return(model: RewardModel, far: NDArray[np.int32], gamma: float) -> float:
    """Return the discounted return of a shortest solution under the rewards `model.high`.

    Args:
        model: The enumerated reward.
        far: int32 [N], the fewest actions to success from every node, -1 if there is no way.
        gamma: The discount factor, in [0, 1).
    """
    node, total, weight = 0, 0.0, 1.0
    while True:
        row, wins = model.successor[node], model.success[node]
        ways = np.where(wins, 1, np.where(row == END, np.iinfo(np.int32).max, far[row] + 1))
        ways[(row != END) & (far[row] < 0)] = np.iinfo(np.int32).max
        action = int(np.argmin(ways))
        total += weight * float(model.high[node, action])
        weight *= gamma
        if wins[action]:
            return total
        node = int(row[action])


def idling(model: RewardModel, gamma: float) -> float | None:
    """Return the discounted return of the best constant action that does not end the episode; None if all end it."""
    worth: list[float] = []
    for action in range(model.successor.shape[1]):
        policy = np.full(len(model), action, np.int8)
        ended = _chain_ends(model.successor, action)
        if not ended:
            worth.append(float(evaluate(model.successor, model.high, policy, gamma)[0]))
    return max(worth, default=None)


def _chain_ends(successor: NDArray[np.int32], action: int) -> bool:
    seen, node = set(), 0
    while node != END and node not in seen:
        seen.add(node)
        node = int(successor[node, action])
    return node == END


def dying(model: RewardModel, gamma: float) -> float | None:
    """Return the discounted return of the earliest failure; None if an episode cannot end without success."""
    if not model.died.any():
        return None
    free = np.zeros(model.high.shape)
    last = optimal_reach(model.successor, free, model.died, np.zeros(len(model)), 1.0, 0.0)
    steps, parent, taken, node, action = last
    if steps < 0:
        return None
    total = float(model.high[node, action])
    while parent[node] >= 0:
        action, node = taken[node], parent[node]
        total = float(model.high[node, action]) + gamma * total
    return total


def cycle_of(
    model: RewardModel, policy: NDArray[np.int8], names: Sequence[str]
) -> tuple[tuple[str, ...], float | None]:
    """Return the cycle that a policy runs into from the start, as action names, and its mean reward per step.

    The cycle is empty and the mean None if the policy ends the episode.
    """
    place: dict[int, int] = {}
    path: list[tuple[int, int]] = []
    node = 0
    while node != END and node not in place:
        place[node] = len(path)
        path.append((node, int(policy[node])))
        node = int(model.successor[node, policy[node]])
    if node == END:
        return (), None
    around = path[place[node] :]
    gain = float(np.mean([model.high[n, a] for n, a in around]))
    return tuple(names[a] for _, a in around), gain
