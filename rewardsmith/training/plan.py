"""The arguments of a trial, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.scores import ScoreScale
from rewardsmith.seeds import rung_end_seed
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.stacking import stacked
from rewardsmith.training.curriculum import joined
from rewardsmith.training.evaluation import Evaluation
from rewardsmith.training.learner import Learner
from rewardsmith.training.played import PlayedSteps
from rewardsmith.training.schedule import Schedule
from sandbox.client import Isolation


@dataclass(frozen=True)
class TrialPlan:
    """The arguments of a trial; its task observes as many frames at once as the settings say.

    Attributes:
        seed: The seed of weights, layouts and minibatches.
        steps: Environment steps of the full trial.
        fraction: The fraction of `steps`, in (0, 1], at which this rung ends.
        folder: The folder of checkpoints and the policy.
        pool: The evaluation layouts: "select" in the search, "claim" in the final evaluation.
        isolation: The isolation of the reward host.
        curve_points: About how many points the curve of a full trial has.
        learners: The learners of this trial, by method.
        played: Steps played before this rung without training on them, by purpose (see training.played).
        scale: The scale of the task's scores; None if it has a success.
        donor: The folder of an earlier trial whose replay buffer this one begins from (see training.reuse).
        donor_name: The candidate of that trial.
        begun_at: Steps of the trial that were taken over from the donor, and not collected.
    """

    task: Task
    reward: TrainingReward
    training: TrainingSpec
    seed: int
    steps: int
    fraction: float
    folder: Path
    pool: str = "select"
    isolation: Isolation = Isolation.KERNEL
    curve_points: int = 12
    learners: dict[str, Learner] = field(default_factory=dict)
    played: dict[str, int] = field(default_factory=dict)
    scale: ScoreScale | None = None
    donor: Path | None = None
    donor_name: str = ""
    begun_at: int = 0

    @property
    def reuses(self) -> bool:
        """Whether the trial keeps its transitions for later ones, and may begin from a donor's. A claim never does."""
        return self.training.reuse and self.training.off_policy and self.pool == "select"

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "task", stacked(joined(self.task, self.training.curriculum), self.training.frame_stack)
        )

    @property
    def problem(self) -> Problem:
        """The decision problem that the learner optimises: task, reward and discount."""
        return Problem(self.task, self.reward, self.training.gamma, self.isolation)

    @property
    def played_steps(self) -> PlayedSteps:
        """The counts and limits of the steps that this trial plays without training on them."""
        slow, settings = not self.task.cheap_steps, self.training
        share = settings.evaluation_share if slow and self.pool == "select" else None
        at_once = settings.num_envs if slow else None
        return PlayedSteps(self.task, share, at_once, self.scale, dict(self.played))


@dataclass(frozen=True)
class CurvePoint:
    """One point of a training curve."""

    steps: int  # environment steps trained so far
    evaluation: Evaluation | None  # None if it would exceed the limit on played steps
    telemetry: dict[str, Any]  # since the last point, as Telemetry.as_json()


@dataclass(frozen=True)
class TrialReport:
    """The result of a rung. Evaluations are of the final weights."""

    steps: int  # environment steps trained so far
    stochastic: Evaluation
    greedy: Evaluation | None  # None if it would exceed the limit on played steps
    unseen: bool  # whether no evaluation layout occurs in training
    telemetry: dict[str, Any]  # since the last point of the curve, as Telemetry.as_json()
    sandbox_level: str  # of the reward host, or "not needed"
    steps_per_second: float  # trained steps, in this rung
    seconds: float  # of this rung, evaluations included
    complete: bool  # whether this was the last rung
    failed_episodes: list[str]  # up to two, in words; those with the lowest scores where nothing is a success
    recorded: bytes = b""  # episodes for a player, see rewardsmith.recorded; empty if none were played
    starts: str = "layouts"  # what the task's starts are called, see tasks.capabilities.start_kind


def final_evaluation(plan: TrialPlan, plans: Schedule) -> tuple[int, int]:
    """Return the episodes and the seed of the evaluation at the end of the rung."""
    complete = plans.rung_end(plan.fraction) == plans.total
    return plan.training.final_episodes if complete else plan.training.eval_episodes, rung_end_seed(plan.seed)
