"""The optional cap on the sum of each program channel over an episode."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.verification.battery import run_battery
from rewardsmith.verification.layouts import LAYOUTS, battery_layouts
from sandbox.client import HostError

EpisodeCap = Literal["auto"] | float


def bounded(problem: Problem, cap: EpisodeCap | None, most: int | None = None) -> TrainingReward:
    """Apply `within_cap` to a reward that may also have channels used only in training; these stay unchanged.

    most: As in `run_battery`.
    """
    reward = problem.reward
    limits = {c.name: c.cap for c in within_cap(problem.with_reward(reward.written), cap, most=most).channels}
    channels = tuple(replace(c, cap=limits.get(c.name, c.cap)) for c in reward.channels)
    return replace(reward, channels=channels)


def within_cap(
    problem: Problem, cap: EpisodeCap | None, layouts: int = LAYOUTS, most: int | None = None
) -> TrainingReward:
    """Return the reward with a per-episode cap on every program channel that has none. Potentials are never capped.

    Args:
        problem: The task and the reward.
        cap: The cap. "auto" is the largest running sum of such a channel over the planner's solutions, or the
            reference's episodes, so that the cap does not reduce these. None or 0 leaves the reward unchanged.
        layouts: Number of training layouts whose solutions are used for "auto".
        most: As in `run_battery`.

    Returns:
        The capped reward. With "auto" it is the unchanged reward if the task has no planner or the program fails on a
        solution, which the checks report.
    """
    reward = problem.reward
    limit = _measured(problem, layouts, most) if cap == "auto" else cap
    if not limit:
        return reward
    channels = tuple(
        replace(c, cap=float(limit)) if c.kind == "program" and c.cap is None else c for c in reward.channels
    )
    return replace(reward, channels=channels)


def _measured(problem: Problem, layouts: int, most: int | None) -> float | None:
    try:
        report = run_battery(problem, layouts=battery_layouts(problem.task, layouts), most=most)
    except HostError:
        return None
    if report is None or report.shaping.cap == 0.0:
        return None
    size = 10.0 ** (math.floor(math.log10(report.shaping.cap)) - 2)
    return math.ceil(report.shaping.cap / size - 1e-9) * size  # rounded up to three digits
