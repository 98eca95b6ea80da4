"""The certificate of a task with an exact model of probabilities, such as Gymnasium's FrozenLake, Taxi, CliffWalking.

docs/certificate.md (Tasks with probabilities) states the algorithm. All starts of the task are in one model, so the
verdict holds for the whole task.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.tasks.transition_table import TabularDynamics, TransitionTable

from . import horizons
from .decision_process import (
    NotConverged,
    Process,
    Values,
    can_avoid,
    largest_success,
    optimal_values,
    smallest_success,
)
from .model import NotCertified
from .table_examples import find_example
from .table_model import LIMIT, build_table_model
from .verdicts import Chances, LayoutCertificate, Optimum

SAME = 1e-3
"""Probabilities of success that differ by at most this count as equal."""


_TIMED = " The program reads the step count, so everything is computed over exactly the steps of an episode."


def certify_table(
    problem: Problem, task: TabularDynamics, table: TransitionTable, limit: int | None = None
) -> LayoutCertificate:
    """Certify a reward on an exact model.

    Args:
        problem: The task, the reward and the learner's gamma.
        task: The same task, which knows the model.
        table: The model.
        limit: Most (state, memory) pairs; LIMIT if it is None or 0.

    Raises:
        NotCertified: The reward cannot be enumerated, or the task cannot be solved.
        sandbox.HostError: The program failed.
    """
    reward = problem.reward
    if problem.gamma >= 1.0:
        raise NotCertified("gamma is 1, so values may be infinite")
    most = limit or LIMIT
    try:
        if not reward.functions or set(reward.potentials) != set(reward.functions):
            return _certified(problem, task, table, most)
        try:
            return _certified(problem, task, table, most)
        except NotCertified:
            # Potentials do not change the optimal policies. The other channels need no program.
            others = TrainingReward("", (), tuple(c for c in reward.channels if c.kind != "potential"))
            plain = _certified(problem.with_reward(others), task, table, most)
            return replace(plain, reason=f"Certified without the potential: {plain.reason}")
    except NotConverged as error:
        raise NotCertified(str(error)) from error


@dataclass(frozen=True)
class _Decision:
    """What is decided.

    verdict: The verdict; infinite: the same over an infinite horizon. policy: The one that succeeds least among the
    optimal ones. steps, shortest: After how many steps it, and the fastest policy, have had half of their successes.
    """

    verdict: str
    infinite: str
    policy: NDArray[np.int64]
    best: Values
    without: float
    chances: Chances
    steps: int | None
    shortest: int
    horizon: bool | None


def _certified(problem: Problem, task: TabularDynamics, table: TransitionTable, limit: int) -> LayoutCertificate:
    model = build_table_model(problem, table, limit)
    process, steps = model.process, problem.task.max_steps
    found = _decide(process, problem.gamma, steps, model.timed)
    if model.timed and found.verdict == "sound":
        found = replace(found, verdict="time-dependent", infinite="time-dependent")
    value = process.at_start(found.best.value)
    passes, may = found.infinite not in ("unsound", "weakly sound"), found.infinite != "unsound"
    optimum = Optimum(value, found.without, found.best.error, passes, may, found.steps if may else None)
    example = None
    if not may or (found.steps or 0) > steps:
        example = find_example(problem, task, table, model, found.policy, found.chances)
        if example is None:
            raise NotCertified("episodes of the optimal policy in the real environment have another return")
    return LayoutCertificate(
        layout=0,
        verdict=found.verdict,
        reason=_reason(found, value, problem.gamma, steps) + (_TIMED if model.timed else ""),
        coverage=1.0,
        states=len(np.unique(model.state)),
        nodes=len(process),
        transitions=len(process.probability),
        low=optimum,
        high=optimum,
        shortest=found.shortest,
        horizon_solves=found.horizon,
        counterexample=example,
        episode=steps,
        by_step=model.timed,
        chances=found.chances,
    )


def _decide(process: Process, gamma: float, steps: int, timed: bool) -> _Decision:
    """Decide; `timed`: whether the process itself ends with the last step of an episode: both horizons then agree."""
    everything = np.ones((len(process), process.actions), dtype=bool)
    best = optimal_values(process, gamma)
    mine = best.optimal()
    least, policy = smallest_success(process, mine)
    most, any_policy = largest_success(process, mine), largest_success(process, everything)
    for_success = optimal_values(process.until_success(), gamma)
    aimed, _ = smallest_success(process, for_success.optimal())
    start = process.at_start
    if start(any_policy) <= 0.0:
        raise NotCertified("success cannot be reached from any start")
    fastest = horizons.largest_within(process, steps)
    half = horizons.steps_to_half(fastest)
    if half is None:
        raise NotCertified(f"success cannot be reached within the {steps} steps of an episode")
    taken = _steps_of(process, policy, start(least), steps if timed else _LONGEST * steps)
    chances = Chances(
        smallest=start(least),
        largest=start(most),
        of_any_policy=start(any_policy),
        aiming_at_success=start(aimed),
        within_episode=float(horizons.policy_success(process, policy, steps)[-1]),
        most_within_episode=float(fastest[-1]),
    )
    verdict = infinite = _verdict(chances, taken, half)
    compared = not timed and horizons.affordable(process, steps)
    finite = horizons.finite_success(process, gamma, steps) if compared else None
    solves = None if finite is None else finite >= chances.most_within_episode / 2
    if solves is not None and solves != (verdict != "unsound") and verdict != "weakly sound":
        verdict = "horizon-dependent"
    return _Decision(
        verdict, infinite, policy, best, _without_success(process, gamma, everything), chances, taken, half, solves
    )


def _verdict(chances: Chances, taken: int | None, fewest: int) -> str:
    """The verdict over an infinite horizon."""
    if chances.smallest >= chances.of_any_policy - SAME:
        return "slow" if taken is None or taken > 2 * fewest else "sound"
    if chances.smallest >= chances.aiming_at_success - SAME:
        return "gamma-limited"
    if chances.largest >= min(chances.of_any_policy, chances.aiming_at_success) - SAME:
        return "weakly sound"
    return "unsound"


_LONGEST = 20  # episodes after which steps are no longer counted


def _steps_of(process: Process, policy: NDArray[np.int64], chance: float, most: int) -> int | None:
    """After how many steps a policy has had half of its successes, at most `most`; None if it never succeeds."""
    if chance <= 0.0:
        return None
    within = horizons.policy_success(process, policy, most)
    return int(np.argmax(within >= chance / 2)) if within[-1] >= chance / 2 else most


def _without_success(process: Process, gamma: float, everything: NDArray[np.bool_]) -> float:
    """V*_ns: without actions that succeed if outcomes are certain; else with success as an end that pays 0."""
    safe = can_avoid(process, everything)
    inside: NDArray[np.bool_] = np.logical_or.reduce(safe, axis=1)
    if not process.deterministic or not inside[process.start > 0].all():
        return process.at_start(optimal_values(process.without_success(), gamma).value)
    return process.at_start(optimal_values(process, gamma, safe | ~inside[:, None]).value)


def _reason(found: _Decision, value: float, gamma: float, steps: int) -> str:
    c = found.chances
    reached = f"An optimal policy succeeds with probability {_share(c.smallest)}"
    if c.largest - c.smallest > SAME:
        reached = f"Optimal policies succeed with probabilities from {_share(c.smallest)} to {_share(c.largest)}"
    best = f"the best policy with {_share(c.of_any_policy)}"
    within = (
        f"within the {steps} steps of an episode, {_share(c.within_episode)} and {_share(c.most_within_episode)} "
        "succeed"
    )
    values = f"the optimal value V* is {value:.4g}, the best value without success {found.without:.4g}"
    text = f"{reached}, {best}; {within}; {values}."
    if found.verdict == "gamma-limited":
        text += (
            f" A reward for success alone does no better with gamma {gamma:g}: its optimal policy succeeds with "
            f"probability {_share(c.aiming_at_success)}. A larger gamma would wait for safer ways."
        )
    elif found.verdict == "unsound" and c.aiming_at_success < c.of_any_policy - SAME:
        text += f" A reward for success alone would reach {_share(c.aiming_at_success)} with gamma {gamma:g}."
    elif found.verdict == "slow":
        text += f" Half of its successes take more than {found.steps} steps, where {found.shortest} suffice."
    elif found.verdict == "horizon-dependent":
        text += " Over exactly the steps of an episode, without bootstrapping, the answer is the opposite."
    return text


def _share(chance: float) -> str:
    return f"{chance:.4f}".rstrip("0").rstrip(".") if chance < 1 else "1"
