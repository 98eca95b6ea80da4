"""A textbook solver of tables with probabilities: plain loops, and every policy tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

Outcomes = list[tuple[float, int, float, bool, bool]]
"""(probability, next state, reward, whether the episode ends, whether it succeeds) of a state and an action."""


@dataclass
class Truth:
    """What brute force finds, at the start."""

    value: float
    smallest: float
    largest: float
    of_any: float


def policy_value(table: list[list[Outcomes]], policy: tuple[int, ...], gamma: float) -> np.ndarray:
    """(I - gamma P)^-1 r, entry by entry."""
    count = len(table)
    matrix, gain = np.eye(count), np.zeros(count)
    for s in range(count):
        for p, there, reward, over, _ in table[s][policy[s]]:
            gain[s] += p * reward
            if not over:
                matrix[s, there] -= gamma * p
    return np.linalg.solve(matrix, gain)


def policy_success(table: list[list[Outcomes]], policy: tuple[int, ...]) -> np.ndarray:
    """The chain with two absorbing states, success and end, after 2^40 steps."""
    count = len(table)
    chain = np.zeros((count + 2, count + 2))
    chain[count, count] = chain[count + 1, count + 1] = 1.0
    for s in range(count):
        for p, there, _, over, won in table[s][policy[s]]:
            chain[s, count if won else count + 1 if over else there] += p
    for _ in range(40):
        chain = chain @ chain
        chain /= chain.sum(axis=1, keepdims=True)  # rounding must not grow over so many squarings
    return chain[:count, count]


def every_policy(table: list[list[Outcomes]], start: int, gamma: float) -> Truth:
    """Try every stationary policy of a small table."""
    actions = len(table[0])
    policies = list(product(range(actions), repeat=len(table)))
    values = [policy_value(table, policy, gamma) for policy in policies]
    best = np.max(values, axis=0)
    chances = [float(policy_success(table, policy)[start]) for policy in policies]
    mine = [c for c, v in zip(chances, values, strict=True) if np.abs(v - best).max() < 1e-9]
    return Truth(float(best[start]), min(mine), max(mine), max(chances))


def sweeps(table: Mapping[int, Any], pay: Any, gamma: float, rounds: int) -> dict[int, float]:
    """Value iteration over Gymnasium's own table; pay(state, action, next, reward, over) is the reward."""
    value = dict.fromkeys(table, 0.0)
    for _ in range(rounds):
        value = {
            s: max(
                sum(p * (pay(s, a, t, r, over) + (0.0 if over else gamma * value[t])) for p, t, r, over in table[s][a])
                for a in table[s]
            )
            for s in table
        }
    return value
