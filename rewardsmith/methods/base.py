"""What a method decides: the contract of its programs and how they enter the training reward."""

from __future__ import annotations

from dataclasses import dataclass

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import TrainingReward


@dataclass(frozen=True)
class Method:
    """One way to turn programs into a training reward.

    `functions` are what a program must define, in the order in which they are called on each transition;
    `contract` names the prompt block (agents/prompts/contract-NAME.md.j2) that tells a designer so.
    """

    name: str
    summary: str
    functions: tuple[str, ...]
    channels: tuple[Channel, ...]

    @property
    def contract(self) -> str:
        """File name of the prompt block that states the contract."""
        return f"contract-{self.name}.md.j2"

    def reward(self, source: str) -> TrainingReward:
        """The training reward made of a program's source."""
        return TrainingReward(source, self.functions, self.channels)
