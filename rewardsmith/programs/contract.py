"""Contract: what a designer is asked to write for a method."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contract:
    """The functions an answer must define at its top level, and the prompt block that says what they do.

    name: of the block, agents/prompts/contract-NAME.md.j2. functions: in the order in which they are called on each
    transition. budget: bound of a channel's net sum over an episode, where the method sets one.
    """

    name: str
    functions: tuple[str, ...]
    budget: float | None = None

    @property
    def template(self) -> str:
        """File name of the prompt block."""
        return f"contract-{self.name}.md.j2"
