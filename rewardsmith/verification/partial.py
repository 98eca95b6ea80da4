"""Partial certificates: enumeration around a known solution, for layouts that are too large to enumerate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.base import Task

from .agreement import Walks
from .counterexample import CounterExample, find_counterexample, replay, solution_script
from .difficulty import predict_difficulty
from .direction import guidance_of
from .model import NotCertified, RewardModel, count_states
from .plans import plan_of
from .returns import cycle_of, solution_return
from .solving import Solution, solve
from .verdicts import LayoutCertificate


def certify_part(
    problem: Problem, model: RewardModel, far: NDArray[np.int32], walks: Walks | None = None
) -> LayoutCertificate:
    """Search the enumerated part for a behaviour that never solves and earns more than solving.

    Such a behaviour is real, so the reward fails, unless another solution in the part earns still more. Nothing is
    proved about a reward that does not fail.

    Args:
        problem: The task, the reward and the learner's gamma.
        model: The enumerated part of the layout.
        far: int32 [N], the fewest actions to success from every node, -1 if there is no way in the part.
        walks: Scored walks through the part.

    Raises:
        NotCertified: The part contains no solution.
        sandbox.HostError: The program failed.
    """
    task, gamma = problem.task, problem.gamma
    states, share = coverage_of(task, model)
    if far[0] < 0:
        raise NotCertified(f"{model.missing} (enumerated: {share}, without a solution)")
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
    text = f"Not certified: {model.missing} (enumerated: {share})."
    if example is not None:
        text += " In the enumerated part, a behaviour that never solves the task earns more than a solution, which "
        text += f"earns {solution:.4g}."
    cycle, gain = cycle_of(model, idle.policy, task.actions.names)
    return LayoutCertificate(
        model.graph.layout, "not certified", text, states, len(np.unique(model.state)), len(model), model.transitions,
        shortest=int(far[0]), solution_return=solution, cycle=cycle, cycle_gain=gain, counterexample=example,
        difficulty=predict_difficulty(model, far, task.max_steps, gamma),
        guidance=guidance_of(task, model, far, gamma, walks),
    )  # fmt: skip


def _paid_by_time(
    problem: Problem, model: RewardModel, policy: NDArray[np.int8], stuck: bool
) -> tuple[CounterExample | None, float]:
    """(the counter-example or None, the return of the planner's solution), both scored in the real environment.

    The model was scored at the first step only, so it merely proposes the counter-example.
    """
    layout = model.graph.layout
    solution = replay(problem, solution_script(problem, layout, plan_of(problem.task, layout)))
    found = find_counterexample(problem, model, policy, ends=not stuck)
    played = replay(problem, found)
    example = find_counterexample(problem, model, policy, ends=not stuck, paid=played)
    wins = not played.solved and _still_pays(example, model, solution.discounted, stuck)
    return (example if wins and solution.solved else None), solution.discounted


def coverage_of(task: Task, model: RewardModel) -> tuple[float, str]:
    """Return an upper bound on the proportion of the layout's states that were enumerated, and the same as text."""
    counted, whole = count_states(task, model.graph.layout)
    if not counted:
        return 0.0, "an unknown proportion of its states"
    share = min(1.0, len(np.unique(model.state)) / counted)
    shown = f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.2g}"
    text = f"{shown} % of its {counted:,} states"
    return share, text if whole else f"under {shown} % of its states"


def best_in_part(model: RewardModel, gamma: float, *, success: bool) -> tuple[Solution, bool]:
    """Solve the enumerated part, with or without transitions that succeed.

    A node that every action leaves (a memory that is new after each step) counts as an end, with no reward after it.

    Returns:
        The solution, and whether the part has such nodes.
    """
    wanted = np.ones(model.success.shape, dtype=bool) if success else ~model.success
    allowed = wanted & ~model.left
    stuck = ~np.logical_or.reduce(allowed, axis=1)
    return solve(model.successor, model.high, allowed | (stuck[:, None] & wanted), gamma), bool(stuck.any())


def _still_pays(example: CounterExample, model: RewardModel, solution: float, stuck: bool) -> bool:
    """Whether it earns more over the episode's real length, less the potential that it may still hold at the end."""
    cut = bool(example.behaviour.cycle) or stuck
    held = example.gamma**example.steps * float(model.leftover.max(initial=0.0)) if cut else 0.0
    return example.claimed - max(0.0, held) > solution
