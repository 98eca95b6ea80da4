"""The certificate: does the optimum of a reward solve the task? Decided by computing it, one layout at a time.

The claim is exact for each enumerated layout, for full-state policies and for one gamma (docs/check.md). It says
nothing of learning; difficulty.py does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import countable_of, state_limit_of
from rewardsmith.tasks.progress import report

from .agreement import require_walks_agree
from .counterexample import find_counterexample, replay
from .difficulty import predict_difficulty
from .layouts import LAYOUTS, layout_sample
from .model import NotCertified, RewardModel, build_model
from .partial import certify_part
from .plans import plan_of
from .returns import cycle_of, dying, idling, solution_return
from .solving import Solution, distances, optimal_reach, solve
from .soundness import Soundness, margin_of, soundness_of
from .timed_success import SuccessPay, horizon_solves, success_pay, timed_optimum
from .verdicts import LayoutCertificate, Optimum
from .yielding_lock import TURNS, side_by_side

LIMIT = 400_000
QUICK_LIMIT, QUICK_WORK = 30_000, 150_000
"""Limits of a check before training: seconds on DoorKey-8x8 and UnlockPickup, larger tasks are left uncertified."""
SMALL = 50_000
"""States of a layout that others may be certified beside: each takes a host and its tables."""


@dataclass(frozen=True)
class Certificate:
    """The verdict over the layouts looked at, the worst first among VERDICTS.

    asked: for how many layouts, fixed in advance. every: whether these are all that the task trains on.
    """

    task: str
    gamma: float
    layouts: tuple[LayoutCertificate, ...]
    notes: tuple[str, ...] = field(default=())
    asked: int = 0
    every: bool = False

    @cached_property
    def soundness(self) -> Soundness:
        """What the layouts say together: the verdict, the bound on the share of unsound ones, the smallest margin."""
        told = {"layouts": [each.as_dict() for each in self.layouts]}
        return soundness_of({**told, "layouts_asked": self.asked, "every_layout": self.every})

    @property
    def verdict(self) -> str:
        """One of VERDICTS."""
        return self.soundness.verdict

    @property
    def worst(self) -> LayoutCertificate:
        """Of the layouts that have the verdict, and a counter-example if any has, the one with the smallest margin."""
        mine = [each for each in self.layouts if each.verdict == self.verdict]
        return min(mine, key=lambda each: (each.counterexample is None, round(margin_of(each.as_dict()) or 0.0, 9)))

    @property
    def passed(self) -> bool:
        """Whether training may go ahead: the learner's own optimum, which is discounted, is not known to miss."""
        return not any(each.misses for each in self.layouts)

    @property
    def unsound_rate_below(self) -> float:
        """At most this share of the task's layouts is unsound, see `Soundness.bound`."""
        return self.soundness.bound

    @property
    def difficulty(self) -> float | None:
        """Mean predicted difficulty over the layouts that have one; smaller trains sooner."""
        found = [each.difficulty.score for each in self.layouts if each.difficulty is not None]
        return float(np.mean(found)) if found else None

    def message(self) -> str:
        """The verdict in words for a designer."""
        worst = self.worst
        where = f"Layout {worst.layout}: " if len(self.layouts) > 1 else ""
        text = f"{self.soundness.tally}. {self.soundness.sentence} {where}{worst.reason}"
        if worst.counterexample is not None:
            text += f" {worst.counterexample.text}"
        return " ".join([text, *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """Plain data: JSON can hold it."""
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
    """The layout has no solution that an episode has time for, which says nothing of the others."""


def certify(
    problem: Problem,
    layouts: int = LAYOUTS,
    limit: int | None = None,
    work: int | None = None,
) -> Certificate:
    """Certify a reward on the first `layouts` layouts of the task's training pool, or on all where fewer differ.

    `limit`: most nodes (states, with the program's memory and the gates) per layout, the task's own unless given; a
    layout beyond it is "not certified". Where the first one is, no further one is tried, since they are as large.
    `work`: no further layout is begun once so many transitions were scored; not seconds, so that the same reward always
    gets the same certificate. Raises sandbox.HostError for the program's faults.
    """
    task = problem.task
    unsolvable: set[int] = set()
    judged_so_far: list[int] = []
    most = state_limit_of(task) if limit is None else limit

    def judged(layout: int) -> LayoutCertificate:
        with TURNS.taken():
            try:
                return certify_layout(problem, layout, most)
            except NotCertified as reason:
                unsolvable.update({layout} if isinstance(reason, _Unsolvable) else ())
                return LayoutCertificate(layout, "not certified", f"Not certified: {reason}.")
            finally:
                judged_so_far.append(layout)
                report("layouts certified", len(judged_so_far), len(sample.layouts))

    def enough() -> bool:
        if work is not None and sum(each.transitions for each in found) >= work:
            return True
        # The other layouts are as large as one that is too large, and each try costs as much.
        tried = found[:1] if work is None else found[-1:]
        return any(each.verdict == "not certified" and each.layout not in unsolvable for each in tried)

    sample = layout_sample(task, layouts)
    found: list[LayoutCertificate] = []
    report("layouts certified", 0, len(sample.layouts), begins=True)
    for ahead in _groups(task, sample.layouts):
        if not enough():
            for each in side_by_side(judged, ahead):
                found += [] if work is not None and enough() else [each]
    return Certificate(task.id, problem.gamma, tuple(found), _notes(problem.reward), len(sample.layouts), sample.every)


def _groups(task: Task, layouts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Layouts that are certified side by side: where they are small. The first is alone, since it may be enough."""
    countable = countable_of(task)
    counted = countable.count_states(layouts[0], SMALL) if countable is not None and len(layouts) > 1 else None
    if counted is None or not counted[1]:
        return [(layout,) for layout in layouts]
    return [layouts[:1], layouts[1:]]


def _notes(reward: TrainingReward) -> tuple[str, ...]:
    if not reward.potentials:
        return ()
    text = (
        f"Potential channel {', '.join(reward.potentials)}: gamma * Phi(s') - Phi(s), with the learner's gamma and "
        "Phi = 0 where an episode ends, adds up to -Phi(start) whatever is done, so no policy gains on another: the "
        "optimum of the other channels is preserved (Ng, Harada and Russell 1999), also for policies that see the "
        "state in part."
    )
    return (text,)


def certify_layout(problem: Problem, layout: int, limit: int = LIMIT) -> LayoutCertificate:
    """Certify one layout, or what can be listed of it. Raises NotCertified, sandbox.HostError."""
    reward = problem.reward
    if problem.gamma >= 1.0:
        raise NotCertified("gamma is 1, so values may be infinite")
    if not reward.functions or set(reward.potentials) != set(reward.functions):
        return _certify_model(problem, layout, limit)
    try:
        found = _certify_model(problem, layout, limit)
    except NotCertified:
        found = LayoutCertificate(layout, "not certified", "")
    if found.verdict != "not certified":
        return found
    # Potentials that cannot be enumerated do not move the optimum: that of the other channels, which need no program.
    others = TrainingReward("", (), tuple(c for c in reward.channels if c.kind != "potential"))
    plain = _certify_model(problem.with_reward(others), layout, limit)
    return replace(plain, reason=f"Without the potential: {plain.reason}", difficulty=found.difficulty)


def _certify_model(problem: Problem, layout: int, limit: int) -> LayoutCertificate:
    task, gamma = problem.task, problem.gamma
    along = plan_of(task, layout)
    pay = success_pay(problem, build_model(problem, layout, limit, along))
    model = pay.model
    require_walks_agree(problem, model)
    far = distances(model.successor, model.success)
    if model.missing:
        return certify_part(problem, model, far)
    if far[0] < 0:
        raise _Unsolvable("no success can be reached on this layout")
    if far[0] > task.max_steps:
        raise _Unsolvable(f"no success can be reached within an episode's {task.max_steps} steps, only after {far[0]}")
    found = _decide(pay, int(far[0]), gamma)
    low, high, idle = found.low, found.high, found.idle
    example = None
    if not (low.solves or high.solves) or (high.steps or 0) > task.max_steps:
        example = find_counterexample(problem, model, idle.policy)
        if not replay(problem, example).confirms(example):
            raise NotCertified("the real environment does not pay for the counter-example what was computed")
    cycle, gain = cycle_of(model, idle.policy, task.actions.names)
    return LayoutCertificate(
        layout, found.verdict, _reason(found, int(far[0]), task) + _sampled(pay), 1.0,
        len(model.graph.state), len(model), model.transitions, low, high, int(far[0]),
        solution_return(model, far, gamma), found.horizon, idling(model, gamma), dying(model, gamma), cycle, gain,
        example, predict_difficulty(model, far, task.max_steps, gamma), task.max_steps, found.by_step, found.ways,
    )  # fmt: skip


@dataclass(frozen=True)
class _Decision:
    """What `LayoutCertificate` says under the same names; idle: V*_ns. by_step: `high` is paid as at each step."""

    verdict: str
    low: Optimum
    high: Optimum
    idle: Solution
    horizon: bool | None
    by_step: bool
    ways: tuple[tuple[int, ...], ...]


def _decide(pay: SuccessPay, shortest: int, gamma: float) -> _Decision:
    """By the least and the most that a success pays; by what it pays at each step where these do not decide."""
    low, high, idle, ways = _optima(pay, shortest, gamma)
    verdict = _verdict(low, high)
    infinite = {"sound": True, "unsound": False}.get(verdict)
    timed = None
    if low is not high and (verdict in ("depends on time", "weakly sound") or _late(pay, high, shortest)):
        timed = timed_optimum(pay, idle, gamma)
    if timed is not None and not low.solves:
        infinite = timed.solves
        verdict = "depends on time" if timed.solves else "weakly sound" if timed.may_solve else "unsound"
    if timed is not None and (timed.solves or not low.solves):
        high = timed
    if verdict == "sound" and (high.steps or 0) > 2 * shortest:
        verdict = "dilatory"
    horizon = horizon_solves(pay, gamma, low)
    if horizon is not None and infinite is not None and horizon != infinite:
        verdict = "horizon-dependent"
    return _Decision(verdict, low, high, idle, horizon, high is timed, ways)


def _sampled(pay: SuccessPay) -> str:
    text = " What a success pays at each step was scored in some states, and taken to be alike in the others."
    return text if pay.sampled else ""


def _optima(
    pay: SuccessPay, shortest: int, gamma: float
) -> tuple[Optimum, Optimum, Solution, tuple[tuple[int, ...], ...]]:
    """The optimum where success pays the least, and the most, that it does from the fewest steps on; V*_ns; the
    actions of those that solve."""
    least, most = pay.bounds(shortest)
    high, idle, way = _optimum(pay.model, most, gamma)
    low, _, other = _optimum(pay.model, least, gamma) if (least != most).any() else (high, idle, way)
    return low, high, idle, tuple(dict.fromkeys(each for each in (way, other) if each))


def _late(pay: SuccessPay, high: Optimum, shortest: int) -> bool:
    """Whether the optimum is not paid what `high` has it paid: it takes more than the fewest steps, or seeks a step."""
    return (high.steps or 0) > shortest or bool(pay.model.reads_step.any())


def _optimum(
    model: RewardModel, reward: NDArray[np.float64], gamma: float
) -> tuple[Optimum, Solution, tuple[int, ...]]:
    """(the optimum at the start, the solution without transitions that succeed, optimal actions to success if any)."""
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
    """Infinite horizon alone. Sound at the lowest pay implies sound; unsound at the highest implies unsound."""
    if low.solves:
        return "sound"
    if not high.solves:
        return "weakly sound" if high.may_solve else "unsound"
    return "depends on time"


def _reason(found: _Decision, shortest: int, task: Task) -> str:
    verdict, high = found.verdict, found.high
    shown = found.low if verdict == "sound" else high  # what the margin rests on
    both = f"V* is {shown.value:.4g}, without ever succeeding {shown.value_without_success:.4g}"
    both += "" if shown is high else ", where success pays the least that it ever does"
    if verdict in ("sound", "dilatory") and (high.steps or 0) > task.max_steps:
        return f"The optimum solves after {high.steps} steps, and an episode has {task.max_steps}: {both}."
    if verdict == "sound":
        return f"Every optimal policy solves: {both}; it takes {high.steps} steps, the shortest {shortest}."
    if verdict == "dilatory":
        return f"The optimum solves, but only after {high.steps} steps where {shortest} are enough: {both}."
    if verdict == "unsound":
        return f"The optimum never solves: {both}. Solving adds nothing to what can be earned without it."
    if verdict == "weakly sound":
        return f"Some optimal policy solves and another never does, which is as good: {both}."
    if verdict == "depends on time" and found.by_step:
        text = f"Every optimal policy solves, with what success pays at each step: {both}; it takes {high.steps} steps."
        return f"{text} If success always paid the least that it ever does, the optimum would not solve."
    if verdict == "depends on time":
        text = f"Whether the optimum solves depends on how late a success is: it does if that pays the most ({both})"
        return f"{text}, and does not if it pays the least that it ever does."
    if found.horizon:
        text = f"Over the episode's {task.max_steps} steps the optimum solves, when nothing better is left to do; but a"
        return f"{text} learner that looks beyond the limit finds more in never solving: {both}."
    late = f", after {high.steps} steps" if high.steps is not None else ""
    text = f"Over the episode's {task.max_steps} steps the optimum does not solve"
    return f"{text}, over an endless one it does{late}: {both}."
