"""Machine: the designer writes a reward machine as JSON (Toro Icarte et al. 2022, arXiv 2010.03950).

Rewards on its transitions, and a potential from value iteration on the machine. See programs/specified/machine.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from rewardsmith.methods.base import Method, Options
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract, impossible_when_specified
from rewardsmith.programs.reward import ENV, free_channels, free_functions
from rewardsmith.programs.specified.examples import example_machine, words_of
from rewardsmith.programs.specified.machine import read_machine
from rewardsmith.tasks.base import Task


class MachineOptions(Options):
    """Options of the method machine; a specification may set the scale for itself."""

    shaping: Literal["progress", "potential"] = Field(
        default="progress", description="differences of the potential, or with the learner's discount"
    )
    scale: float = Field(default=1.0, gt=0, le=100, description="factor of the potential")


class Machine(Method):
    """The designer writes an automaton over named propositions; its memory is the automaton's state."""

    name = "machine"
    page = "goal"
    summary = "a reward machine over named events in JSON, with automatic shaping"
    Options = MachineOptions

    def contract(self, options: Any) -> Contract:
        """Return the contract of a reward machine in JSON."""
        chosen = options or MachineOptions()
        return Contract(
            self.name,
            ("reward",),
            specified=lambda text, facts: read_machine(text, facts, chosen.scale, chosen.shaping),
            impossible=impossible_when_specified(chosen.shaping),
        )

    def given(self, task: Task, options: Any) -> Mapping[str, Any]:
        """Return the names that propositions may use, and an example written with them."""
        facts = task.interface().facts
        return {"words": words_of(facts), "example": example_machine(facts)}

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """Return which of reward() and potential() the program defines."""
        return free_functions(source) if source else ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Return the channel `env` and those of the program."""
        return free_channels(source) if source else (ENV, Channel("reward"))


METHOD = Machine()
