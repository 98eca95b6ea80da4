"""The last word on limits of calls, tokens and dollars: asked before each call, in whatever thread."""

from __future__ import annotations

import threading
from collections import defaultdict

from rewardsmith.agents.models import Answer, LanguageModel, Request
from rewardsmith.engine.context import Context
from rewardsmith.engine.snapshot import read_used
from rewardsmith.errors import BudgetSpent
from rewardsmith.spec import Budget
from rewardsmith.storage.database import read

_LOCK = threading.Lock()
_UNWRITTEN: dict[str, list[Answer | None]] = defaultdict(list)
"""Calls of this process by job that are not in the ledger yet: None while under way."""


class LimitedModel:
    """A model that refuses with BudgetSpent once the job's limit is reached.

    Use it as a context manager around a work item: what the item has called is written by then, or lost.
    """

    def __init__(self, inner: LanguageModel, context: Context, job_id: str, budget: Budget) -> None:
        self._inner, self._context, self._job, self._budget = inner, context, job_id, budget
        self._mine: list[Answer | None] = []

    @property
    def name(self) -> str:
        """The name of the model inside."""
        return self._inner.name

    @property
    def is_language_model(self) -> bool:
        """As the model inside."""
        return self._inner.is_language_model

    def __enter__(self) -> LimitedModel:
        return self

    def __exit__(self, *_: object) -> None:
        with _LOCK:
            for entry in self._mine:
                _remove(_UNWRITTEN[self._job], entry)

    def complete(self, request: Request) -> Answer:
        """Answer, or raise BudgetSpent before anything is sent."""
        with _LOCK:
            self._refuse_if_spent()
            self._note(None)
        answer: Answer | None = None
        try:
            answer = self._inner.complete(request)
            return answer
        finally:
            with _LOCK:
                _remove(self._mine, None)
                _remove(_UNWRITTEN[self._job], None)
                if answer is not None:
                    self._note(answer)

    def _note(self, entry: Answer | None) -> None:
        self._mine.append(entry)
        _UNWRITTEN[self._job].append(entry)

    def _refuse_if_spent(self) -> None:
        with read(self._context.database) as connection:
            used = read_used(connection, self._job)
        waiting = _UNWRITTEN[self._job]
        answers = [a for a in waiting if a is not None]
        tokens = used.tokens + sum((a.usage.prompt_tokens or 0) + (a.usage.completion_tokens or 0) for a in answers)
        dollars = used.dollars + sum(a.price_usd or 0.0 for a in answers)
        limits = {
            "calls": (self._budget.calls, used.calls + len(waiting)),
            "tokens": (self._budget.tokens, tokens),
            "dollars": (self._budget.dollars, dollars),
        }
        for unit, (limit, spent) in limits.items():
            if limit is not None and spent >= limit:
                raise BudgetSpent(f"the budget of {limit:g} {unit} is spent", f"Raise --max-{unit}.")


def _remove(entries: list[Answer | None], entry: Answer | None) -> None:
    """Remove one entry by identity; equal answers of two calls are two calls."""
    for index, other in enumerate(entries):
        if other is entry:
            del entries[index]
            return
