"""Questions that come up inside a trial: asked by its process, answered by the executor's slots for model calls.

A trial's process holds no API key. A question becomes a work item of kind `ask`, which a call slot of the local
executor, or a worker of the `llm` queue, claims like any other; the trial reads its result. Budgets, retries and the
ledger are those of every call.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from rewardsmith.agents.models import (
    LABELLER,
    VERIFIER,
    Answer,
    LanguageModel,
    ModelFailed,
    ReplayKey,
    Request,
    Usage,
    prompt_hash,
)
from rewardsmith.engine.context import Context
from rewardsmith.engine.models.open import models_of, open_role
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.errors import BudgetSpent, LostItem
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item, ItemKey

ROLES = (VERIFIER, LABELLER)
"""Who asks in training; a question's rung tells them apart."""

_LOOK = (0.02, 0.5)  # seconds between looks for the answer: first, at most


def open_relayed(context: Context, spec: JobSpec, item: Item, role: str) -> LanguageModel:
    """The model that plays `role` in the trial of `item`. Raises ModelFailed for a recording that cannot be read."""
    name = models_of(spec, role)[0]
    if spec.replay is not None or name == "synth":
        # Nothing is sent anywhere, so no slot is needed.
        with read(context.database) as connection:
            snapshot = checked_snapshot(context, connection, item.key.job_id)
        return open_role(context, snapshot, item, role, item.key.candidate)
    return RelayedModel(context, item, name)


class RelayedModel:
    """A LanguageModel whose answers come through the queue; safe to call from several threads."""

    is_language_model = True

    def __init__(self, context: Context, item: Item, name: str) -> None:
        self._context, self._item, self.name = context, item, name

    def complete(self, request: Request) -> Answer:
        """Wait for the answer. Raises BudgetSpent, LostItem when the trial or its job has ended, ModelFailed."""
        asked = self._queue(request)
        pause, most = _LOOK
        while asked.state in queue.OPEN:
            time.sleep(pause)
            pause = min(most, 1.5 * pause)
            asked = queue.get(self._context.database, asked.id)
        if asked.state == "cancelled":
            raise LostItem("The question was withdrawn.", "The trial or its job has ended.")
        if asked.state != "done" or asked.result is None:
            raise ModelFailed(f"No answer came: {asked.error}", "See the workers' logs.", "server")
        if "spent" in asked.result:
            raise BudgetSpent(asked.result["spent"], "Raise the job's limits.")
        answer = dict(asked.result["answer"])
        return Answer(**{**answer, "usage": Usage(**answer["usage"])})

    def _queue(self, request: Request) -> Item:
        """The item of this question, new or from before an interruption."""
        digest = prompt_hash(request.system, request.prompt)
        payload = {
            "key": asdict(request.key), "prompt": request.prompt, "system": request.system, "hash": digest,
            "max_tokens": request.max_tokens, "temperature": request.temperature, "note": request.note,
        }  # fmt: skip
        mine = self._item.key
        rung = request.key.attempt * len(ROLES) + ROLES.index(request.role)
        while True:
            key = ItemKey(mine.job_id, "ask", mine.iteration, mine.candidate, mine.seed, rung, request.key.sample)
            found = self._context.write(lambda connection, key=key: queue.insert_or_get(connection, key, payload))
            if found.payload["hash"] == digest and found.state not in ("cancelled", "lost"):
                return found
            rung += 100  # other words of the same number, or withdrawn when the trial was interrupted


def run_ask(context: Context, item: Item) -> None:
    """Put a trial's question to the model and write the answer. Raises ModelFailed."""
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
    asked = item.payload
    key = ReplayKey(**asked["key"])
    request = Request(
        key.role, asked["prompt"], asked["system"], key, asked["max_tokens"], asked["temperature"], note=asked["note"]
    )
    try:
        answer = open_role(context, snapshot, item, key.role, item.key.candidate).complete(request)
        result: dict[str, Any] = {"answer": asdict(answer)}
    except BudgetSpent as error:
        result = {"spent": error.cause}
    context.write(lambda connection: queue.finish(connection, item, "done", result))
