"""One exchange with a model: fit the prompt to its limit, send it, parse the answer, repeat once if unreadable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from rewardsmith.agents.models import Answer, AnswersUsedUp, LanguageModel, ModelFailed, ReplayKey, Request
from rewardsmith.agents.pricing import estimated_tokens
from rewardsmith.agents.prompting import render
from rewardsmith.errors import BudgetSpent
from rewardsmith.plaintext import plain
from rewardsmith.programs.reading import UnreadableAnswer

T = TypeVar("T")

_SHRINK = 0.7
"""Length of a rejected prompt's next version, relative to the rejected one: providers do not report their limit."""


@dataclass(frozen=True)
class Draft:
    """A prompt whose evidence can be left out piece by piece.

    Attributes:
        build: Returns the prompt without its first `n` pieces of evidence, for a given `n`.
        pieces: Names of the pieces in the order in which they are left out: the least important first, and the oldest
            first among equally important ones.
        json: Whether the answer is one JSON object and nothing else.
        own: Folder of a user's templates, of which `system` is one.
    """

    build: Callable[[int], str]
    pieces: tuple[str, ...] = ()
    json: bool = False
    own: Path | None = None

    def fit(self, tokens: int, least: int = 0) -> int:
        """Return how many pieces to leave out, at least `least`, to have about `tokens` tokens or fewer."""
        for count in range(least, len(self.pieces)):
            if estimated_tokens(self.build(count)) <= tokens:
                return count
        return len(self.pieces)


@dataclass(frozen=True)
class Limits:
    """Lengths of one exchange, in tokens.

    Attributes:
        prompt: Evidence is left out until the prompt has about this many tokens.
        answer: Upper bound of the answer, reasoning included.
    """

    prompt: int = 16_000
    answer: int = 4_096


STANDARD = Limits()


@dataclass(frozen=True)
class Outcome:
    """The result of an exchange.

    Attributes:
        result: The parsed answer, or None.
        reason: Why there is no result, or None.
        answered: Whether the model gave an answer, readable or not. False if the budget was spent before the
            first call.
        used_up: Whether a recording held no answer for the call.
    """

    result: Any
    reason: str | None
    answered: bool = True
    used_up: bool = False


def ask(
    model: LanguageModel,
    key: ReplayKey,
    draft: Draft,
    read: Callable[[str], T],
    limits: Limits,
    temperature: float = 1.0,
) -> Outcome:
    """Send a prompt and parse the answer.

    An answer that cannot be parsed is requested once more, with the reason appended to the prompt. Evidence is left out
    if the model rejects the prompt as too long.

    Args:
        model: The model to ask.
        key: Identifies the call; the second attempt adds 1 to its `attempt`.
        draft: The prompt.
        read: Parses an answer; raises UnreadableAnswer.
        limits: Lengths of prompt and answer.
        temperature: Sampling temperature.

    Raises:
        ModelFailed: The model gave no answer.
    """
    reason = ""
    dropped = draft.fit(limits.prompt)
    for again in range(2):
        suffix = f"\n# Your last answer could not be read\n{plain(reason)}\n" if again else ""
        this = ReplayKey(key.role, key.iteration, key.sample, key.attempt + again)
        try:
            system = render("system.md.j2", draft.own)
            request = Request(key.role, "", system, this, limits.answer, temperature, json=draft.json)
            answer, dropped = _complete(model, request, draft, dropped, suffix)
        except BudgetSpent as error:
            return Outcome(None, error.cause, answered=again > 0, used_up=isinstance(error, AnswersUsedUp))
        if not answer.completed:
            was = "a tool call" if answer.outcome == "tool call" else answer.outcome
            reason = f"The {key.role}'s answer was {was}."
            if answer.outcome == "tool call":
                reason += " No tools are available: answer with text, as requested."
            if answer.outcome == "truncated":
                reason += " Be brief: reason less, and write only the requested answer."
            continue
        try:
            return Outcome(read(answer.text), None)
        except UnreadableAnswer as error:
            reason = str(error)
    return Outcome(None, reason)


def _complete(model: LanguageModel, request: Request, draft: Draft, dropped: int, suffix: str) -> tuple[Answer, int]:
    """Return the answer and the number of pieces of evidence left out. Raises ModelFailed or BudgetSpent."""
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
    return f"left out to shorten the prompt: {', '.join(draft.pieces[:dropped])}" if dropped else None
