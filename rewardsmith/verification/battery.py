"""The exploit battery: a script that solves must out-earn every script that does not (docs/contracts.md, F)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rewardsmith.programs.composition import Carry
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import compose_rollout, open_host, score_rollout
from rewardsmith.tasks.base import Task
from rewardsmith.verification.scripts import Played, play_scripts, scripts_for
from sandbox.client import Scores

LAYOUTS = 3


@dataclass(frozen=True)
class Finding:
    """On one layout: what the worst solving script earns against the best script that does not solve.

    Returns are discounted; potential that a script has not earned (held where it was cut off) is taken off.
    """

    layout: int
    solution: str
    solution_return: float
    rival: str
    rival_return: float
    parts: dict[str, float]  # the rival's undiscounted sum by channel

    @property
    def margin(self) -> float:
        """By how much solving pays more; negative = exploitable."""
        return self.solution_return - self.rival_return


@dataclass(frozen=True)
class BatteryReport:
    """The finding of each layout, the smallest margin first, and the flooding meter's prediction."""

    findings: tuple[Finding, ...]
    guidance_per_success: float  # |sum of everything but success-step pay| over the solution's episode
    us_per_transition: float

    @property
    def passed(self) -> bool:
        """Whether solving pays most on every layout."""
        return all(f.margin > 0 for f in self.findings)


@lru_cache(maxsize=8)
def played_bank(task: Task) -> tuple[tuple[int, Played], ...]:
    """The scripted episodes of a task, played once per process; empty without a planner."""
    plans = task.oracle_plans(LAYOUTS) or ()
    return tuple((layout, play_scripts(task, layout, scripts_for(task, layout, plan))) for layout, plan in plans)


def run_battery(
    task: Task, reward: TrainingReward, gamma: float, allow: str = "kernel", first: Scores | None = None
) -> BatteryReport | None:
    """Score a reward on the bank; None where the task has no planner. Raises sandbox.HostError.

    `first` spares scoring the bank's first layout again.
    """
    findings, micros, guidance = [], [], []
    for place, (layout, played) in enumerate(played_bank(task)):
        steps, columns = played.rollout.starts.shape
        scores = first if place == 0 else None
        if reward.functions and scores is None:
            with open_host(reward, task, played.tables, columns, steps, allow) as host:
                scores = score_rollout(host, played.rollout, task, played.tables)
        if scores is not None:
            micros.append(1e6 * scores.seconds / (steps * columns))
        finding, share = judge(reward, layout, played, scores, gamma)
        findings.append(finding)
        guidance.append(share)
    if not findings:
        return None
    ordered = tuple(sorted(findings, key=lambda f: f.margin))
    return BatteryReport(ordered, max(guidance), float(np.mean(micros)) if micros else 0.0)


def judge(
    reward: TrainingReward, layout: int, played: Played, scores: Scores | None, gamma: float
) -> tuple[Finding, float]:
    """Compare discounted returns on one layout; also |guidance| over the solution's episode."""
    composition = compose_rollout(reward, played.rollout, scores, gamma, Carry())
    steps, columns = played.rollout.starts.shape
    inside = np.arange(steps)[:, None] < played.length[None, :]
    discount = gamma ** np.arange(steps)[:, None]
    returns = (composition.total * discount * inside).sum(axis=0)
    returns -= _unearned(reward, played, scores, gamma)
    solving = [i for i, s in enumerate(played.scripts) if s.name.startswith("solution") and played.solved[i]]
    others = [i for i in range(columns) if not played.solved[i]]
    worst = min(solving, key=lambda i: float(returns[i]))
    rival = max(others, key=lambda i: float(returns[i]))
    parts = {name: float((part * inside)[:, rival].sum()) for name, part in composition.parts.items()}
    last = int(played.length[solving[0]]) - 1
    guidance = float(np.abs(composition.total[:last, solving[0]]).sum())
    finding = Finding(
        layout,
        played.scripts[worst].name,
        float(returns[worst]),
        played.scripts[rival].name,
        float(returns[rival]),
        parts,
    )
    return finding, guidance


def _unearned(reward: TrainingReward, played: Played, scores: Scores | None, gamma: float) -> np.ndarray:
    """w * gamma^T * Phi(s_T) of episodes that were cut off: a near miss holds potential it has not earned."""
    columns = played.length.shape[0]
    left = np.zeros(columns)
    if scores is None or scores.phi is None:
        return left
    ends = played.length - 1
    index = np.arange(columns)
    for channel in reward.channels:
        if channel.kind == "potential":
            phi = np.clip(scores.phi[ends, index], -channel.limit, channel.limit) + channel.shift
            cut = ~played.rollout.terminated[ends, index]
            left += channel.weight * gamma**played.length * phi * cut
    return left
