"""What single behaviours are worth in a model: a shortest solution, idling, dying, the cycle of a policy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .model import RewardModel
from .solving import END, evaluate, optimal_reach


def solution_return(model: RewardModel, far: NDArray[np.int32], gamma: float) -> float:
    """Discounted return of a shortest solution, paid as in `high`."""
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
    """Worth of the best single action repeated from the start on, leaving out those that end the episode."""
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
    """Discounted return of the shortest way to end the episode without success, or None if there is none."""
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
    """The cycle that a policy from the start ends in, as action names, and its mean reward; empty if it ends."""
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
