"""Several models for one role: the next one is asked where the one before it could not answer."""

from __future__ import annotations

from collections.abc import Sequence

from rewardsmith.agents.models import Answer, Fault, LanguageModel, ModelFailed, Request

_NOT_THE_MODELS: frozenset[Fault] = frozenset({"context", "person", "replay"})
"""Faults that end the call: its prompt must be shorter, a person must write, the recording must fit."""


class FallbackModel:
    """`models` in order; a refusal or an unreadable answer is an answer, only ModelFailed passes to the next."""

    def __init__(self, models: Sequence[LanguageModel]) -> None:
        if not models:
            raise ValueError("there must be at least one model")
        self.models = tuple(models)

    @property
    def name(self) -> str:
        """The first model's name."""
        return self.models[0].name

    @property
    def is_language_model(self) -> bool:
        """Whether all of them are."""
        return all(model.is_language_model for model in self.models)

    def complete(self, request: Request) -> Answer:
        """The first answer; raises the first model's ModelFailed if none of them answered."""
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
