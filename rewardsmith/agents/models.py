"""What an agent asks of a language model and what it gets back, whichever model answers.

A Request is one system text and one user message. `complete` ends in exactly one of two ways: an Answer,
whose `outcome` says whether its text can be read, or ModelFailed, when no answer came and asking again at
once would not change that. Adapters are opened by registry.py: litellm_model (any provider), synth (no language
model), replay, listed, manual.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from rewardsmith.errors import RewardsmithError

Role = Literal["designer", "critic", "analyzer", "judge", "annotator"]

VERIFIER: Final = "judge"
LABELLER: Final = "annotator"
"""The roles of CALM's verifier and of ONI's labeller. Calls are stored, recorded and replayed under these names."""

Outcome = Literal["completed", "refused", "truncated", "empty", "tool call"]
"""`completed`: text to read. `refused`: the model or its provider declined. `truncated`: cut off at
max_tokens, the text is a beginning. `empty`: an answer without words. `tool call`: a call of a tool instead of words,
although none was offered; the text is its arguments. Budgets count all five."""

Fault = Literal[
    "key",  # no API key, or one that the provider rejects
    "unknown_model",  # no such model or provider
    "request",  # the provider rejects this very request: an unsupported parameter, say
    "context",  # the prompt is longer than the model takes
    "quota",  # the account has no credit left
    "rate_limit",
    "server",  # an error, or an unreadable reply, of the provider
    "network",  # host not reached, connection broken
    "timeout",
    "replay",  # the cassette does not hold this call, or holds it for another prompt
    "person",  # a person's answer is awaited
]

_MAY_PASS: frozenset[Fault] = frozenset({"rate_limit", "server", "network", "timeout"})


@dataclass(frozen=True, order=True)
class ReplayKey:
    """Which call of a job this is; unique within the job. `attempt` counts repair rounds, from 0."""

    role: Role
    iteration: int
    sample: int
    attempt: int = 0

    def __str__(self) -> str:
        return f"{self.role}, iteration {self.iteration}, sample {self.sample}, attempt {self.attempt}"


@dataclass(frozen=True)
class Request:
    """One question. `max_tokens` bounds the answer; `temperature` None leaves it to the provider.

    again: called before a request is sent once more, with whether the last one may have been billed; what it
    raises ends the call. note: what the ledger says beside the call, such as evidence left out of the prompt.
    Raises ValueError when `role` is not the key's.
    """

    role: Role
    prompt: str
    system: str
    key: ReplayKey
    max_tokens: int = 4096
    temperature: float | None = 1.0
    again: Callable[[bool], None] | None = field(default=None, compare=False, repr=False)
    note: str | None = None

    def __post_init__(self) -> None:
        if self.role != self.key.role:
            raise ValueError(f"a request of the {self.role} carries the key of the {self.key.role}")


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them; None where it did not say, which is not zero."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Answer:
    """What came back, and what it took.

    price_usd: list price in dollars, None when unknown. latency_s: seconds, failed attempts and waits
    included. attempts: requests sent for it, at least 1. text: of a refusal, what the model said; may be "".
    """

    outcome: Outcome
    text: str
    model: str
    usage: Usage = Usage()
    price_usd: float | None = None
    latency_s: float = 0.0
    attempts: int = 1

    @property
    def completed(self) -> bool:
        return self.outcome == "completed"


class ModelFailed(RewardsmithError):
    """No answer, and asking again at once would not bring one.

    attempts: requests sent, 0 if none was. maybe_billed: whether the last one may have been answered and
    billed although no answer arrived, as when it timed out.
    """

    def __init__(self, cause: str, remedy: str, fault: Fault, attempts: int = 0, *, maybe_billed: bool = False) -> None:
        super().__init__(cause, remedy)
        self.fault: Fault = fault
        self.attempts = attempts
        self.maybe_billed = maybe_billed

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return self.fault in _MAY_PASS

    def __reduce__(self):
        # Exceptions are unpickled from `args`, which holds the message alone; this one crosses processes.
        return ModelFailed, (self.cause, self.remedy, self.fault, self.attempts), {"maybe_billed": self.maybe_billed}


class PersonAwaited(ModelFailed):
    """A person has not answered yet. question, reply: the files of the prompt and of the answer."""

    def __init__(self, cause: str, remedy: str, question: Path, reply: Path) -> None:
        super().__init__(cause, remedy, "person")
        self.question = question
        self.reply = reply


class LanguageModel(Protocol):
    """Whatever answers requests. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The name that opens it again: "openai/gpt-4o", "synth", "replay:FILE"."""
        ...

    @property
    def is_language_model(self) -> bool:
        """False where no language model wrote the answers: such results are no evidence for one."""
        ...

    def complete(self, request: Request) -> Answer:
        """Answer `request`, or raise ModelFailed."""
        ...


class ModelAround:
    """A model that hands requests on to `inner` under its name; a subclass says what it does besides."""

    def __init__(self, inner: LanguageModel) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        """The name of the model inside."""
        return self.inner.name

    @property
    def is_language_model(self) -> bool:
        """As the model inside."""
        return self.inner.is_language_model


@dataclass(frozen=True)
class Patience:
    """How long to keep trying. Seconds; waits between attempts double from `backoff_s` to `backoff_max_s`.

    `deadline_s` bounds one `complete` call altogether, `timeout_s` one attempt within it.
    """

    timeout_s: float = 300.0
    deadline_s: float = 900.0
    attempts: int = 6
    backoff_s: float = 1.0
    backoff_max_s: float = 30.0


def prompt_hash(system: str, prompt: str) -> str:
    """SHA-256, in hex, of what is sent; the boundary between the two texts is part of it."""
    digest = hashlib.sha256()
    for text in (system, prompt):
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()
