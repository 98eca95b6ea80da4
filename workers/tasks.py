"""The one Celery task: a hint arrives, the database says what is most urgent, the engine does it."""

from __future__ import annotations

import logging
import os
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rewardsmith.config import settings
from rewardsmith.engine.context import Context, TrialProcess, open_context
from rewardsmith.engine.items.dispatch import run_item
from rewardsmith.engine.items.train import purpose_of
from rewardsmith.storage import hints, queue
from workers import presence
from workers.celery_app import app
from workers.delivery import deliver
from workers.queues import QUEUES, WORK
from workers.slot import warm_parent

log = logging.getLogger("rewardsmith.work")

_CONTEXTS: dict[int, Context] = {}
"""By process: a connection must not be shared with a forked child."""


@app.task(name=WORK, bind=True)
def work(self: Any, item_id: int) -> None:
    """Claim the most urgent item of this message's queue, do it, and tell the broker what follows from it.

    `item_id` is a hint that there is something to do; when it has been done by somebody else, or was said
    twice, the claim finds that out.
    """
    with presence.busy():
        if presence.stopping():
            return
        context = _context()
        kinds = QUEUES[self.request.delivery_info["routing_key"]]
        # The process's name says who to look for; the rest keeps two tasks of one process apart.
        owner = f"{queue.make_owner()}:{secrets.token_hex(4)}"
        item = queue.claim(context.database, owner, context.settings.lease_seconds, kinds=kinds, service=True)
        if item is None:
            log.debug("nothing to do for hint %s", item_id)
            return
        _do(context, item, owner)


def _do(context: Context, item: queue.Item, owner: str) -> None:
    key, began = item.key, time.monotonic()
    about = {"job": key.job_id, "candidate": key.candidate, "item": item.id, "kind": key.kind, "attempt": item.attempt}
    if key.kind in queue.TRAINING_KINDS:
        about["trial"] = f"{key.candidate}-{purpose_of(item)}-{key.seed}"
    log.info("begins", extra=about)
    try:
        run_item(context, item.id, owner, presence.stopping)
    except BaseException:
        # Its lease lapses and a reaper queues it again: only that counts the attempt.
        log.exception("broke", extra=about)
        raise
    log.info("ended", extra={**about, "seconds": round(time.monotonic() - began, 3)})
    if _is_limited(context, key.job_id):
        hints.forget(context.database, job_id=key.job_id)  # a slot is free: what was hinted in vain goes again
    deliver(context, key.job_id)


def _is_limited(context: Context, job_id: str) -> bool:
    from rewardsmith.storage import records
    from rewardsmith.storage.database import read

    with read(context.database) as connection:
        return records.get_job(connection, job_id).slots is not None


def _context() -> Context:
    if os.getpid() not in _CONTEXTS:
        context = open_context(settings(), must_exist=True, patient=True)
        _CONTEXTS[os.getpid()] = replace(context, launch=_launch, served=True)
    return _CONTEXTS[os.getpid()]


def _launch(task: str, arguments: list[str], environment: dict[str, str], log: Path) -> TrialProcess:
    return warm_parent().launch(task, arguments, environment, log)
