"""Goal: the designer writes stages of objects, attributes and relations as JSON, which become a potential.

    Phi(s) = (stages done + satisfaction of the next stage) / stages        reward = Phi(s') - Phi(s)

It follows StateFactory (2026, arXiv 2603.09400). See programs/specified/goal.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from rewardsmith.methods.base import Method, Options
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract, impossible_when_specified
from rewardsmith.programs.reward import ENV, free_channels, free_functions
from rewardsmith.programs.specified.examples import example_goal, words_of
from rewardsmith.programs.specified.goal import GoalForm, read_goal
from rewardsmith.tasks.base import Task


class GoalOptions(Options):
    """Options of the method goal; a specification may set both for itself."""

    done: Literal["last", "first", "latched"] = Field(default="last", description="which stages count as done")
    shaping: Literal["progress", "potential"] = Field(
        default="progress", description="differences of the potential, or with the learner's discount"
    )
    scale: float = Field(default=1.0, gt=0, le=100, description="the largest potential")


class Goal(Method):
    """The designer writes a goal in stages; the program is generated from it."""

    name = "goal"
    summary = "stages of objects, attributes and relations in JSON, whose progress pays"
    Options = GoalOptions

    def contract(self, options: Any) -> Contract:
        """Return the contract of a goal in JSON."""
        chosen = options or GoalOptions()
        form = GoalForm(chosen.done, chosen.scale, chosen.shaping)
        return Contract(
            self.name,
            ("reward",),
            specified=lambda text, facts: read_goal(text, facts, form),
            impossible=impossible_when_specified(chosen.shaping),
        )

    def given(self, task: Task, options: Any) -> Mapping[str, Any]:
        """Return the names that conditions may use, and an example written with them."""
        facts = task.interface().facts
        return {"words": words_of(facts), "example": example_goal(facts)}

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """Return which of reward() and potential() the program defines."""
        return free_functions(source) if source else ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Return the channel `env` and those of the program."""
        return free_channels(source) if source else (ENV, Channel("reward"))


METHOD = Goal()
