"""Optimal values and probabilities of success in a decision process whose actions may have several outcomes.

Value iteration, then Howard's policy iteration (1960). The policy that is evaluated changes only where another action
is strictly better. Probabilities of success are least fixed points, as in probabilistic model checking (Baier and
Katoen 2008, chapter 10).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .solving import END

_DENSE = 1_500  # most nodes of a system of equations that is solved directly
_SWEEPS = 200_000  # most sweeps over larger ones
_ROUNDS = 1_000
_FIRST_SWEEPS = 3_000  # of value iteration, before equations are solved
_STRICT = 1e-13  # by how much another action must be better, relative to the value
_ROUNDING = 16 * float(np.finfo(np.float64).eps)


class NotConverged(Exception):
    """The values of a process could not be computed."""


@dataclass(frozen=True)
class Process:
    """N nodes and A actions; K outcomes, grouped by node and action as in tasks.transition_table.

    Attributes:
        actions: The number A of actions.
        first: int64 [N * A + 1], the place of the first outcome of each node and action; each has at least one.
        probability: float64 [K], in (0, 1]; the outcomes of a node and action sum to 1.
        successor: int64 [K], the next node, or END if the episode ends.
        reward: float64 [K], the composed reward.
        solved: bool [K], whether the outcome succeeds.
        start: float64 [N], the probability that an episode starts at each node.
    """

    actions: int
    first: NDArray[np.int64]
    probability: NDArray[np.float64]
    successor: NDArray[np.int64]
    reward: NDArray[np.float64]
    solved: NDArray[np.bool_]
    start: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def deterministic(self) -> bool:
        """Whether every action has one outcome, and every episode the same start."""
        return len(self.probability) == len(self) * self.actions and bool(self.start.max() >= 1.0)

    def expected(self, per_outcome: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expectation of a number per outcome [K] for each node and action, float64 [N, A]."""
        summed = np.add.reduceat(self.probability * per_outcome, self.first[:-1])
        return summed.reshape(len(self), self.actions)

    def any_outcome(self, flag: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return whether a flag [K] is set for some outcome of each node and action, bool [N, A]."""
        return np.logical_or.reduceat(flag, self.first[:-1]).reshape(len(self), self.actions)

    def after(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a number per node [N] for the node after each outcome, float64 [K]; 0 after the end of an episode."""
        return np.where(self.successor == END, 0.0, value[self.successor])

    def backup(self, value: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
        """Return Q(n, a) = E[reward + gamma * value of the next node], float64 [N, A]."""
        return self.expected(self.reward + gamma * self.after(value))

    def at_start(self, value: NDArray[np.float64]) -> float:
        """Return the expectation of a number per node [N] over the starts."""
        return float(self.start @ value)

    def without_success(self) -> Process:
        """Return the process in which a success ends the episode and pays nothing."""
        return replace(
            self,
            reward=np.where(self.solved, 0.0, self.reward),
            successor=np.where(self.solved, END, self.successor),
        )

    def until_success(self) -> Process:
        """Return the process in which a success pays 1 and ends the episode, and nothing else pays."""
        return replace(
            self, reward=self.solved.astype(np.float64), successor=np.where(self.solved, END, self.successor)
        )


@dataclass(frozen=True)
class Values:
    """An optimal value function.

    Attributes:
        value: float64 [N]; -inf where no action is allowed.
        q: float64 [N, A], the value of each action; -inf where it is not allowed.
        error: Bound of |value - V*| over all nodes.
    """

    value: NDArray[np.float64]
    q: NDArray[np.float64]
    error: float

    def optimal(self) -> NDArray[np.bool_]:
        """Return which actions are optimal up to the numerical error, bool [N, A]."""
        return self.q >= self.value[:, None] - 2 * self.error


def optimal_values(process: Process, gamma: float, allowed: NDArray[np.bool_] | None = None) -> Values:
    """Solve V(n) = max over allowed a of E[reward + gamma * V(next)], with value 0 after the end of an episode.

    Args:
        process: The process.
        gamma: The discount factor, in [0, 1).
        allowed: bool [N, A]; every node needs an allowed action that leads to such nodes only. All by default.

    Raises:
        ValueError: gamma is not in [0, 1).
        NotConverged: The error could not be made small.
    """
    if not 0.0 <= gamma < 1.0:
        raise ValueError(f"gamma must be at least 0 and below 1, not {gamma}")
    barred = np.zeros((len(process), process.actions)) if allowed is None else np.where(allowed, 0.0, -np.inf)
    value, converged = _iterated(process, gamma, barred)
    policy = (process.backup(value, gamma) + barred).argmax(axis=1)
    for _ in range(0 if converged else _ROUNDS):
        value = _evaluated(process, policy, gamma, value)
        q = process.backup(value, gamma) + barred
        better = q.max(axis=1) > value + _STRICT * (1.0 + np.abs(value))
        if not better.any():
            break
        policy = np.where(better, q.argmax(axis=1), policy)
    q = process.backup(value, gamma) + barred
    best = q.max(axis=1)
    largest = max(float(np.abs(process.reward).max(initial=0.0)), float(np.abs(value).max(initial=0.0)))
    error = (float(np.abs(best - value).max(initial=0.0)) + _ROUNDING * largest) / (1.0 - gamma)
    if error > 1e-6 * (1.0 + largest):
        raise NotConverged(f"the optimal values could not be computed to six digits (gamma {gamma:g})")
    return Values(best, q, error)


def _iterated(process: Process, gamma: float, barred: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Value iteration, which is cheaper than equations as long as it converges soon: (values, whether it has)."""
    value = np.zeros(len(process))
    for _ in range(_FIRST_SWEEPS):
        new = (process.backup(value, gamma) + barred).max(axis=1)
        change, size = float(np.abs(new - value).max()), float(np.abs(new).max())
        value = new
        if change <= _ROUNDING / 8 * (1.0 + size):
            return value, True
    return value, False


def chosen(process: Process, policy: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the outcomes of a policy's actions, as (node of each, its place among all outcomes)."""
    pairs = np.arange(len(process)) * process.actions + policy
    counts = process.first[pairs + 1] - process.first[pairs]
    node = np.repeat(np.arange(len(process)), counts)
    offset = np.arange(len(node)) - np.repeat(np.cumsum(counts) - counts, counts)
    return node, process.first[pairs][node] + offset


def _evaluated(
    process: Process, policy: NDArray[np.int64], gamma: float, guess: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The value of a policy, float64 [N]: V = r + gamma P V."""
    node, at = chosen(process, policy)
    gain: NDArray[Any] = np.bincount(node, process.probability[at] * process.reward[at], len(process))
    goes_on = process.successor[at] != END
    node, at = node[goes_on], at[goes_on]
    return _solved(len(process), node, process.successor[at], gamma * process.probability[at], gain, guess)


def _solved(
    size: int,
    node: NDArray[np.int64],
    there: NDArray[np.int64],
    weight: NDArray[np.float64],
    gain: NDArray[Any],
    guess: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve x = gain + W x, where W[node, there] sums `weight`; its spectral radius is below 1."""
    if size <= _DENSE:
        matrix = np.eye(size)
        np.subtract.at(matrix, (node, there), weight)
        return np.linalg.solve(matrix, gain).astype(np.float64, copy=False)
    value: NDArray[Any] = guess
    for _ in range(_SWEEPS):
        new = gain + np.bincount(node, weight * value[there], size)
        change = float(np.abs(new - value).max())
        value = new
        if change <= _ROUNDING * (1.0 + float(np.abs(value).max())):
            return value
    return value


def can_reach(process: Process, allowed: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return from which nodes success can be reached by allowed actions, and an action that leads there, each [N].

    The actions are those of shortest ways, so that a policy that takes them succeeds with a positive probability.
    """
    reached, action = np.zeros(len(process), dtype=bool), allowed.argmax(axis=1).astype(np.int64)
    while True:
        leads = process.any_outcome(process.solved | ((process.successor != END) & reached[process.successor]))
        now: NDArray[np.bool_] = np.logical_or.reduce(leads & allowed, axis=1)
        fresh = now & ~reached
        if not fresh.any():
            return reached, action
        action[fresh] = (leads & allowed)[fresh].argmax(axis=1)
        reached |= fresh


def can_avoid(process: Process, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the allowed actions that keep a policy from ever succeeding, bool [N, A]."""
    avoided = np.ones(len(process), dtype=bool)
    while True:
        risky = process.any_outcome(process.solved | ((process.successor != END) & ~avoided[process.successor]))
        safe = allowed & ~risky
        now: NDArray[np.bool_] = np.logical_or.reduce(safe, axis=1)
        if (now == avoided).all():
            return safe
        avoided = now


def largest_success(process: Process, allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the largest probability that a policy of allowed actions ever succeeds, from each node, float64 [N]."""
    reached, policy = can_reach(process, allowed)
    until = process.until_success()
    value = np.zeros(len(process))
    for _ in range(_ROUNDS):
        value = _success(until, policy, value)
        q = np.where(allowed, until.backup(value, 1.0), -1.0)
        better = (q.max(axis=1) > value + _STRICT * 10) & reached
        if not better.any():
            break
        policy = np.where(better, q.argmax(axis=1), policy)
    return value


def smallest_success(process: Process, allowed: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the smallest such probability from each node, float64 [N], and a policy that has it, int64 [N]."""
    safe = can_avoid(process, allowed)
    never = safe.any(axis=1)
    until = process.until_success()
    policy = np.where(never, safe.argmax(axis=1), allowed.argmax(axis=1)).astype(np.int64)
    value = np.zeros(len(process))
    for _ in range(_ROUNDS):
        value = _success(until, policy, value)
        q = np.where(allowed, until.backup(value, 1.0), 2.0)
        better = (q.min(axis=1) < value - _STRICT * 10) & ~never
        if not better.any():
            break
        policy = np.where(better, q.argmin(axis=1), policy)
    return value, policy


def _success(until: Process, policy: NDArray[np.int64], guess: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability that a policy ever succeeds, the least solution of x = E[success] + P x."""
    mine = np.zeros((len(until), until.actions), dtype=bool)
    mine[np.arange(len(until)), policy] = True
    reached, _ = can_reach(until, mine)
    node, at = chosen(until, policy)
    gain: NDArray[Any] = np.bincount(node, until.probability[at] * until.reward[at], len(until)) * reached
    there = until.successor[at]
    inside = (there != END) & reached[node] & reached[there]
    return _solved(
        len(until), node[inside], there[inside], until.probability[at][inside], gain, np.where(reached, guess, 0.0)
    )
