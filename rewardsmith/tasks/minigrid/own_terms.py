"""What a description says of a MiniGrid environment of a user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class SuccessTest(Protocol):
    """Whether an episode succeeds on a step; see described.reading.Condition."""

    def start(self) -> list[int]:
        """Begin an episode: return what is counted over it."""
        ...

    def holds(self, values: dict[str, Any], held: list[int]) -> bool:
        """Return whether the episode succeeds on a step of which `values` says everything by name."""
        ...


@dataclass(frozen=True)
class OwnTerms:
    """What a description says of a user's own MiniGrid environment; everything is optional.

    Attributes:
        goal: The goal in a sentence.
        labels: Names of the actions, in order; () for the environment's own.
        docs: A line of documentation for each action; () for none.
        env_reward: The environment's own reward in words.
        mechanics: Sentences about the dynamics.
        max_steps: The step limit of an episode, if it is less than the environment's own.
        observe: Keys of the observation that a policy sees; () for all.
        success: The success test; None for a positive reward on a step that ends the episode.
        success_rule: The success test in a sentence.
        step_timeout: Seconds after which a call that has not returned is ended.
    """

    goal: str = ""
    labels: tuple[str, ...] = ()
    docs: tuple[str, ...] = ()
    env_reward: str = ""
    mechanics: tuple[str, ...] = ()
    max_steps: int | None = None
    observe: tuple[str, ...] = ()
    success: SuccessTest | None = None
    success_rule: str = ""
    step_timeout: float = 60.0
