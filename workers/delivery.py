"""Telling the broker which items wait. Nothing depends on it arriving: schedulers send what stays queued again."""

from __future__ import annotations

import logging

from rewardsmith.engine.context import Context
from rewardsmith.storage import hints

log = logging.getLogger("rewardsmith.delivery")


def deliver(context: Context, job_id: str | None = None) -> int:
    """Send a hint for every item that is due (of a job); returns how many were sent."""
    due = hints.take_due(context.database, context.settings.hint_seconds, job_id)
    sent = send(due)
    if sent < len(due):
        hints.forget(context.database, [item for item, _ in due[sent:]])
        log.warning("the broker does not answer; %d hints are kept for later", len(due) - sent)
    return sent


def send(items: list[tuple[int, str]]) -> int:
    """Send hints for (id, kind) pairs; returns how many got through before the broker failed."""
    if not items:
        return 0
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from workers.celery_app import QUEUE_OF
    from workers.tasks import work

    sent = 0
    try:
        # One attempt: a worker must not wait for a broker that is away, the database has the item.
        with work.app.producer_pool.acquire(block=True, timeout=5.0) as producer:
            for item_id, kind in items:
                work.apply_async((item_id,), queue=QUEUE_OF[kind], producer=producer, retry=False)
                sent += 1
    except (OperationalError, RedisError, OSError):
        return sent
    return sent
