"""A layout too large to be listed whole: what the part around a solution says of a reward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.base import Task

from .counterexample import CounterExample, find_counterexample, replay, solution_script
from .difficulty import predict_difficulty
from .model import NotCertified, RewardModel, count_states
from .plans import plan_of
from .returns import cycle_of, solution_return
from .solving import Solution, solve
from .verdicts import LayoutCertificate


def certify_part(problem: Problem, model: RewardModel, far: NDArray[np.int32]) -> LayoutCertificate:
    """Compare the part's best behaviour that never solves with a shortest solution, and with all else in the part.

    That behaviour is real, so a reward fails which pays it more than the solution, as it would in the exploit battery,
    unless another solving behaviour of the part earns more still. Nothing is proved of a reward which does not fail.
    Raises NotCertified where no solution was listed.
    """
    task, gamma = problem.task, problem.gamma
    states, share = coverage_of(task, model)
    if far[0] < 0:
        raise NotCertified(f"{model.missing} ({share})")
    idle, stuck = best_in_part(model, gamma, success=False)
    best, _ = best_in_part(model, gamma, success=True)
    solution = solution_return(model, far, gamma)
    example, plan = None, plan_of(task, model.graph.layout)
    rivals = float(best.value[0] - idle.value[0]) <= 2 * max(best.error, idle.error)
    if rivals and model.reads_step.any() and plan:
        example, solution = _paid_by_time(problem, model, idle.policy, stuck)
    elif rivals and float(idle.value[0]) >= solution:
        example = find_counterexample(problem, model, idle.policy, ends=not stuck)
        example = example if _still_pays(example, model, solution, stuck) else None
        if example is not None and not replay(problem, example).confirms(example):
            example = None
    text = f"Not certified: {model.missing} (listed: {share})."
    if example is not None:
        text += f" Among these, a behaviour that never solves earns more than a solution, which earns {solution:.4g}."
    cycle, gain = cycle_of(model, idle.policy, task.actions.names)
    return LayoutCertificate(
        model.graph.layout, "not certified", text, states, len(np.unique(model.state)), len(model), model.transitions,
        shortest=int(far[0]), solution_return=solution, cycle=cycle, cycle_gain=gain, counterexample=example,
        difficulty=predict_difficulty(model, far, task.max_steps, gamma),
    )  # fmt: skip


def _paid_by_time(
    problem: Problem, model: RewardModel, policy: NDArray[np.int8], stuck: bool
) -> tuple[CounterExample | None, float]:
    """(the part's best behaviour where it never solves and earns more than the planner's solution; what that earns).

    The model was scored as at the first step, so it only proposes; both are paid by the real environment.
    """
    layout = model.graph.layout
    solution = replay(problem, solution_script(problem, layout, plan_of(problem.task, layout)))
    found = find_counterexample(problem, model, policy, ends=not stuck)
    played = replay(problem, found)
    example = find_counterexample(problem, model, policy, ends=not stuck, paid=played)
    wins = not played.solved and _still_pays(example, model, solution.discounted, stuck)
    return (example if wins and solution.solved else None), solution.discounted


def coverage_of(task: Task, model: RewardModel) -> tuple[float, str]:
    """(share of the layout's states that were listed, at most; the same in words)."""
    counted, whole = count_states(task, model.graph.layout)
    if not counted:
        return 0.0, "an unknown share of its states"
    share = min(1.0, len(np.unique(model.state)) / counted)
    shown = f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.2g}"
    text = f"{shown} % of its {counted:,} states"
    return share, text if whole else f"under {shown} % of its states"


def best_in_part(model: RewardModel, gamma: float, *, success: bool) -> tuple[Solution, bool]:
    """The best that can be had within the part, with or without succeeding; whether some behaviours just break off.

    A node that every action leaves (a memory that is new after each step) ends there, and nothing is paid after it.
    """
    wanted = np.ones(model.success.shape, dtype=bool) if success else ~model.success
    allowed = wanted & ~model.left
    stuck = ~np.logical_or.reduce(allowed, axis=1)
    return solve(model.successor, model.high, allowed | (stuck[:, None] & wanted), gamma), bool(stuck.any())


def _still_pays(example: CounterExample, model: RewardModel, solution: float, stuck: bool) -> bool:
    """Whether it does so over the episode's real length, and without potential that it may hold unearned."""
    cut = bool(example.behaviour.cycle) or stuck
    held = example.gamma**example.steps * float(model.leftover.max(initial=0.0)) if cut else 0.0
    return example.claimed - max(0.0, held) > solution
