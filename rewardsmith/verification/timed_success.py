"""What a success pays at each step of an episode, and the optimum that follows, by backward induction.

The environment pays 1 - 0.9 t / T at step t of T; a program may read the step count besides, on success alone.
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
"""Transitions times steps that backward induction may look at to compare horizons: a few seconds."""
MOST_TIMED_WORK = 12_000_000_000
"""The same where nothing else decides whether the optimum solves: a layout of DoorKey-16x16 has 5e9 to 1e10."""

_MOST_EXAMINED = 400_000  # transitions that do not succeed, times steps, at which they must pay the same
_MOST_SCORED = 40_000  # successes that are scored at step after step; beyond, some nodes stand for all
_FEWEST_NODES = 4
_SAME = 1e-9


class TimedPay(NamedTuple):
    """What every action pays at every step, as arrays for compiled code, over N nodes, A actions and T steps.

    A success at step t pays reward + drop * t / T + extra[t - 1, column], anything else pays reward.
    """

    successor: NDArray[np.int32]  # [N, A]
    reward: NDArray[np.float64]  # [N, A]
    drop: NDArray[np.float64]  # [N, A]
    success: NDArray[np.bool_]  # [N, A]
    extra: NDArray[np.float64]  # [T, C]
    column: NDArray[np.int32]  # [N, A]


@dataclass(frozen=True)
class SuccessPay:
    """A transition that succeeds at step t of T pays high + (low - high) * t / T + extra[t - 1, column].

    extra: float64 [T, C], what a program pays beside what it does at step 1. column: int32 [N, A], which of the C.
    sampled: whether some states were taken to be like those that were scored at every step.
    """

    model: RewardModel
    extra: NDArray[np.float64]
    column: NDArray[np.int32]
    sampled: bool = False

    def bounds(self, first: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The rewards [N, A] where each success pays the least, and the most, that it does from step `first` on."""
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
        """(the most that an episode which succeeds is worth, discounted; its steps): -inf and -1 without one."""
        nowhere = np.full(len(self.model), -np.inf)
        return self._backward(nowhere, gamma, True)

    def best_without(self, gamma: float) -> float:
        """The most that an episode which does not succeed is worth, cut at its limit."""
        return self._backward(-self.model.leftover, gamma, False)[0]

    def _backward(self, tail: NDArray[np.float64], gamma: float, succeeds: bool) -> tuple[float, int]:
        m = self.model
        paid = TimedPay(m.successor, m.high, m.low - m.high, m.success, self.extra, self.column)
        value, steps = best_over_steps(paid, tail, gamma, succeeds)
        return float(value), int(steps)

    @property
    def work(self) -> int:
        """How many transitions one backward induction looks at."""
        return self.model.successor.size * len(self.extra)


def success_pay(problem: Problem, model: RewardModel) -> SuccessPay:
    """What success pays at every step; `model.missing` says where something else depends on the step, too.

    A transition on which a program does not read the step count cannot depend on it. Those that do not succeed and read
    it are scored at every step, or not certified where that is much work. Each success is, too, where it is little
    work; elsewhere some are, evenly spread, and all at three steps; if all of these change alike, so do the others.
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
        return _missing(plain, "it depends on time: it reads the step count on more steps than can be scored at each")
    if reading.size:
        found = paid(reading, range(1, steps + 1))
        if found is None:
            return _missing(plain, "it depends on time: it reads the step count, and has memory besides")
        if (found != found[0])[:, ~won[reading]].any():
            return _missing(plain, "it depends on time: steps that do not succeed pay by the step count")
    nodes = np.flatnonzero(won.any(axis=1))
    few = max(_FEWEST_NODES, _MOST_SCORED // (won.shape[1] * steps))
    some = nodes[np.unique(np.linspace(0, len(nodes) - 1, few).astype(np.int64))]
    scored, known = paid(some, range(1, steps + 1)), paid(nodes, (1, max(1, steps // 2), steps))
    if scored is None or known is None:
        return _missing(plain, "it depends on time: it reads the step count, and has memory besides")
    extra, known = (scored - scored[0])[:, won[some]], (known - known[0])[:, won[nodes]]
    if len(some) == len(nodes):
        column = np.zeros(won.shape, np.int32)
        column[won] = np.arange(extra.shape[1])
        return replace(plain, extra=extra, column=column)
    told = extra[[0, max(1, steps // 2) - 1, steps - 1], :1]
    if np.abs(extra - extra[:, :1]).max() > _SAME or np.abs(known - told).max() > _SAME:
        return _missing(plain, "it depends on time: what a success pays by the step count differs between states")
    return replace(plain, extra=extra[:, :1].copy(), sampled=True)


def _missing(pay: SuccessPay, why: str) -> SuccessPay:
    return replace(pay, model=replace(pay.model, missing=why))


def timed_optimum(pay: SuccessPay, idle: Solution, gamma: float) -> Optimum | None:
    """The optimum with what success pays at each step, against the best that never succeeds in an endless episode.

    None where that is too much work.
    """
    if pay.work > MOST_TIMED_WORK:
        return None
    success, steps = pay.best_success(gamma)
    without = float(idle.value[0])
    error = idle.error + 1e-12 * (1 + abs(without))
    reached = steps if success >= without - 2 * error else None
    return Optimum(max(success, without), without, error, success - without > 2 * error, reached is not None, reached)


def horizon_solves(pay: SuccessPay, gamma: float, low: Optimum) -> bool | None:
    """Whether every optimal policy of an episode's real length solves; None where that is too much work."""
    model, steps = pay.model, len(pay.extra)
    largest = max(float(np.abs(each).max()) for each in pay.bounds(1))
    tail = gamma**steps * (largest / (1 - gamma) + float(np.abs(model.leftover).max(initial=0.0)))
    if low.margin > 2 * (tail + low.error):
        return True  # the two horizons differ by less than that margin
    if 2 * pay.work > MOST_BACKWARD_WORK:
        return None
    best, idle = pay.best_success(gamma)[0], pay.best_without(gamma)
    return bool(best - idle > 1e-9 * (1 + abs(idle)))


@njit(cache=True)
def best_over_steps(paid, tail, gamma, succeeds):
    """(the best return from node 0 over T steps, the steps of it to success or -1), exactly.

    `paid` is a TimedPay. `succeeds`: only of what succeeds, otherwise only of what does not. `tail` [N] is worth what
    the last step leads to.
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
