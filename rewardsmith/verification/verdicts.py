"""The certificate of one layout: its verdict and the numbers behind it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rewardsmith.programs.reward import TrainingReward

from .counterexample import CounterExample
from .difficulty import Difficulty
from .direction import Guidance
from .soundness import RANDOM, VERDICTS, misses

__all__ = ["VERDICTS", "LayoutCertificate", "Optimum", "notes_of"]


@dataclass(frozen=True)
class Optimum:
    """The optimum of one layout under one reward (notation of docs/certificate.md).

    Attributes:
        value: V*, the optimal discounted value at the start.
        value_without_success: V*_ns, the same if transitions that succeed are removed.
        error: Bound e of the numerical error of both values.
        solves: Whether D > 2e, so that every optimal policy solves the task.
        may_solve: Whether success can be reached by optimal actions alone.
        steps: The number of these actions; None if success cannot be reached by them.
    """

    value: float
    value_without_success: float
    error: float
    solves: bool
    may_solve: bool
    steps: int | None

    @property
    def margin(self) -> float:
        """The margin D = V* - V*_ns: how much more solving earns than never solving."""
        return self.value - self.value_without_success


@dataclass(frozen=True)
class Chances:
    """Probabilities of success on a task with an exact model of probabilities.

    Without a limit of steps:

    Attributes:
        smallest: The smallest that any optimal policy of the reward has.
        largest: The largest that any optimal policy of the reward has.
        of_any_policy: The largest that any policy has.
        aiming_at_success: The smallest of the policies that are optimal under a reward of 1 for success alone.
        within_episode: That of the optimal policy with the smallest one, within the steps of an episode.
        most_within_episode: The largest that any policy has within the steps of an episode.
    """

    smallest: float
    largest: float
    of_any_policy: float
    aiming_at_success: float
    within_episode: float
    most_within_episode: float


@dataclass(frozen=True)
class LayoutCertificate:
    """The certificate of one layout. Most numbers are None if `verdict` is "not certified".

    Attributes:
        layout: Index into the task's training pool.
        verdict: One of VERDICTS.
        reason: The verdict explained in words.
        coverage: Proportion of the layout's states that were enumerated, in [0, 1].
        states: Number of enumerated states.
        nodes: Number of enumerated (state, memory, gates) triples.
        transitions: Number of transitions scored.
        low: Optimum under the smallest success reward (usually at the time limit).
        high: Optimum under the largest success reward (usually after a shortest solution), the same object as `low` if
            the two rewards are equal; under the exact reward of each step if `by_step`.
        shortest: Length of a shortest solution, in steps.
        solution_return: Discounted return of a shortest solution whose success reward is not reduced by time.
        horizon_solves: Whether every optimal policy of the finite horizon solves the task; None if not computed.
        idling: Discounted return of the best constant action; None if every constant action ends the episode.
        dying: Discounted return of the earliest failure; None if an episode cannot end in failure.
        cycle: Actions that the best policy without success repeats; empty if it ends the episode.
        cycle_gain: Mean reward per step of `cycle`.
        counterexample: Optimal actions that never solve the task; None if there are none.
        difficulty: The predicted difficulty of learning.
        episode: Length of the longest episode, in steps.
        by_step: Whether `high` was computed with the exact success reward of each step.
        ways: Optimal action sequences that solve the task, under the largest and the smallest success reward.
        guidance: What the reward says about the way to success; None without a program.
        drawn: How the layout was drawn: "random", or "hard", which can only add a counter-example.
        bounds_gap: How far the two bounds are apart that decided the verdict, see bounds.py; None if it was computed
            exactly.
        chances: Probabilities of success; None unless the task has an exact model of probabilities.
    """

    layout: int
    verdict: str
    reason: str
    coverage: float | None = None
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
    guidance: Guidance | None = None
    drawn: str = RANDOM
    chances: Chances | None = None
    bounds_gap: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain data that JSON can hold, as stored."""
        example = self.counterexample
        return {**asdict(self), "counterexample": None if example is None else example.as_dict()}

    @property
    def misses(self) -> bool:
        """Whether the optimal policy is known not to solve the task: never, or only after the episode's last step."""
        return misses(self.as_dict())


def notes_of(reward: TrainingReward) -> tuple[str, ...]:
    """Return what a certificate says about a reward beside its verdict: why potentials change no optimal policy."""
    if not reward.potentials:
        return ()
    text = (
        f"Potential channel {', '.join(reward.potentials)}: the shaping term gamma * Phi(s') - Phi(s) sums to "
        "-Phi(start) under every policy, because gamma is the learner's and Phi is 0 where an episode terminates. The "
        "optimal policies of the other channels stay optimal (Ng, Harada and Russell 1999), also for policies that "
        "observe only part of the state."
    )
    return (text,)
