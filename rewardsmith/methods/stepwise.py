"""Stepwise progress, after SPA-RL (Wang et al. 2025, arXiv 2505.20732): step rewards that add up to the outcome.

    r_t = c_t + g_t,   sum over t of c_t = outcome,   g_t = 1[step t took effect]

A network learns c_t from the policy's observations before and after the step, by the loss of return decomposition
(methods/decomposition). g_t, "grounding", is paid for symbolic states that are new in their episode, within a cap.
docs/methods/stepwise.md lists the differences from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.decomposition.learner import Fitting, StateDecomposition
from rewardsmith.methods.decomposition.words import words_of_report
from rewardsmith.methods.intrinsic.count_keys import FirstVisits, state_columns
from rewardsmith.methods.intrinsic.spaces import require_numbers
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import score_rule_of
from rewardsmith.tasks.transitions import multilinear_hash
from rewardsmith.training.learner import Experience, Learner


class StepwiseOptions(Options):
    """Options of stepwise progress. Published: grounding 0.5 for each step that takes effect, without a cap."""

    weight: float = Field(default=1.0, ge=0, description="weight of the progress c_t")
    grounding: float = Field(default=0.005, ge=0, description="reward of a state that is new in its episode")
    grounding_cap: float = Field(default=0.1, gt=0, description="cap of grounding per episode")
    learning_rate: float = Field(default=3e-4, gt=0, description="of the progress network")
    batches: int = Field(default=100, ge=1, le=10_000, description="steps of the network per rollout")


class StepwiseLearner(StateDecomposition):
    """Learns progress that adds up to the outcome, and finds states that are new in their episode."""

    def __init__(self, setting: Setting) -> None:
        chosen: StepwiseOptions = setting.options
        # The outcome is 0 or 1, so the error of a sum of T steps is in units of the outcome: weighted by T^2.
        super().__init__(setting, "stepwise", Fitting(chosen.learning_rate, chosen.batches, by_length=True))
        self._columns = state_columns(setting.task.schema)
        self._first = FirstVisits(setting.training.num_envs)
        self._scored = score_rule_of(setting.task) is not None

    def decomposed(self, seen: Experience) -> NDArray[np.float64]:
        """Return 1 on a step that ends an episode with a success; the environment's rewards on a task with a score."""
        if self._scored:
            return super().decomposed(seen)
        ended = seen.rollout.terminated | seen.rollout.truncated
        return (ended & seen.rollout.success).astype(np.float64)

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return c_t and g_t, [T, N] each."""
        run = seen.rollout
        before, after = (multilinear_hash(rows[:, :, self._columns]) for rows in (run.before, run.after))
        grounded = self._first(after, before, run.starts)
        return {**super().rewards(seen), "grounding": grounded.astype(np.float64)}


class Stepwise(Method):
    """Needs no designer; both channels are added to any other reward."""

    name = "stepwise"
    summary = "learned step rewards that add up to the outcome, and a small reward for new states (SPA-RL)"
    Options = StepwiseOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task is observed as an image."""
        require_numbers(task, self.name)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channels `stepwise` and, unless its reward is 0, `grounding`."""
        progress = Channel("stepwise", kind="bonus", weight=options.weight)
        grounding = Channel("grounding", kind="bonus", weight=options.grounding, cap=options.grounding_cap)
        return (progress, grounding) if options.grounding else (progress,)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner of the progress network."""
        return StepwiseLearner(setting)

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Report how well the sum of progress predicts success."""
        return words_of_report(telemetry)


METHOD = Stepwise()
