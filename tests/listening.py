"""A model that records its prompts."""

from __future__ import annotations

from rewardsmith.agents.models import Answer, LanguageModel, Request


class Listening:
    """Answers with the inner model; `prompts` are those that it received, in order."""

    def __init__(self, inner: LanguageModel) -> None:
        self._inner = inner
        self.name, self.is_language_model = inner.name, inner.is_language_model
        self.prompts: list[str] = []

    def complete(self, request: Request) -> Answer:
        self.prompts.append(request.prompt)
        return self._inner.complete(request)
