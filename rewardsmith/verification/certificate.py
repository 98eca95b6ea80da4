"""The certificate: computes, layout by layout, whether the optimal policies of a reward solve the task.

docs/certificate.md states the algorithm. The result is exact for each enumerated layout, for policies that see the
whole state, and for one gamma. It makes no statement about learning; difficulty.py does.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import state_limit_of, transition_table_of
from rewardsmith.tasks.progress import report
from rewardsmith.tasks.transition_table import TabularDynamics, TransitionTable

from .agreement import require_walks_agree, scored_walks
from .bounds import MOST_CALLS, certified_by_bounds, decided_by_bounds
from .counterexample import find_counterexample, replay
from .difficulty import predict_difficulty
from .direction import guidance_of
from .hard_layouts import layouts_to_check
from .layouts import LAYOUTS, groups
from .model import NotCertified, RewardModel, build_model
from .partial import certify_part
from .plans import plan_of
from .returns import cycle_of, dying, idling, solution_return
from .shared_hosts import drawing_from, shared_hosts
from .solving import Solution, distances, optimal_reach, solve
from .soundness import HARD, RANDOM, Soundness, margin_of, soundness_of
from .success_alone import certified_by_plan, without_potentials
from .table_certificate import certify_table
from .timed_success import SuccessPay, horizon_solves, success_pay, timed_optimum
from .verdicts import LayoutCertificate, Optimum, notes_of
from .yielding_lock import TURNS, side_by_side

LIMIT = 400_000
QUICK_LIMIT, QUICK_WORK = 30_000, 150_000
"""Limits of a job's check before training: seconds on DoorKey-8x8 and UnlockPickup; larger tasks stay uncertified."""
AT_ONCE = 4
"""Layouts that are certified in parallel if the first failure stops; a constant, as the result depends on it."""


@dataclass(frozen=True)
class Certificate:
    """The certificates of several layouts. The worst verdict counts, in the order of VERDICTS.

    Attributes:
        task: The task's id.
        gamma: The learner's discount factor, in (0, 1].
        layouts: One certificate per layout that was checked.
        notes: Remarks that apply to all layouts.
        asked: Number of random layouts requested, fixed in advance.
        every: Whether these are all layouts of the task.
        hard: Number of hard layouts requested, which do not enter the bound.
    """

    task: str
    gamma: float
    layouts: tuple[LayoutCertificate, ...]
    notes: tuple[str, ...] = field(default=())
    asked: int = 0
    every: bool = False
    hard: int = 0

    @cached_property
    def soundness(self) -> Soundness:
        """The verdict over all layouts, with the bound on the proportion of unsound ones and the smallest margin."""
        layouts = [each.as_dict() for each in self.layouts]
        asked = {"layouts_asked": self.asked, "every_layout": self.every, "hard_layouts_asked": self.hard}
        return soundness_of({"layouts": layouts, **asked})

    @property
    def verdict(self) -> str:
        """The worst verdict of the layouts, one of VERDICTS."""
        return self.soundness.verdict

    @property
    def worst(self) -> LayoutCertificate:
        """The layout to show: it has the overall verdict, a counter-example if any has one, and the smallest margin."""
        mine = [e for e in self.layouts if e.verdict == self.verdict and (e.drawn == RANDOM or e.misses)]
        return min(mine, key=lambda each: (each.counterexample is None, round(margin_of(each.as_dict()) or 0.0, 9)))

    @property
    def passed(self) -> bool:
        """Whether training may start: on no layout is the discounted optimum known not to solve the task."""
        return not any(each.misses for each in self.layouts)

    @property
    def unsound_rate_below(self) -> float:
        """Upper bound on the proportion of the task's layouts that are unsound, see `Soundness.bound`."""
        return self.soundness.bound

    @property
    def difficulty(self) -> float | None:
        """Mean predicted difficulty over the layouts that have one; smaller is easier to learn."""
        found = [each.difficulty.score for each in self.layouts if each.difficulty is not None]
        return float(np.mean(found)) if found else None

    def message(self) -> str:
        """Return the verdict as text for the designer of the reward."""
        worst = self.worst
        where = f"Layout {worst.layout}: " if len(self.layouts) > 1 else ""
        text = f"{self.soundness.counts_text}. {self.soundness.sentence} {where}{worst.reason}"
        if worst.counterexample is not None:
            text += f" {worst.counterexample.text}"
        return " ".join([text, *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """Return the certificate as plain data that JSON can hold."""
        return {
            "task": self.task,
            "gamma": self.gamma,
            "verdict": self.verdict,
            **self.soundness.as_dict(),
            "message": self.message(),
            "difficulty": self.difficulty,
            "layouts": [each.as_dict() for each in self.layouts],
            "notes": list(self.notes),
        }


class _Unsolvable(NotCertified):
    """The layout cannot be solved within an episode. Other layouts may be solvable."""


def certify(
    problem: Problem,
    layouts: int = LAYOUTS,
    limit: int | None = None,
    work: int | None = None,
    hard: int = 0,
    *,
    first_failure: bool = False,
    bounds: int = MOST_CALLS,
) -> Certificate:
    """Certify a reward on random layouts of the task, or on all layouts if it has no more; then on hard ones.

    Args:
        problem: The task, the reward and the learner's gamma.
        layouts: Number of random layouts.
        limit: Most nodes (states with the program's memory and the gates) per layout; the task's own limit by default.
            A larger layout is "not certified". If the first one is too large, no other is tried.
        work: No further layout is started once this number of transitions has been scored. It is not a number of
            seconds, so that the same reward always gets the same certificate.
        hard: Most hard layouts, see hard_layouts.py.
        first_failure: Whether to stop once a layout fails. The layouts left are then undecided.
        bounds: Most calls of the program for a layout with too many nodes, which bounds may decide; 0 for no bounds.
            If bounds decide the first layout, they are tried on the others before anything else.

    Raises:
        sandbox.HostError: The program failed.
    """
    task = problem.task
    if (exact := transition_table_of(task)) is not None and isinstance(task, TabularDynamics):
        return _certificate_of_table(problem, task, exact, limit)
    unsolvable: set[int] = set()
    judged_so_far: list[int] = []
    most = state_limit_of(task) if limit is None else limit

    def judged(layout: int) -> LayoutCertificate:
        walked = layout in sample.all[:LAYOUTS]
        with TURNS.hold(), nullcontext() if walked else drawing_from(hosts):
            try:
                if any(each.bounds_gap is not None for each in found[:1]):
                    decided = certified_by_bounds(problem, layout, bounds)
                    if decided is not None:
                        return decided
                return certify_layout(problem, layout, most, walked=walked, bounds=bounds)
            except NotCertified as reason:
                unsolvable.update({layout} if isinstance(reason, _Unsolvable) else ())
                return LayoutCertificate(layout, "not certified", f"Not certified: {reason}.")
            finally:
                judged_so_far.append(layout)
                report("layouts certified", len(judged_so_far), len(sample.all))

    def enough() -> bool:
        if work is not None and sum(each.transitions for each in found) >= work:
            return True
        if first_failure and any(each.misses for each in found):
            return True
        # If one layout is too large, so are the others, and each attempt is as expensive.
        tried = found[:1] if work is None else found[-1:]
        return any(each.verdict == "not certified" and each.layout not in unsolvable for each in tried)

    sample = layouts_to_check(task, layouts, hard)
    found: list[LayoutCertificate] = []
    report("layouts certified", 0, len(sample.all), begins=True)
    with shared_hosts() as hosts:
        for ahead in groups(task, sample.all, AT_ONCE if first_failure else len(sample.all)):
            if not enough():
                for each in side_by_side(judged, ahead):
                    found += [] if work is not None and enough() else [each]
    marked = tuple(replace(each, drawn=HARD) if each.layout in sample.hard else each for each in found)
    asked = len(sample.layouts), sample.every, len(sample.hard)
    return Certificate(task.id, problem.gamma, marked, notes_of(problem.reward), *asked)


def _certificate_of_table(
    problem: Problem, task: TabularDynamics, table: TransitionTable, limit: int | None
) -> Certificate:
    """The certificate of an exact model, which holds every start of the task."""
    try:
        found = certify_table(problem, task, table, limit)
    except NotCertified as reason:
        found = LayoutCertificate(0, "not certified", f"Not certified: {reason}.")
    return Certificate(problem.task.id, problem.gamma, (found,), notes_of(problem.reward), 1, every=True)


def certify_layout(
    problem: Problem, layout: int, limit: int = LIMIT, *, walked: bool = True, bounds: int = MOST_CALLS
) -> LayoutCertificate:
    """Certify one layout, or the part of it that can be enumerated.

    Args:
        problem: The task, the reward and the learner's gamma.
        layout: Index into the task's training pool.
        limit: Most nodes that are enumerated.
        walked: Whether walks are scored as in training and compared. They test the program, not the layout, so a few
            layouts suffice.
        bounds: As in `certify`.

    Raises:
        NotCertified: Not even a part can be enumerated, or the layout has no solution.
        sandbox.HostError: The program failed.
    """
    reward = problem.reward
    if problem.gamma >= 1.0:
        raise NotCertified("gamma is 1, so values may be infinite")
    others = without_potentials(reward)
    if others is None:
        return _certify_model(problem, layout, limit, walked, bounds)
    # Potentials do not change the optimal policies, so that further layouts are certified without the program.
    found = LayoutCertificate(layout, "not certified", "")
    if walked:
        with suppress(NotCertified):
            found = _certify_model(problem, layout, limit, walked, bounds=0)
    if found.verdict != "not certified":
        return found
    plain = _without_program(problem.with_reward(others), layout, limit)
    text = f"Certified without the potential: {plain.reason}"
    return replace(plain, reason=text, difficulty=found.difficulty, guidance=found.guidance)


def _without_program(problem: Problem, layout: int, limit: int) -> LayoutCertificate:
    """The certificate of a reward without a program; by a known solution where the layout is too large."""
    try:
        found = _certify_model(problem, layout, limit, walked=False, bounds=0)
    except NotCertified as reason:
        by_plan = None if isinstance(reason, _Unsolvable) else certified_by_plan(problem, layout)
        if by_plan is None:
            raise
        return by_plan
    return (certified_by_plan(problem, layout) if found.verdict == "not certified" else None) or found


def _certify_model(problem: Problem, layout: int, limit: int, walked: bool, bounds: int) -> LayoutCertificate:
    task, gamma = problem.task, problem.gamma
    along = plan_of(task, layout)
    pay = success_pay(problem, build_model(problem, layout, limit, along))
    model = pay.model
    walks = scored_walks(problem, model) if walked else None
    require_walks_agree(problem, model, walks)
    far = distances(model.successor, model.success)
    if model.missing:
        part = certify_part(problem, model, far, walks)
        return decided_by_bounds(problem, part, model, walks, bounds)
    if far[0] < 0:
        raise _Unsolvable("success cannot be reached on this layout")
    if far[0] > task.max_steps:
        raise _Unsolvable(f"success takes at least {far[0]} steps on this layout, but an episode has {task.max_steps}")
    found = _decide(pay, int(far[0]), gamma)
    low, high, idle = found.low, found.high, found.idle
    example = None
    if not (low.solves or high.solves) or (high.steps or 0) > task.max_steps:
        example = find_counterexample(problem, model, idle.policy)
        if not replay(problem, example).confirms(example):
            raise NotCertified("replaying the counter-example in the real environment gave a different return")
    cycle, gain = cycle_of(model, idle.policy, task.actions.names)
    return LayoutCertificate(
        layout, found.verdict, _reason(found, int(far[0]), task) + _sampled(pay), 1.0,
        len(model.graph.state), len(model), model.transitions, low, high, int(far[0]),
        solution_return(model, far, gamma), found.horizon, idling(model, gamma), dying(model, gamma), cycle, gain,
        example, predict_difficulty(model, far, task.max_steps, gamma), task.max_steps, found.by_step, found.ways,
        guidance_of(task, model, far, gamma, walks),
    )  # fmt: skip


@dataclass(frozen=True)
class _Decision:
    """Fields of `LayoutCertificate` under the same names; idle: the solution without success (V*_ns)."""

    verdict: str
    low: Optimum
    high: Optimum
    idle: Solution
    horizon: bool | None
    by_step: bool
    ways: tuple[tuple[int, ...], ...]


def _decide(pay: SuccessPay, shortest: int, gamma: float) -> _Decision:
    """Decide by the smallest and the largest success reward; by the exact reward of each step if these disagree."""
    low, high, idle, ways = _optima(pay, shortest, gamma)
    verdict = _verdict(low, high)
    infinite = {"sound": True, "unsound": False}.get(verdict)
    timed = None
    if low is not high and (verdict in ("time-dependent", "weakly sound") or _late(pay, high, shortest)):
        timed = timed_optimum(pay, idle, gamma)
    if timed is not None and not low.solves:
        infinite = timed.solves
        verdict = "time-dependent" if timed.solves else "weakly sound" if timed.may_solve else "unsound"
    if timed is not None and (timed.solves or not low.solves):
        high = timed
    if verdict == "sound" and (high.steps or 0) > 2 * shortest:
        verdict = "slow"
    horizon = horizon_solves(pay, gamma, low)
    if horizon is not None and infinite is not None and horizon != infinite:
        verdict = "horizon-dependent"
    return _Decision(verdict, low, high, idle, horizon, high is timed, ways)


def _sampled(pay: SuccessPay) -> str:
    text = " The success reward was scored at every step in a sample of states; in the others it was assumed to depend "
    text += "on time in the same way."
    return text if pay.sampled else ""


def _optima(
    pay: SuccessPay, shortest: int, gamma: float
) -> tuple[Optimum, Optimum, Solution, tuple[tuple[int, ...], ...]]:
    """(the optimum under the smallest and under the largest success reward, V*_ns, their optimal solutions)."""
    least, most = pay.bounds(shortest)
    high, idle, way = _optimum(pay.model, most, gamma)
    low, _, other = _optimum(pay.model, least, gamma) if (least != most).any() else (high, idle, way)
    return low, high, idle, tuple(dict.fromkeys(each for each in (way, other) if each))


def _late(pay: SuccessPay, high: Optimum, shortest: int) -> bool:
    """Whether `high` may overstate the optimum: it takes more than the fewest steps, or the program reads the step."""
    return (high.steps or 0) > shortest or bool(pay.model.reads_step.any())


def _optimum(
    model: RewardModel, reward: NDArray[np.float64], gamma: float
) -> tuple[Optimum, Solution, tuple[int, ...]]:
    """(the optimum at the start, the solution without successful transitions, optimal actions that solve, if any)."""
    everything = np.ones(reward.shape, dtype=bool)
    best = solve(model.successor, reward, everything, gamma)
    idle = solve(model.successor, reward, ~model.success, gamma)
    error = max(best.error, idle.error)
    steps, parent, taken, node, last = optimal_reach(
        model.successor, reward, model.success, best.value, gamma, 2 * error
    )
    value, without = float(best.value[0]), float(idle.value[0])
    reached = int(steps) if steps > 0 else None
    way = [int(last)] if reached else []
    while reached and parent[node] >= 0:
        way.append(int(taken[node]))
        node = parent[node]
    optimum = Optimum(value, without, error, value - without > 2 * error, reached is not None, reached)
    return optimum, idle, tuple(way[::-1])


def _verdict(low: Optimum, high: Optimum) -> str:
    """The verdict over an infinite horizon: sound at the smallest reward is sound, unsound at the largest unsound."""
    if low.solves:
        return "sound"
    if not high.solves:
        return "weakly sound" if high.may_solve else "unsound"
    return "time-dependent"


def _reason(found: _Decision, shortest: int, task: Task) -> str:
    verdict, high = found.verdict, found.high
    shown = found.low if verdict == "sound" else high  # the optimum whose margin is shown
    without = shown.value_without_success
    both = f"the optimal value V* is {shown.value:.4g}, the best value without success {without:.4g}"
    both += "" if shown is high else ", both with the smallest success reward"
    if verdict in ("sound", "slow") and (high.steps or 0) > task.max_steps:
        return f"The optimal policy needs {high.steps} steps to solve, but an episode has {task.max_steps}; {both}."
    if verdict == "sound":
        took = f"in {high.steps} steps (shortest solution: {shortest})"
        return f"Every optimal policy solves the task, {took}; {both}."
    if verdict == "slow":
        return f"The optimal policy takes {high.steps} steps to solve, where {shortest} suffice; {both}."
    if verdict == "unsound":
        return f"The optimal policy never solves the task: {both}. Solving earns no more than never solving."
    if verdict == "weakly sound":
        return f"Tie: one optimal policy solves the task, and another never does; {both}."
    if verdict == "time-dependent" and found.by_step:
        text = f"With the exact success reward of each step, every optimal policy solves the task in {high.steps} steps"
        return f"{text}; {both}. With the smallest success reward throughout it would not."
    if verdict == "time-dependent":
        text = f"The optimal policy solves the task with the largest success reward ({both}), but not with the smallest"
        return f"{text}. Backward induction with the exact reward of each step was too expensive."
    if found.horizon:
        text = f"Within the episode's {task.max_steps} steps the optimal policy solves the task. A learner that"
        text += " bootstraps at the time limit assumes an infinite horizon, and there never solving earns more"
        return f"{text}: {both}."
    late = f", after {high.steps} steps" if high.steps is not None else ""
    text = f"Within the episode's {task.max_steps} steps the optimal policy does not solve the task"
    return f"{text}; over an infinite horizon it does{late}: {both}."
