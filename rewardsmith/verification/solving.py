"""Optimal values of an enumerated reward, by policy iteration in compiled code (Howard 1960).

Actions are deterministic, so the nodes visited under a policy form chains that end or run into a cycle, and its value
can be computed exactly. Sweeps of value iteration between the evaluations speed up convergence.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

END = -1
"""Successor of an action that ends the episode."""

_MOST_ROUNDS = 10_000
_ROUNDING = 16 * float(np.finfo(np.float64).eps)


class Solution:
    """An optimal value function.

    Attributes:
        value: float64 [N], the value of every node.
        policy: int8 [N], an optimal action at every node.
        error: Bound of |value - V*| over all nodes.
    """

    def __init__(self, value: NDArray[np.float64], policy: NDArray[np.int8], error: float) -> None:
        self.value, self.policy, self.error = value, policy, error


def solve(
    successor: NDArray[np.int32], reward: NDArray[np.float64], allowed: NDArray[np.bool_], gamma: float
) -> Solution:
    """Solve V(s) = max over allowed a of reward(s, a) + gamma * V(successor(s, a)), with V(END) = 0.

    The error bound is that of the Bellman residual, max |TV - V| / (1 - gamma), plus a bound of the rounding errors.

    Args:
        successor: int32 [N, A], the next node, or END.
        reward: float64 [N, A].
        allowed: bool [N, A]; every node needs at least one allowed action.
        gamma: The discount factor, in [0, 1).

    Raises:
        ValueError: gamma is not in [0, 1).
    """
    if not 0.0 <= gamma < 1.0:
        raise ValueError(f"gamma must be at least 0 and below 1, not {gamma}")
    value, policy, residual = _iterate(successor, reward, allowed, gamma, _MOST_ROUNDS)
    largest = max(float(np.abs(reward[allowed]).max(initial=0.0)), float(np.abs(value).max(initial=0.0)))
    return Solution(value, policy, (residual + _ROUNDING * largest) / (1.0 - gamma))


@njit(cache=True)
def evaluate(successor, reward, policy, gamma):
    """Return the exact value float64 [N] of a policy int8 [N]: chains are followed to their end or cycle."""
    count = policy.shape[0]
    value, mark = np.zeros(count), np.zeros(count, np.int32)
    path = np.empty(count, np.int32)
    walk = 0
    for first in range(count):
        if mark[first] != 0:
            continue
        walk += 1
        length, here = 0, first
        while here != END and mark[here] == 0:
            mark[here] = walk
            path[length] = here
            length += 1
            here = successor[here, policy[here]]
        after = 0.0
        if here != END:
            if mark[here] == walk:  # a cycle that this walk closed: sum it up once around
                start = length - 1
                while path[start] != here:
                    start -= 1
                total, weight = 0.0, 1.0
                for k in range(start, length):
                    total += weight * reward[path[k], policy[path[k]]]
                    weight *= gamma
                value[here] = total / (1.0 - weight)
            after = value[here]
        for k in range(length - 1, -1, -1):
            node = path[k]
            after = reward[node, policy[node]] + gamma * after
            value[node] = after
    return value


@njit(cache=True)
def _iterate(successor, reward, allowed, gamma, most):
    """Alternate exact evaluation and two sweeps of improvement until a sweep changes nothing."""
    count, actions = successor.shape
    policy = np.zeros(count, np.int8)
    for s in range(count):
        best = -np.inf
        for a in range(actions):
            if allowed[s, a] and reward[s, a] > best:
                best, policy[s] = reward[s, a], a
    value = evaluate(successor, reward, policy, gamma)
    for _ in range(most):
        changed = False
        for k in range(2 * count):
            s = k if k < count else 2 * count - 1 - k
            best = value[s] + 1e-13 * (1.0 + abs(value[s]))
            for a in range(actions):
                if allowed[s, a]:
                    there = successor[s, a]
                    q = reward[s, a] + (gamma * value[there] if there != END else 0.0)
                    if q > best:
                        best, policy[s], value[s], changed = q, a, q, True
        value = evaluate(successor, reward, policy, gamma)
        if not changed:
            break
    residual = 0.0
    for s in range(count):
        best = -np.inf
        for a in range(actions):
            if allowed[s, a]:
                there = successor[s, a]
                best = max(best, reward[s, a] + (gamma * value[there] if there != END else 0.0))
        residual = max(residual, abs(best - value[s]))
    return value, policy, residual


@njit(cache=True)
def optimal_reach(successor, reward, success, value, gamma, slack):
    """Follow actions with Q >= V - slack breadth-first from node 0, up to the nearest success.

    Returns:
        The number of steps to success (-1 if it cannot be reached); the parent of each node int32 [N]; the action that
        led to it int8 [N]; the last node; the last action. The parent of node 0 is -1, that of nodes not reached -2.
    """
    count, actions = successor.shape
    parent, taken, depth = np.full(count, -2, np.int32), np.zeros(count, np.int8), np.zeros(count, np.int32)
    queue = np.empty(count, np.int32)
    queue[0], parent[0] = 0, -1
    head, tail = 0, 1
    while head < tail:
        s = queue[head]
        head += 1
        for a in range(actions):
            there = successor[s, a]
            q = reward[s, a] + (gamma * value[there] if there != END else 0.0)
            if q < value[s] - slack:
                continue
            if success[s, a]:
                return depth[s] + 1, parent, taken, s, a
            if there != END and parent[there] == -2:
                parent[there], taken[there], depth[there] = s, a, depth[s] + 1
                queue[tail] = there
                tail += 1
    return -1, parent, taken, -1, -1


@njit(cache=True)
def distances(successor, success):
    """Return the fewest actions to success from every node, int32 [N]; -1 if it cannot be reached."""
    count, actions = successor.shape
    entering = np.zeros(count + 1, np.int64)
    for s in range(count):
        for a in range(actions):
            if successor[s, a] != END:
                entering[successor[s, a] + 1] += 1
    for s in range(count):
        entering[s + 1] += entering[s]
    filled, source = entering[:-1].copy(), np.empty(entering[count], np.int32)
    far, queue, tail = np.full(count, -1, np.int32), np.empty(count, np.int32), 0
    for s in range(count):
        for a in range(actions):
            there = successor[s, a]
            if there != END:
                source[filled[there]] = s
                filled[there] += 1
            if success[s, a] and far[s] < 0:
                far[s] = 1
                queue[tail] = s
                tail += 1
    head = 0
    while head < tail:
        s = queue[head]
        head += 1
        for k in range(entering[s], entering[s + 1]):
            if far[source[k]] < 0:
                far[source[k]] = far[s] + 1
                queue[tail] = source[k]
                tail += 1
    return far


@njit(cache=True)
def walk(successor, reward, chances, walks, steps, seed):
    """Sample episodes of a state-independent policy from node 0.

    Args:
        successor: int32 [N, A], the next node, or END.
        reward: float64 [N, A].
        chances: float64 [A], the probability of each action.
        walks: Number of walks.
        steps: Length of each walk; an episode that ends is followed by a new one.
        seed: Seed of the random numbers.

    Returns:
        The proportion of steps whose reward is not 0, and the number of visits to each node, int64 [N].
    """
    np.random.seed(seed)
    met, summed = np.zeros(successor.shape[0], np.int64), np.cumsum(chances)
    last = len(chances) - 1
    paid, total = 0, 0
    for _ in range(walks):
        s = 0
        for _ in range(steps):
            met[s] += 1
            a = min(np.searchsorted(summed, np.random.random(), side="right"), last)
            total += 1
            if abs(reward[s, a]) > 1e-12:
                paid += 1
            s = successor[s, a]
            if s == END:
                s = 0
    return paid / total, met
