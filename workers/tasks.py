"""The only Celery task: on a notification, claim the most urgent item in the database and process it."""

from __future__ import annotations

import logging
import os
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rewardsmith.config import settings
from rewardsmith.engine.capabilities import jobs_for_others
from rewardsmith.engine.context import Context, TrialProcess, open_context
from rewardsmith.engine.items.dispatch import run_item
from rewardsmith.engine.items.train import purpose_of
from rewardsmith.storage import notifications, queue
from workers import presence
from workers.celery_app import app
from workers.delivery import deliver
from workers.queues import QUEUES, WORK
from workers.slot import warm_parent

log = logging.getLogger("rewardsmith.work")

_CONTEXTS: dict[int, Context] = {}
"""Contexts by process id, because a forked child must not share its parent's connections."""


@app.task(name=WORK, bind=True)
def work(self: Any, item_id: int) -> None:
    """Claim the most urgent item of this message's queue, process it, and send notifications of the items that follow.

    `item_id` only says that there is work. The claim decides which item is processed, and finds none if another worker
    was faster or the notification was sent twice.
    """
    with presence.busy():
        if presence.stopping():
            return
        context = _context()
        kinds = QUEUES[self.request.delivery_info["routing_key"]]
        # The first part names the process, the second distinguishes the tasks of one process.
        owner = f"{queue.make_owner()}:{secrets.token_hex(4)}"
        lease, others = context.settings.lease_seconds, jobs_for_others(context, kinds)
        item = queue.claim(context.database, owner, lease, kinds=kinds, service=True, without=others)
        if item is None:
            log.debug("no item to process for the notification of item %s", item_id)
            return
        _do(context, item, owner)


def _do(context: Context, item: queue.Item, owner: str) -> None:
    key, began = item.key, time.monotonic()
    about = {"job": key.job_id, "candidate": key.candidate, "item": item.id, "kind": key.kind, "attempt": item.attempt}
    if key.kind in queue.TRAINING_KINDS:
        about["trial"] = f"{key.candidate}-{purpose_of(item)}-{key.seed}"
    log.info("item started", extra=about)
    try:
        run_item(context, item.id, owner, presence.stopping)
    except BaseException:
        # The item's lease expires and a scheduler queues it again, which counts the attempt.
        log.exception("item failed", extra=about)
        raise
    log.info("item ended", extra={**about, "seconds": round(time.monotonic() - began, 3)})
    if _is_limited(context, key.job_id):
        notifications.forget(context.database, job_id=key.job_id)  # a slot is free, so send the notifications again
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
