"""Language-model calls of a trial, relayed through the queue, because a trial's process has no API keys.

Each call becomes a work item of kind `ask`. A call slot of the local executor, or a worker of the `llm` queue, claims
it and makes the call with the job's usual limits, retries and ledger. The trial reads the result from the item.
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
"""Roles with calls during training; the `rung` in the key of an `ask` item encodes the role."""

_LOOK = (0.02, 0.5)  # seconds between two looks for the answer: first, longest


def open_relayed(context: Context, spec: JobSpec, item: Item, role: str) -> LanguageModel:
    """Open the model of a role in the trial of `item`. Raises ModelFailed if the recording cannot be read."""
    name = models_of(spec, role)[0]
    if spec.replay is not None or name == "synth":
        # Rules and recordings need no API key.
        with read(context.database) as connection:
            snapshot = checked_snapshot(context, connection, item.key.job_id)
        return open_role(context, snapshot, item, role, item.key.candidate)
    return RelayedModel(context, item, name)


class RelayedModel:
    """A LanguageModel whose calls go through the queue. It may be called from several threads."""

    is_language_model = True

    def __init__(self, context: Context, item: Item, name: str) -> None:
        self._context, self._item, self.name = context, item, name

    def complete(self, request: Request) -> Answer:
        """Queue the call and wait for its answer.

        Raises:
            BudgetSpent: The call would exceed a limit of the job.
            LostItem: The trial or its job has ended.
            ModelFailed: The model could not be called.
        """
        asked = self._queue(request)
        pause, most = _LOOK
        while asked.state in queue.OPEN:
            time.sleep(pause)
            pause = min(most, 1.5 * pause)
            asked = queue.get(self._context.database, asked.id)
        if asked.state == "cancelled":
            raise LostItem(
                "The call was cancelled because the trial or its job has ended.", "Nothing needs to be done."
            )
        if asked.state != "done" or asked.result is None:
            raise ModelFailed(
                f"A language-model call of the trial failed: {asked.error}", "See the logs of the workers.", "server"
            )
        if "spent" in asked.result:
            raise BudgetSpent(asked.result["spent"], "Raise --max-calls, --max-tokens or --max-dollars in a new job.")
        answer = dict(asked.result["answer"])
        return Answer(**{**answer, "usage": Usage(**answer["usage"])})

    def _queue(self, request: Request) -> Item:
        """Return the item of this call, new or from before an interruption."""
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
            rung += 100  # the item has another prompt, or was cancelled when the trial was interrupted


def run_ask(context: Context, item: Item) -> None:
    """Make the call of an `ask` item and write its answer. Raises ModelFailed."""
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
