"""Requests and answers of language models, common to all adapters.

A Request is one system text and one user message. `complete` ends in exactly one of two ways. It returns an Answer,
whose `outcome` states whether its text can be used. Or it raises ModelFailed: no answer came, and an immediate retry
would not change that. registry.py opens the adapters: litellm_model (any provider), synth (no language model), replay,
listed, manual.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from rewardsmith.errors import BudgetSpent, RewardsmithError

Role = Literal["designer", "critic", "analyzer", "judge", "annotator", "describer"]

VERIFIER: Final = "judge"
LABELLER: Final = "annotator"
"""The roles of CALM's verifier and of ONI's labeller. Calls are stored, recorded and replayed under these names."""

Outcome = Literal["completed", "refused", "truncated", "empty", "tool call"]
"""`completed`: an answer with text. `refused`: the model or its provider declined. `truncated`: cut off at max_tokens,
the text is the beginning. `empty`: an answer without text. `tool call`: a call of a tool, although none was offered;
the text is its arguments. Budgets count all five."""

Fault = Literal[
    "key",  # no API key, or one that the provider rejects
    "unknown_model",  # no such model or provider
    "request",  # the provider rejects the request itself, for example an unsupported parameter
    "context",  # the prompt is longer than the model's context
    "quota",  # the account has no credit left
    "rate_limit",
    "server",  # an error or an unreadable reply of the provider
    "network",  # host not reached, connection broken
    "timeout",
    "replay",  # the cassette does not contain this call, or contains it for another prompt
    "person",  # a person has not answered yet
]

_MAY_PASS: frozenset[Fault] = frozenset({"rate_limit", "server", "network", "timeout"})


@dataclass(frozen=True, order=True)
class ReplayKey:
    """Identifies a call within its job. `attempt` counts repairs and repeated requests, from 0."""

    role: Role
    iteration: int
    sample: int
    attempt: int = 0

    def __str__(self) -> str:
        return f"{self.role}, iteration {self.iteration}, sample {self.sample}, attempt {self.attempt}"


@dataclass(frozen=True)
class Request:
    """One request to a model.

    Attributes:
        role: The role that asks.
        prompt: The user message.
        system: The system text; "" for none.
        key: Identifies the call within the job; its role must equal `role`.
        max_tokens: Upper bound of the answer, reasoning included.
        temperature: Sampling temperature; None for the provider's default.
        again: Called before each retry, with whether the last attempt may have been billed. An exception from it ends
            the call.
        note: A remark stored with the call in the ledger, such as the evidence left out of the prompt.
        json: Whether the answer is one JSON object and nothing else, so that a provider may enforce it.

    Raises:
        ValueError: `role` differs from the key's role.
    """

    role: Role
    prompt: str
    system: str
    key: ReplayKey
    max_tokens: int = 4096
    temperature: float | None = 1.0
    again: Callable[[bool], None] | None = field(default=None, compare=False, repr=False)
    note: str | None = None
    json: bool = False

    def __post_init__(self) -> None:
        if self.role != self.key.role:
            raise ValueError(f"a request of the {self.role} carries the key of the {self.key.role}")


@dataclass(frozen=True)
class Usage:
    """Tokens as counted by the provider; None if it reported no count. Cached tokens are part of the prompt's."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True)
class Answer:
    """An answer and its cost.

    Attributes:
        outcome: Whether the text is complete.
        text: The text; that of the refusal if the model refused. May be "".
        model: The model's name as the provider reports it.
        usage: Tokens.
        price_usd: List price in dollars; None if unknown.
        latency_s: Seconds, failed attempts and waits included.
        attempts: Requests sent, at least 1.
        fingerprint: The provider's fingerprint of the model and its settings, if it sends one.
    """

    outcome: Outcome
    text: str
    model: str
    usage: Usage = Usage()
    price_usd: float | None = None
    latency_s: float = 0.0
    attempts: int = 1
    fingerprint: str | None = None

    @property
    def completed(self) -> bool:
        return self.outcome == "completed"


class ModelFailed(RewardsmithError):
    """No answer arrived, and an immediate retry would not bring one.

    Attributes:
        fault: The class of the error.
        attempts: Requests sent; 0 if none was.
        maybe_billed: Whether the last request may have been billed although no answer arrived, for example after a
            timeout.
    """

    def __init__(self, cause: str, remedy: str, fault: Fault, attempts: int = 0, *, maybe_billed: bool = False) -> None:
        super().__init__(cause, remedy)
        self.fault: Fault = fault
        self.attempts = attempts
        self.maybe_billed = maybe_billed

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later without any change by the user."""
        return self.fault in _MAY_PASS

    def __reduce__(self):
        # Exceptions are unpickled from `args`, which contains only the message; this one crosses processes.
        return ModelFailed, (self.cause, self.remedy, self.fault, self.attempts), {"maybe_billed": self.maybe_billed}


class AnswersUsedUp(BudgetSpent):
    """A recording holds no answer for a call: like a spent budget, it ends the search, which keeps its results."""


class PersonAwaited(ModelFailed):
    """A person has not answered yet.

    Attributes:
        question: The file of the prompt.
        reply: The file that will contain the answer.
    """

    def __init__(self, cause: str, remedy: str, question: Path, reply: Path) -> None:
        super().__init__(cause, remedy, "person")
        self.question = question
        self.reply = reply


class LanguageModel(Protocol):
    """The protocol of all models. Implementations can be called from several threads."""

    @property
    def name(self) -> str:
        """The name that opens it again: "openai/gpt-4o", "synth", "replay:FILE"."""
        ...

    @property
    def is_language_model(self) -> bool:
        """Whether a language model writes the answers. Results without one are no evidence for a language model."""
        ...

    def complete(self, request: Request) -> Answer:
        """Return the answer to `request`, or raise ModelFailed."""
        ...


class ModelAround:
    """Base class of models that wrap another model and keep its name; a subclass defines `complete`."""

    def __init__(self, inner: LanguageModel) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        """The name of the wrapped model."""
        return self.inner.name

    @property
    def is_language_model(self) -> bool:
        """Whether the wrapped model is a language model."""
        return self.inner.is_language_model


@dataclass(frozen=True)
class Patience:
    """Timeouts and retries of one call.

    Attributes:
        timeout_s: Upper bound of one attempt, in seconds.
        deadline_s: Upper bound of the call with all attempts and waits, in seconds.
        attempts: Largest number of attempts.
        backoff_s: First wait between attempts, in seconds; each further wait is twice as long.
        backoff_max_s: Longest wait, in seconds.
    """

    timeout_s: float = 300.0
    deadline_s: float = 900.0
    attempts: int = 6
    backoff_s: float = 1.0
    backoff_max_s: float = 30.0


def prompt_hash(system: str, prompt: str) -> str:
    """SHA-256, in hex, of the system text and the prompt, with the boundary between them."""
    digest = hashlib.sha256()
    for text in (system, prompt):
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()
