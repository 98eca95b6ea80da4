"""Begin a trial from the replay buffer of an earlier one, whose transitions are scored with the new program.

1. Copy the donor's transitions, as many as fit, the newest ones. They begin at a step at which all environments start
   an episode, so that gates and caps of channels are exact.
2. Score them with the new program in its sandbox, in chunks, and write its rewards, parts and components.
3. The trial counts as trained for `SHARE` of the donor's steps. Take the gradient steps that a trial takes until then.
4. Collect the rest. A rung at the fraction f ends at f of the trial, but collects at least (1 - SHARE) * f of it.

A program that uses `memory` starts empty: what it remembers was never stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from rewardsmith.errors import UsageError
from rewardsmith.programs.composition import Carry
from rewardsmith.programs.dependence import uses_memory
from rewardsmith.programs.rollout import compose_rollout, score_rollout
from rewardsmith.tasks.base import Tables
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.normalize import MomentsUpdate
from rewardsmith.training.plan import TrialPlan, TrialReport
from rewardsmith.training.replay import ShapedReplayBuffer
from rewardsmith.training.schedule import Schedule
from rewardsmith.training.stored import StoredReplay, open_replay

SHARE = 0.75
"""The part of the donor's steps that a trial does not collect again; the rest corrects what the donor never did."""

_CHUNK = 4096  # transitions scored at a time
_FILE = "reuse.json"
_TOLD_EVERY = 200  # updates between two heartbeats


@dataclass(frozen=True)
class Reused:
    """What a trial began from.

    Attributes:
        donor: The candidate whose transitions it began from; "" if it started empty.
        transitions: The transitions that were scored again.
        steps: Environment steps of the trial that it did not collect.
        note: Why it started empty; "" if it did not.
    """

    donor: str = ""
    transitions: int = 0
    steps: int = 0
    note: str = ""

    def ending(self, plan: TrialPlan, plans: Schedule) -> TrialPlan:
        """Return the plan with the fraction of the trial at which its rung ends (step 4)."""
        if self.steps == 0:
            return plan
        begun = self.steps // plans.per_rollout
        least = begun + max(plans.cut_every, int((1.0 - SHARE) * plan.fraction * plans.total))
        # Half a rollout more, so that the end of the rung does not depend on rounding.
        fraction = min(1.0, max(plan.fraction, (least + 0.5) / plans.total))
        return replace(plan, fraction=fraction, begun_at=self.steps)

    def reported(self, report: TrialReport, plan: TrialPlan, plans: Schedule) -> TrialReport:
        """Return the report with what the trial began from, and the steps that it saved, in its telemetry.

        Args:
            report: The report of a rung.
            plan: The plan without the change of `ending`.
            plans: The trial's schedule.
        """
        if not (self.donor or self.note):
            return report
        saved = max(0, plans.rung_end(plan.fraction) * plans.per_rollout - report.steps)
        reused = {"donor": self.donor, "transitions": self.transitions, "saved": saved, "note": self.note}
        return replace(report, telemetry={**report.telemetry, "reused": reused})


def earlier_reuse(folder: Path) -> Reused:
    """Return what the trial in `folder` began from, as `begin` has stored it."""
    try:
        return Reused(**json.loads((folder / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Reused()


def begin(
    plan: TrialPlan,
    plans: Schedule,
    model: OffPolicyAlgorithm,
    tables: Tables,
    adaptation: Adaptation,
    heartbeat: Callable[[int], None],
) -> Reused:
    """Fill the empty replay buffer of `model` from the plan's donor and take the gradient steps on it.

    Args:
        plan: The trial's plan.
        plans: Its schedule.
        model: The algorithm, before any step, with the files of its buffer.
        tables: The tables of the training batch.
        adaptation: The running scale, which then includes the relabelled rewards.
        heartbeat: Called with 0 between gradient steps; it may raise to stop the trial.

    Returns:
        What the trial begins from, which is also stored in its folder.

    Raises:
        HostError: The program fails.
    """
    found = _usable(plan)
    steps = 0 if isinstance(found, str) else _taken_over(found, plan, plans)
    if isinstance(found, str):
        reused = Reused(note=found)
    elif steps == 0:
        reused = Reused(note=f"{plan.donor_name} has too few transitions")
    else:
        buffer = model.replay_buffer
        assert isinstance(buffer, ShapedReplayBuffer)
        chosen = _newest(found, buffer.buffer_size)
        buffer.copy(chosen.rows, chosen.mapped)
        _relabel(plan, chosen, buffer, tables, adaptation)
        if plan.training.normalize_observation:
            _include_observations(plan, model, buffer, len(chosen))
        if adaptation.running is not None:
            buffer.factor = adaptation.running.factor
        _update(model, steps, heartbeat)
        reused = Reused(plan.donor_name, len(chosen) * model.n_envs, steps)
    partial = plan.folder / f"{_FILE}.partial"
    partial.write_text(json.dumps(asdict(reused)), encoding="utf-8")
    partial.replace(plan.folder / _FILE)
    return reused


def _usable(plan: TrialPlan) -> StoredReplay | str:
    """The replay buffer of the plan's donor, or why the trial starts empty; "" without a donor."""
    if plan.donor is None:
        return ""
    if uses_memory(plan.reward):
        return "its program uses memory"
    try:
        stored = open_replay(plan.donor)
    except UsageError:
        return f"the replay buffer of {plan.donor_name} is not on this machine"
    return stored if stored.recorded else f"the replay buffer of {plan.donor_name} does not contain transitions"


def _taken_over(stored: StoredReplay, plan: TrialPlan, plans: Schedule) -> int:
    """Environment steps that the trial does not collect: a share of the donor's, in whole intervals of checkpoints."""
    cut = plans.cut_every * plans.per_rollout
    return int(SHARE * min(len(stored) * plan.training.num_envs, plan.steps)) // cut * cut


def _newest(stored: StoredReplay, most: int) -> StoredReplay:
    """Return at most `most` of the newest steps, beginning where every environment starts an episode."""
    rows = stored.rows[-most:]
    begins = np.flatnonzero((stored.mapped("flags")[rows] & 1).all(axis=1))
    return replace(stored, rows=rows[begins[0] :] if len(begins) else rows[:0])


def _relabel(
    plan: TrialPlan, stored: StoredReplay, buffer: ShapedReplayBuffer, tables: Tables, adaptation: Adaptation
) -> None:
    """Write the rewards of the plan's program for the transitions, which lie in the buffer's first rows."""
    carry, count, envs = Carry(), len(stored), buffer.n_envs
    portion = max(1, _CHUNK // envs)
    host = plan.problem.host(tables, envs, portion) if plan.reward.functions else None
    try:
        for first in range(0, count, portion):
            last = min(first + portion, count)
            rollout = stored.rollout(first, last, tables)
            scores = None if host is None else score_rollout(host, rollout, plan.task)
            composed = compose_rollout(
                plan.reward, rollout, scores, plan.training.gamma, carry, first * envs
            )  # fmt: skip
            buffer.write_rewards(np.arange(first, last), rollout, composed, scores)
            if adaptation.running is not None:
                adaptation.running.after(composed.total, rollout.terminated | rollout.truncated)
    finally:
        if host is not None:
            host.close()
    if adaptation.running is not None:
        adaptation.running.start_again()


def _include_observations(plan: TrialPlan, model: OffPolicyAlgorithm, buffer: ShapedReplayBuffer, count: int) -> None:
    moments, portion = MomentsUpdate(model.policy, plan.task.observation), max(1, _CHUNK // buffer.n_envs)
    for first in range(0, count, portion):
        rows = slice(first, min(first + portion, count))
        seen = buffer.observations
        moments.include({k: _flat(v[rows]) for k, v in seen.items()} if isinstance(seen, dict) else _flat(seen[rows]))


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """[T, N, ...] as [T * N, ...]."""
    return np.asarray(values).reshape(-1, *values.shape[2:])


def _update(model: OffPolicyAlgorithm, steps: int, heartbeat: Callable[[int], None]) -> None:
    """Take the gradient steps that SB3 takes within `steps` environment steps, with all counters that follow them."""
    frequency = model.train_freq.frequency  # type: ignore[union-attr]
    collected = frequency * model.n_envs
    gradients = model.gradient_steps if model.gradient_steps >= 0 else collected
    for number in range(steps // collected):
        for _ in range(frequency):
            model.num_timesteps += model.n_envs
            model._on_step()  # DQN's target and its share of random actions
        if model.num_timesteps > model.learning_starts and gradients > 0:
            model.train(batch_size=model.batch_size, gradient_steps=gradients)
        if number % _TOLD_EVERY == 0:
            heartbeat(0)
