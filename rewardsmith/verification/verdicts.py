"""What is said of one layout: the verdicts and the numbers behind them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .counterexample import CounterExample
from .difficulty import Difficulty
from .soundness import VERDICTS

__all__ = ["VERDICTS", "LayoutCertificate", "Optimum"]


@dataclass(frozen=True)
class Optimum:
    """One solution of a layout: V* and V*_ns at the start, D = V* - V*_ns, the error bound e.

    solves: D > 2e. may_solve: optimal actions alone can reach success, in `steps` actions (None if not).
    """

    value: float
    value_without_success: float
    error: float
    solves: bool
    may_solve: bool
    steps: int | None

    @property
    def margin(self) -> float:
        """D: what solving adds to the best that can be had without it."""
        return self.value - self.value_without_success


@dataclass(frozen=True)
class LayoutCertificate:
    """What was computed on one layout. Numbers are None where `verdict` is "not certified".

    low, high: the optimum where a success always pays the least, and the most, that it does at any step from the fewest
    on that solve (one and the same if they are equal); where the two disagree and backward induction is not too much
    work, high is the optimum with what it pays at each step. shortest: the fewest steps. solution_return: discounted,
    of a shortest solution, paid 1.0.
    idling, dying: discounted worth of the best action repeated forever, and of the shortest way to end the
    episode without success (None if there is none). horizon_solves: whether every optimal policy of the episode's
    real, finite length solves; None if that was not computed. cycle: actions that the best non-solving policy
    repeats, and cycle_gain its mean reward per step. episode: steps of the longest episode. by_step: whether `high` was
    computed with what success pays at each step. ways: actions that solve and are optimal, where success pays the most
    and the least.
    """

    layout: int
    verdict: str
    reason: str
    coverage: float | None = None  # share of the layout's states that were listed, in [0, 1]
    states: int = 0
    nodes: int = 0
    transitions: int = 0
    low: Optimum | None = None
    high: Optimum | None = None
    shortest: int | None = None
    solution_return: float | None = None
    horizon_solves: bool | None = None
    idling: float | None = None
    dying: float | None = None
    cycle: tuple[str, ...] = ()
    cycle_gain: float | None = None
    counterexample: CounterExample | None = None
    difficulty: Difficulty | None = None
    episode: int | None = None
    by_step: bool = False
    ways: tuple[tuple[int, ...], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as stored: JSON can hold it."""
        example = self.counterexample
        return {**asdict(self), "counterexample": None if example is None else example.as_dict()}

    @property
    def misses(self) -> bool:
        """Whether the optimum is known not to solve, over an endless episode or before the real one ends."""
        if self.verdict == "not certified" or self.high is None:
            return self.counterexample is not None
        never = self.verdict in ("unsound", "horizon-dependent") and not self.high.may_solve
        return never or (self.episode is not None and (self.high.steps or 0) > self.episode)
