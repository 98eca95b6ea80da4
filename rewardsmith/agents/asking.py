"""Asking a model for something readable: fit the prompt, ask, shorten it if it was too long, ask once more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rewardsmith.agents.models import Answer, LanguageModel, ModelFailed, ReplayKey, Request
from rewardsmith.agents.pricing import estimated_tokens
from rewardsmith.agents.prompting import render
from rewardsmith.errors import BudgetSpent
from rewardsmith.plaintext import plain
from rewardsmith.programs.reading import UnreadableAnswer

T = TypeVar("T")

_SHRINK = 0.7
"""A prompt that was too long comes back at most this long: providers do not say how much is too much."""


@dataclass(frozen=True)
class Draft:
    """A prompt whose evidence can be left out piece by piece.

    pieces: names of the pieces in the order in which they are left out: the least important first, of equally
    important ones the oldest first. build: the prompt's text without the first so many pieces.
    """

    build: Callable[[int], str]
    pieces: tuple[str, ...] = ()

    def fit(self, tokens: int, least: int = 0) -> int:
        """How many pieces, at least `least`, must go so that about `tokens` tokens are left; all if need be."""
        for count in range(least, len(self.pieces)):
            if estimated_tokens(self.build(count)) <= tokens:
                return count
        return len(self.pieces)


@dataclass(frozen=True)
class Limits:
    """Lengths of one exchange in tokens. prompt: evidence is cut until about so many are left."""

    prompt: int = 16_000
    answer: int = 4_096


STANDARD = Limits()


@dataclass(frozen=True)
class Outcome:
    """A readable result, or the reason there is none. answered: whether any answer came, readable or not."""

    result: Any
    reason: str | None
    answered: bool = True


def ask(model: LanguageModel, key: ReplayKey, draft: Draft, read: Callable[[str], T], limits: Limits) -> Outcome:
    """Ask, read; an answer that cannot be read goes back once with the reason. Raises ModelFailed."""
    reason = ""
    dropped = draft.fit(limits.prompt)
    for again in range(2):
        suffix = f"\n# Your last answer could not be read\n{plain(reason)}\n" if again else ""
        this = ReplayKey(key.role, key.iteration, key.sample, key.attempt + again)
        try:
            request = Request(key.role, "", render("system.md.j2"), this, limits.answer)
            answer, dropped = _complete(model, request, draft, dropped, suffix)
        except BudgetSpent as error:
            return Outcome(None, error.cause, answered=again > 0)
        if not answer.completed:
            was = "a tool call" if answer.outcome == "tool call" else answer.outcome
            reason = f"The {key.role}'s answer was {was}."
            if answer.outcome == "tool call":
                reason += " No tools are there to be called: answer in words, as was asked."
            if answer.outcome == "truncated":
                reason += " Be brief: think less, write only what was asked for."
            continue
        try:
            return Outcome(read(answer.text), None)
        except UnreadableAnswer as error:
            reason = str(error)
    return Outcome(None, reason)


def _complete(model: LanguageModel, request: Request, draft: Draft, dropped: int, suffix: str) -> tuple[Answer, int]:
    """The answer, and how many pieces of evidence it went without. Raises ModelFailed, BudgetSpent."""
    while True:
        prompt = draft.build(dropped) + suffix
        this = replace(request, prompt=prompt, note=_note(draft, dropped))
        try:
            return model.complete(this), dropped
        except ModelFailed as failed:
            if failed.fault != "context" or dropped == len(draft.pieces):
                raise
        dropped = draft.fit(int(_SHRINK * estimated_tokens(prompt)), dropped + 1)


def _note(draft: Draft, dropped: int) -> str | None:
    return f"left out of the prompt for its length: {', '.join(draft.pieces[:dropped])}" if dropped else None
