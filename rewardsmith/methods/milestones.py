"""Milestones as a learned potential, after MiRA (DeepMind 2026, arXiv 2603.19685).

A designer splits the task into milestones with a predicate each. A network P_b learns the progress between them from
complete episodes, and its predictions shape the reward:

    r' = r + gamma * P_b(s') - P_b(s)

So steps between two milestones are rewarded as well, without a distance. docs/methods/milestones.md lists the
differences from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.intrinsic.spaces import require_numbers
from rewardsmith.methods.verifying.subgoal_program import read_predicates
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.subgoals import preset_subgoals
from rewardsmith.training.learner import Learner


class MilestoneOptions(Options):
    """Options of milestones. Published: one weight for all milestones, and a potential."""

    milestones: Literal["program", "preset"] = Field(
        default="program", description="predicates of a designer, or the planner's events"
    )
    weight: float = Field(default=1.0, ge=0, description="weight of the potential")
    shaping: Literal["potential", "progress"] = Field(
        default="potential", description="gamma * P(s') - P(s), or plain differences, which are not invariant"
    )
    learning_rate: float = Field(default=3e-4, gt=0, description="of the network")
    gradient_steps: int = Field(default=20, ge=1, le=10_000, description="of the network, per rollout")


class Milestones(Method):
    """Predicates detect milestones; the potential between them is learned in training."""

    name = "milestones"
    summary = "milestones of a designer, and a learned potential of the progress between them (MiRA)"
    Options = MilestoneOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError for images, or if the planner has no milestones although they are preset."""
        require_numbers(task, self.name)
        if options.milestones == "preset" and not preset_subgoals(task):
            raise UsageError(
                f"No planner provides milestones of {task.id}.",
                "Let a designer write them: --method milestones, without --option milestones=preset.",
            )

    def contract(self, options: Any) -> Contract | None:
        """Return the contract of milestones with predicates; None if they are preset."""
        if options is not None and options.milestones == "preset":
            return None
        return Contract(self.name, ("subgoals",), check=read_predicates)

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """Return the names of the predicates. Raises UsageError if the program defines none."""
        if options.milestones == "preset" or not source:
            return ()
        try:
            return tuple(read_predicates(source).values())
        except UnreadableAnswer as error:
            remedy = 'Define `def subgoals(): return {"description": predicate}` and the predicates in the file.'
            raise UsageError(f"The program's milestones cannot be read: {error}", remedy) from error

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `milestones`: a learned potential, or a bonus for the shaping `progress`."""
        kind = "learned" if options.shaping == "potential" else "bonus"
        return (Channel(self.name, kind=kind, weight=options.weight),)

    def combined_options(self, values: Mapping[str, Any]) -> Any:
        """With `--with milestones`, preset milestones, since no designer names any."""
        return MilestoneOptions.model_validate({"milestones": "preset", **values})

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Whether the planner provides the milestones."""
        return options.milestones == "preset"

    def learner(self, setting: Setting) -> Learner:
        """Return the learner of the potential."""
        from rewardsmith.methods.milestone_progress.learner import MilestoneLearner

        if setting.options.milestones == "preset":
            return MilestoneLearner(setting, (), preset_subgoals(setting.task))
        return MilestoneLearner(setting, self.functions(setting.reward.source, setting.options))

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Report how often each milestone was reached, and how well progress is predicted."""
        often = ", ".join(f"{name} {share:.3g}" for name, share in telemetry["reached"].items())
        told = [f"Milestones reached per training episode that began: {often}."]
        if telemetry.get("rank_correlation") is not None:
            value = f"{telemetry['rank_correlation']:.2f}"
            told.append(f"The rank correlation of predicted progress with that of held-out episodes is {value}.")
        return tuple(told)


METHOD = Milestones()
