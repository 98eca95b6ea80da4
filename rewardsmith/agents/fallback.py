"""Fallback models of a role: each is called if the model before it could not answer."""

from __future__ import annotations

from collections.abc import Sequence

from rewardsmith.agents.models import Answer, Fault, LanguageModel, ModelFailed, Request

_NOT_THE_MODELS: frozenset[Fault] = frozenset({"context", "person", "replay"})
"""Faults without a fallback: the prompt is too long, a person must answer, or a recording does not match."""


class FallbackModel:
    """Calls `models` in order until one answers.

    Only ModelFailed passes the request on; a refusal or an unreadable text counts as an answer.
    """

    def __init__(self, models: Sequence[LanguageModel]) -> None:
        if not models:
            raise ValueError("there must be at least one model")
        self.models = tuple(models)

    @property
    def name(self) -> str:
        """The name of the first model, under which the role is stored."""
        return self.models[0].name

    @property
    def is_language_model(self) -> bool:
        """Whether every one of the models is a language model."""
        return all(model.is_language_model for model in self.models)

    def complete(self, request: Request) -> Answer:
        """Return the first answer. Raises the first model's ModelFailed if no model answered."""
        first: ModelFailed | None = None
        for model in self.models:
            try:
                return model.complete(request)
            except ModelFailed as failed:
                if failed.fault in _NOT_THE_MODELS:
                    raise
                first = first or failed
        assert first is not None
        raise first
