"""Time-dependent success rewards, and the finite-horizon optimum under them by backward induction.

MiniGrid's success reward is 1 - 0.9 t / T at step t of T. A program may also read the step count, but only its reward
for a success may depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem

from .model import RewardModel, paid_by_step
from .solving import END, Solution
from .verdicts import Optimum

MOST_BACKWARD_WORK = 2_000_000_000
"""Most transitions times steps for backward induction that compares the two horizons: a few seconds."""
MOST_TIMED_WORK = 12_000_000_000
"""The same if only backward induction can decide the verdict: a layout of DoorKey-16x16 needs 5e9 to 1e10."""

_MOST_EXAMINED = 400_000  # most unsuccessful transitions times steps that are compared over time
_MOST_SCORED = 40_000  # most successes times steps that are scored; beyond it a sample of nodes is scored
_FEWEST_NODES = 4
_SAME = 1e-9
_READS_AND_REMEMBERS = "the reward is time-dependent: the program reads the step count and also keeps memory"


class TimedPay(NamedTuple):
    """The reward of every action at every step, as arrays for compiled code: N nodes, A actions, T steps.

    A success at step t has the reward `reward + drop * t / T + extra[t - 1, column]`, any other transition `reward`.
    """

    successor: NDArray[np.int32]  # [N, A]
    reward: NDArray[np.float64]  # [N, A]
    drop: NDArray[np.float64]  # [N, A]
    success: NDArray[np.bool_]  # [N, A]
    extra: NDArray[np.float64]  # [T, C]
    column: NDArray[np.int32]  # [N, A]


@dataclass(frozen=True)
class SuccessPay:
    """The success reward at step t of T: high + (low - high) * t / T + extra[t - 1, column].

    Attributes:
        model: The enumerated reward, which has `low` and `high`.
        extra: float64 [T, C], the difference between the program's reward at each step and at step 1.
        column: int32 [N, A], the column of `extra` that applies to each transition.
        sampled: Whether only a sample of states was scored at every step, and the others were assumed to be the same.
    """

    model: RewardModel
    extra: NDArray[np.float64]
    column: NDArray[np.int32]
    sampled: bool = False

    def bounds(self, first: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return two reward arrays [N, A]: with the smallest and the largest reward of each success from `first` on."""
        model, steps = self.model, len(self.extra)
        won = model.success
        slopes = np.stack([(model.low - model.high)[won], self.column[won]], axis=1)
        kinds, of = np.unique(slopes, axis=0, return_inverse=True)
        share = np.arange(first, steps + 1) / steps
        curves = kinds[:, :1] * share + self.extra[first - 1 :, kinds[:, 1].astype(np.int64)].T
        least, most = model.high.copy(), model.high.copy()
        least[won] += curves.min(axis=1)[of.ravel()]
        most[won] += curves.max(axis=1)[of.ravel()]
        return least, most

    def best_success(self, gamma: float) -> tuple[float, int]:
        """Return the largest discounted return of a successful episode and its length; -inf and -1 if there is none."""
        nowhere = np.full(len(self.model), -np.inf)
        return self._backward(nowhere, gamma, True)

    def best_without(self, gamma: float) -> float:
        """Return the largest discounted return of an unsuccessful episode, truncated at the time limit."""
        return self._backward(-self.model.leftover, gamma, False)[0]

    def _backward(self, tail: NDArray[np.float64], gamma: float, succeeds: bool) -> tuple[float, int]:
        m = self.model
        paid = TimedPay(m.successor, m.high, m.low - m.high, m.success, self.extra, self.column)
        value, steps = best_over_steps(paid, tail, gamma, succeeds)
        return float(value), int(steps)

    @property
    def work(self) -> int:
        """Cost of one backward induction: transitions times steps."""
        return self.model.successor.size * len(self.extra)


def success_pay(problem: Problem, model: RewardModel) -> SuccessPay:
    """Determine the success reward at every step.

    A transition can depend on the step count only if the program reads it there.

    1. Unsuccessful transitions that read the step count are scored at every step and must not change. If they change,
       or if this is too expensive, the model of the result has a reason in `missing`.
    2. Successful transitions are scored at every step if this is cheap.
    3. Otherwise an evenly spread sample is scored at every step, and all are scored at three steps. If all change in
       the same way, the others are assumed to do so (`sampled`).

    Raises:
        NotCertified: Enumeration exceeded a limit.
        sandbox.HostError: The program failed.
    """
    steps = problem.task.max_steps
    plain = SuccessPay(model, np.zeros((steps, 1)), np.zeros(model.successor.shape, np.int32))
    if model.missing or not model.reads_step.any():
        return plain

    def paid(nodes: NDArray[np.int64], at: Iterable[int]) -> NDArray[np.float64] | None:
        return paid_by_step(problem, model, nodes, at)

    won = model.success
    reading = np.flatnonzero((model.reads_step & ~won).any(axis=1))
    if reading.size * won.shape[1] * steps > _MOST_EXAMINED:
        return _missing(plain, "the reward is time-dependent: too many transitions read the step count")
    if reading.size:
        found = paid(reading, range(1, steps + 1))
        if found is None:
            return _missing(plain, _READS_AND_REMEMBERS)
        if (found != found[0])[:, ~won[reading]].any():
            return _missing(plain, "the reward of steps that do not succeed is time-dependent")
    nodes = np.flatnonzero(won.any(axis=1))
    few = max(_FEWEST_NODES, _MOST_SCORED // (won.shape[1] * steps))
    some = nodes[np.unique(np.linspace(0, len(nodes) - 1, few).astype(np.int64))]
    scored, known = paid(some, range(1, steps + 1)), paid(nodes, (1, max(1, steps // 2), steps))
    if scored is None or known is None:
        return _missing(plain, _READS_AND_REMEMBERS)
    extra, known = (scored - scored[0])[:, won[some]], (known - known[0])[:, won[nodes]]
    if len(some) == len(nodes):
        column = np.zeros(won.shape, np.int32)
        column[won] = np.arange(extra.shape[1])
        return replace(plain, extra=extra, column=column)
    expected = extra[[0, max(1, steps // 2) - 1, steps - 1], :1]
    if np.abs(extra - extra[:, :1]).max() > _SAME or np.abs(known - expected).max() > _SAME:
        return _missing(plain, "the success reward is time-dependent in a way that differs between states")
    return replace(plain, extra=extra[:, :1].copy(), sampled=True)


def _missing(pay: SuccessPay, why: str) -> SuccessPay:
    return replace(pay, model=replace(pay.model, missing=why))


def timed_optimum(pay: SuccessPay, idle: Solution, gamma: float) -> Optimum | None:
    """Compare the best successful episode, with the exact reward of each step, with the best policy without success.

    The policy without success has an infinite horizon: `idle` is its solution. Returns None if this is too expensive.
    """
    if pay.work > MOST_TIMED_WORK:
        return None
    success, steps = pay.best_success(gamma)
    without = float(idle.value[0])
    error = idle.error + 1e-12 * (1 + abs(without))
    reached = steps if success >= without - 2 * error else None
    return Optimum(max(success, without), without, error, success - without > 2 * error, reached is not None, reached)


def horizon_solves(pay: SuccessPay, gamma: float, low: Optimum) -> bool | None:
    """Return whether every optimal policy of the finite horizon solves the task; None if this is too expensive."""
    model, steps = pay.model, len(pay.extra)
    largest = max(float(np.abs(each).max()) for each in pay.bounds(1))
    tail = gamma**steps * (largest / (1 - gamma) + float(np.abs(model.leftover).max(initial=0.0)))
    if low.margin > 2 * (tail + low.error):
        return True  # the values of the two horizons differ by less than this margin
    if 2 * pay.work > MOST_BACKWARD_WORK:
        return None
    best, idle = pay.best_success(gamma)[0], pay.best_without(gamma)
    return bool(best - idle > 1e-9 * (1 + abs(idle)))


@njit(cache=True)
def best_over_steps(paid, tail, gamma, succeeds):
    """Backward induction over T steps from node 0.

    Args:
        paid: A TimedPay.
        tail: float64 [N], the value of the node that is reached after the last step.
        gamma: The discount factor.
        succeeds: Whether only successful episodes count; otherwise only unsuccessful ones do.

    Returns:
        The best return, and the number of steps to success in that episode (-1 without success).
    """
    successor, reward, drop, success, extra, column = paid
    count, actions = successor.shape
    steps = extra.shape[0]
    after, now = tail.copy(), np.empty(count)
    left, ahead = np.full(count, -1, np.int32), np.empty(count, np.int32)
    for t in range(steps, 0, -1):
        share = t / steps
        for s in range(count):
            best, when = -np.inf, -1
            for a in range(actions):
                if success[s, a] and not succeeds:
                    continue
                there = successor[s, a]
                value, k = reward[s, a], -1
                if success[s, a]:
                    value, k = value + drop[s, a] * share + extra[t - 1, column[s, a]], 1
                elif there != END:
                    value, k = value + gamma * after[there], (left[there] + 1 if left[there] >= 0 else -1)
                elif succeeds:
                    continue
                if value > best:
                    best, when = value, k
            now[s], ahead[s] = best, when
        after, now = now, after
        left, ahead = ahead, left
    return after[0], left[0]
