"""Contract: what a designer is asked to write for a method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rewardsmith.programs.reading import ReadProgram, read_program


@dataclass(frozen=True)
class Contract:
    """The functions an answer must define at its top level, and the prompt block that says what they do.

    name: of the block, agents/prompts/contract-NAME.md.j2. functions: in the order in which they are called on each
    transition. budget: bound of a channel's net sum over an episode, where the method sets one. check: looks at the
    text of a program that defines them, and raises UnreadableAnswer, worded for the model, for what is missing.
    """

    name: str
    functions: tuple[str, ...]
    budget: float | None = None
    check: Callable[[str], Any] | None = field(default=None, compare=False)

    def read(self, answer: str) -> ReadProgram:
        """The program in a model's answer. Raises UnreadableAnswer."""
        program = read_program(answer, self.functions)
        if self.check is not None:
            self.check(program.source)
        return program

    @property
    def template(self) -> str:
        """File name of the prompt block."""
        return f"contract-{self.name}.md.j2"
