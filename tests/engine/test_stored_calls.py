"""What is stored of a call besides its answer: the model as the provider names it, its fingerprint, cached tokens."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from rewardsmith.agents.models import Answer, ReplayKey, Request, Usage
from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.models.limited import Account, LimitedModel
from rewardsmith.spec import Budget, JobSpec

ANSWER = Answer("completed", "hello", "gpt-4o-2024-08-06", Usage(40, 9, 30), 0.001, 0.5, 1, "fp_44709d6fcb")


class Scripted:
    name = "openai/gpt-4o"
    is_language_model = True
    asked = 0

    def complete(self, request: Request) -> Answer:
        self.asked += 1
        return ANSWER


def test_fingerprint_and_cached_tokens_are_stored_and_returned_again(tmp_path: Path) -> None:
    context, inner = open_context(Settings(home=tmp_path)), Scripted()
    job = lifecycle.create_job(context, JobSpec(task="CartPole-v1", method="free", model="openai/gpt-4o"))
    model = LimitedModel(inner, context, Account(job, "", Budget(dollars=1.0), "me"))
    request = Request("critic", "Review.", "", ReplayKey("critic", 1, 0))
    assert model.complete(request) == ANSWER
    with context.database.connect() as connection:
        row = connection.execute(text("SELECT model, fingerprint, cached_tokens, price_usd FROM llm_calls")).one()
    assert tuple(row) == ("gpt-4o-2024-08-06", "fp_44709d6fcb", 30, 0.001)
    assert model.complete(request) == ANSWER and inner.asked == 1, "an answered call is not made again"
