"""Contract: the functions that a designer must write for a method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rewardsmith.programs.reading import ReadProgram, read_program


@dataclass(frozen=True)
class Contract:
    """The functions that an answer must define at its top level, and the prompt block that describes them.

    Attributes:
        name: Name of the prompt block, agents/prompts/contract-NAME.md.j2.
        functions: Names of the functions, in the order in which they are called on each transition.
        cap: Cap of a channel's net sum over an episode, if the method sets one.
        check: Checks the text of a program that defines them. Raises UnreadableAnswer with a reason for the model.
    """

    name: str
    functions: tuple[str, ...]
    cap: float | None = None
    check: Callable[[str], Any] | None = field(default=None, compare=False)

    def read(self, answer: str) -> ReadProgram:
        """Read the program in a model's answer. Raises UnreadableAnswer if there is none that keeps the contract."""
        program = read_program(answer, self.functions)
        if self.check is not None:
            self.check(program.source)
        return program

    @property
    def template(self) -> str:
        """File name of the prompt block."""
        return f"contract-{self.name}.md.j2"
