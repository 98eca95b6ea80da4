"""What policies of a decision process achieve within the steps of an episode, by backward induction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .decision_process import Process

WORK = 2_000_000_000
"""Most outcomes times steps of one backward induction."""


def affordable(process: Process, steps: int) -> bool:
    """Whether backward induction over an episode takes a moderate time."""
    return len(process.probability) * steps <= WORK


def policy_success(process: Process, policy: NDArray[np.int64], steps: int) -> NDArray[np.float64]:
    """Return the probability that a policy [N] succeeds within 0 to `steps` steps, float64 [steps + 1]."""
    only = np.zeros((len(process), process.actions), dtype=bool)
    only[np.arange(len(process)), policy] = True
    return largest_within(process, steps, only)


def largest_within(process: Process, steps: int, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the largest probability of success within 0 to `steps` steps from the start, float64 [steps + 1]."""
    until = process.until_success()
    barred = 0.0 if allowed is None else np.where(allowed, 0.0, -2.0)
    value, found = np.zeros(len(process)), [0.0]
    for _ in range(steps):
        value = (until.backup(value, 1.0) + barred).max(axis=1)
        found.append(process.at_start(value))
    return np.array(found)


def steps_to_half(within: NDArray[np.float64]) -> int | None:
    """Return after how many steps half of the last probability of `within` [steps + 1] is reached; None if it is 0."""
    if within[-1] <= 0.0:
        return None
    return int(np.argmax(within >= within[-1] / 2))


def policy_return(process: Process, policy: NDArray[np.int64], gamma: float, steps: int) -> float:
    """Return the expected discounted return of a policy [N] over an episode of `steps` steps."""
    value, rows = np.zeros(len(process)), np.arange(len(process))
    for _ in range(steps):
        value = process.backup(value, gamma)[rows, policy]
    return process.at_start(value)


def finite_success(process: Process, gamma: float, steps: int) -> float:
    """Return the smallest success probability of policies that are optimal over exactly `steps` steps.

    Nothing is earned after the last step: it is the optimum of a learner that does not bootstrap at the time limit.
    """
    until = process.until_success()
    value, chance = np.zeros(len(process)), np.zeros(len(process))
    for _ in range(steps):
        q = process.backup(value, gamma)
        value = q.max(axis=1)
        optimal = q >= (value - 1e-12 * (1.0 + np.abs(value)))[:, None]
        chance = np.where(optimal, until.backup(chance, 1.0), 2.0).min(axis=1)
    return process.at_start(chance)
