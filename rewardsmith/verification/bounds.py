"""Verdicts by bounds, for rewards whose (state, memory) pairs are too many to enumerate.

docs/certificate.md (Bounds) has the proofs. Both verdicts compare, in every state, what success earns at least with
what behaviour without success can earn at most, whatever the memory of the program holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from sandbox.outcomes import MOST_RUNS

from .agreement import Walks
from .counterexample import CounterExample, played_counterexample, replay, solution_script
from .model import NotCertified, RewardModel
from .plans import plan_of
from .relaxation import Relaxation, relax
from .solving import END, distances, solve
from .verdicts import LayoutCertificate

MOST_CALLS = MOST_RUNS
"""Most calls of a program for the bounds of one layout."""
JOB_CALLS = 200_000
"""The same in a job: at most about ten seconds."""
MOST_STATES = 400_000
"""Most states of a layout that bounds decide. They cost little; what costs is calls of the program."""
_MOST_SWEEPS = 2000
_SLACK = 1e-9


def decided_by_bounds(
    problem: Problem, part: LayoutCertificate, model: RewardModel, walks: Walks | None, calls: int
) -> LayoutCertificate:
    """Decide a layout whose (state, memory, gates) triples are too many, if bounds suffice.

    Args:
        problem: The task, the reward and the learner's gamma.
        part: The certificate of the part that was enumerated.
        model: That part.
        walks: Walks through the part, scored in a trainer's host.
        calls: Most calls of the program.

    Returns:
        The certificate with a verdict by bounds, or `part` with the reason why there is none.

    Raises:
        sandbox.HostError: The program failed.
    """
    if part.counterexample is not None or not problem.reward.functions or not calls:
        return part
    if part.shortest is not None and part.shortest > problem.task.max_steps:
        return part
    try:
        relaxed = relax(problem, part.layout, MOST_STATES, calls)
        _require_inside(problem, relaxed, model, walks)
    except NotCertified as reason:
        return replace(part, reason=f"{part.reason} Bounds do not decide it: {reason}.")
    found = _decided(problem, part, relaxed)
    text = f"{part.reason} Bounds that hold for every content of memory leave both open."
    return replace(part, reason=text) if found is None else found


def certified_by_bounds(problem: Problem, layout: int, calls: int) -> LayoutCertificate | None:
    """Certify a layout by bounds alone; None if they do not decide it.

    Args:
        problem: The task, the reward and the learner's gamma.
        layout: Index into the task's training pool.
        calls: Most calls of the program.

    Raises:
        sandbox.HostError: The program failed.
    """
    try:
        relaxed = relax(problem, layout, MOST_STATES, calls)
    except NotCertified:
        return None
    shortest = int(distances(relaxed.successor, relaxed.success)[0])
    if not 0 <= shortest <= problem.task.max_steps:
        return None
    empty = LayoutCertificate(layout, "not certified", "", shortest=shortest, episode=problem.task.max_steps)
    return _decided(problem, empty, relaxed)


def _decided(problem: Problem, part: LayoutCertificate, relaxed: Relaxation) -> LayoutCertificate | None:
    """The certificate with a verdict by bounds; None if they do not decide the layout."""
    states = int(relaxed.reached.sum())
    common = {"coverage": 1.0, "states": states, "nodes": states, "transitions": relaxed.called}
    gap = sound_gap(relaxed, problem.gamma)
    if gap > _SLACK:
        text = "By bounds that hold for every content of memory: every optimal policy solves the task. In every state "
        text += f"solving earns at least {gap:.4g} more than behaviour without success that repeats or ends the "
        text += "episode. The number of steps of the optimal policy was not computed."
        return replace(part, verdict="sound", reason=text, bounds_gap=gap, **common)
    gap, policy = unsound_gap(relaxed, problem.gamma)
    if gap > _SLACK:
        example = _avoiding(problem, part.layout, relaxed, policy)
        if example is not None:
            text = "By bounds that hold for every content of memory: the optimal policy never solves. Wherever "
            text += f"a step would succeed, going on without success earns at least {gap:.4g} more."
            return replace(part, verdict="unsound", reason=text, bounds_gap=gap, counterexample=example, **common)
    return None


def _require_inside(problem: Problem, relaxed: Relaxation, model: RewardModel, walks: Walks | None) -> None:
    """Raise NotCertified if a reward of a trainer's host is outside of the bounds: then memory was not followed."""
    if walks is None:
        return
    channels = tuple(c for c in problem.reward.channels if c.kind != "potential")
    plain = problem.with_reward(replace(problem.reward, channels=channels))
    paid = plain.compose(walks.rollout, walks.scores).total
    state = _places(relaxed.graph, model.graph)[model.state[walks.node]]
    low, high = relaxed.least[state, walks.action], relaxed.most[state, walks.action]
    slack = 1e-6 * (1.0 + np.abs(paid))
    if ((state >= 0) & ((paid < low - slack) | (paid > high + slack))).any():
        raise NotCertified("the program uses its memory in a way that cannot be followed")


def _places(graph: Any, part: Any) -> NDArray[np.int64]:
    """The node of `graph` that each node of a part of it is, or -1."""
    if np.array_equal(graph.rows, part.rows):
        return np.arange(len(part.state))
    places = {row.tobytes(): node for node, row in enumerate(graph.rows_before(np.arange(len(graph.state))))}
    rows = part.rows_before(np.arange(len(part.state)))
    return np.array([places.get(row.tobytes(), -1) for row in rows], np.int64)


def sound_gap(relaxed: Relaxation, gamma: float) -> float:
    """Return how much more solving earns, at least, than not solving, in all states where that must be so.

    An optimal policy without success ends the episode, or runs into a cycle of (state, memory, gates). On a cycle no
    variable changes that never returns, and what capped channels pay sums to zero: from the step at which they have
    paid most, they earn nothing more.

    Args:
        relaxed: Bounds of the rewards.
        gamma: The discount factor.
    """
    solving = best_solving(relaxed.successor, relaxed.success, relaxed.least, gamma)
    allowed = relaxed.steady > -np.inf
    staying = _on_cycles(relaxed.successor, allowed & relaxed.reached[:, None])
    ends = (relaxed.successor == END) & ~relaxed.success & relaxed.reached[:, None]
    dying = np.where(ends, relaxed.most, -np.inf).max(axis=1)
    gaps = [np.inf]
    if ends.any():
        gaps.append(float((solving - dying)[ends.any(axis=1)].min()))
    if staying.any():
        cycles = allowed & staying[:, None] & np.where(relaxed.successor == END, False, staying[relaxed.successor])
        largest = float(np.abs(relaxed.steady[cycles]).max(initial=1.0))
        reward = np.where(cycles, relaxed.steady, 0.0)
        stuck = np.asarray(~cycles.any(axis=1))  # states that belong to no cycle
        cycles[stuck, 0], reward[stuck, 0] = True, -2.0 * largest / (1.0 - gamma)
        successor = np.where(stuck[:, None], END, relaxed.successor).astype(np.int32)
        idle = solve(successor, reward, cycles, gamma)
        gaps.append(float((solving - idle.value - idle.error)[staying].min()))
    return min(gaps) if len(gaps) > 1 else -np.inf


def unsound_gap(relaxed: Relaxation, gamma: float) -> tuple[float, NDArray[np.int8]]:
    """Return how much more going on without success earns, at least, than each step that succeeds; and a policy for it.

    Args:
        relaxed: Bounds of the rewards.
        gamma: The discount factor.
    """
    idle = solve(relaxed.successor, relaxed.least, _playable(relaxed), gamma)
    wins = relaxed.success & relaxed.reached[:, None]
    gaps = (idle.value - idle.error)[:, None] - relaxed.most
    return float(gaps[wins].min(initial=np.inf)) if wins.any() else -np.inf, idle.policy


def _playable(relaxed: Relaxation) -> NDArray[np.bool_]:
    allowed = ~relaxed.success
    allowed[~allowed.any(axis=1), 0] = True
    return allowed


@njit(cache=True)
def best_solving(successor, success, reward, gamma):
    """Return the best return of an episode that succeeds, float64 [N]; -inf where none does.

    Values grow from below, so that each is earned by some policy however soon the sweeps are ended.
    """
    count, actions = successor.shape
    value = np.full(count, -np.inf)
    for k in range(_MOST_SWEEPS):
        change = 0.0
        for i in range(count):
            s = i if k % 2 == 0 else count - 1 - i
            best = value[s]
            for a in range(actions):
                there = successor[s, a]
                q = -np.inf
                if success[s, a]:
                    q = reward[s, a]
                elif there != END:
                    q = reward[s, a] + gamma * value[there]
                if q > best:
                    best = q
            if best > value[s]:
                change = max(change, 1.0 if value[s] == -np.inf else best - value[s])
                value[s] = best
        if change <= 1e-12:
            break
    return value


def _on_cycles(successor: NDArray[np.int32], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return bool [N]: whether a state lies on a cycle of allowed transitions, or on the way from one to another."""
    source, action = np.nonzero(allowed & (successor != END))
    target = successor[source, action]
    count = len(successor)
    forward = _trimmed(source, target, count)
    backward = _trimmed(target, source, count)
    return forward & backward


def _trimmed(source: NDArray[Any], target: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """States from which a walk along the edges need not end."""
    order = np.argsort(target, kind="stable")
    first = np.searchsorted(target[order], np.arange(count + 1))
    return _endless(first, source[order].astype(np.int64), np.bincount(source, minlength=count))


@njit(cache=True)
def _endless(first, source, ways):
    count = ways.shape[0]
    alive = np.ones(count, np.bool_)
    stack, size = np.empty(count, np.int64), 0
    for s in range(count):
        if ways[s] == 0:
            alive[s] = False
            stack[size] = s
            size += 1
    while size:
        size -= 1
        s = stack[size]
        for k in range(first[s], first[s + 1]):
            before = source[k]
            ways[before] -= 1
            if ways[before] == 0 and alive[before]:
                alive[before] = False
                stack[size] = before
                size += 1
    return alive


def _avoiding(problem: Problem, layout: int, relaxed: Relaxation, policy: NDArray[np.int8]) -> CounterExample | None:
    """A behaviour that never solves and earns more than the planner's solution; None if none is found.

    It follows the solution up to some step, and then a policy that never solves.
    """
    plan = plan_of(problem.task, layout)
    if not plan:
        return None
    # A potential that is held at the time limit was not earned, so that returns are compared without potentials.
    channels = tuple(c for c in problem.reward.channels if c.kind != "potential")
    plain = problem.with_reward(replace(problem.reward, channels=channels))
    solution = replay(plain, solution_script(plain, layout, plan))
    for way in (plan[:-1], ()):
        steps, first = _followed(relaxed, policy, way)
        played = played_counterexample(plain, relaxed.graph, steps, first)[1]
        if not played.solved and played.discounted > solution.discounted:
            return played_counterexample(problem, relaxed.graph, steps, first)[0]
    return None


def _followed(relaxed: Relaxation, policy: NDArray[np.int8], way: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """((state, action) of each step of `way` and then of a policy until it repeats itself, where it repeats from)."""
    steps: list[tuple[int, int]] = []
    place: dict[int, int] = {}
    state = 0
    while state != END and state not in place:
        if len(steps) < len(way):
            action = int(way[len(steps)])
        else:
            place[state] = len(steps)
            action = int(policy[state])
        steps.append((state, action))
        state = int(relaxed.successor[state, action])
    return steps, len(steps) if state == END else place[state]
