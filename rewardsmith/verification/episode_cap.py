"""The optional bound on what a program's channels may sum to over an episode."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.verification.battery import run_battery
from rewardsmith.verification.layouts import LAYOUTS, layout_sample
from sandbox.client import HostError

EpisodeBudget = Literal["auto"] | float


def bounded(problem: Problem, budget: EpisodeBudget | None) -> TrainingReward:
    """`within_budget` of a reward that may have channels which are paid during training only; these are left alone."""
    reward = problem.reward
    limits = {c.name: c.budget for c in within_budget(problem.with_reward(reward.written), budget).channels}
    channels = tuple(replace(c, budget=limits.get(c.name, c.budget)) for c in reward.channels)
    return replace(reward, channels=channels)


def within_budget(problem: Problem, budget: EpisodeBudget | None, layouts: int = LAYOUTS) -> TrainingReward:
    """The reward with a budget on every program channel that has none; potentials are never bounded.

    "auto" is the largest running sum of such a channel over the planner's solutions of the first `layouts` training
    layouts, so that it takes nothing from them. The reward comes back as it is without a planner, or where the program
    fails on a solution: the checks tell.
    """
    reward = problem.reward
    limit = _measured(problem, layouts) if budget == "auto" else budget
    if not limit:
        return reward
    channels = tuple(
        replace(c, budget=float(limit)) if c.kind == "program" and c.budget is None else c for c in reward.channels
    )
    return replace(reward, channels=channels)


def _measured(problem: Problem, layouts: int) -> float | None:
    try:
        report = run_battery(problem, layouts=layout_sample(problem.task, layouts).layouts)
    except HostError:
        return None
    if report is None or report.flooding.budget == 0.0:
        return None
    size = 10.0 ** (math.floor(math.log10(report.flooding.budget)) - 2)
    return math.ceil(report.flooding.budget / size - 1e-9) * size  # three digits, upwards
