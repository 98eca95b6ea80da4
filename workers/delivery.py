"""Telling the broker which items wait. Nothing depends on it arriving: schedulers send what stays queued again."""

from __future__ import annotations

import logging

from rewardsmith.engine.context import Context
from rewardsmith.storage import hints
from workers.queues import QUEUE_OF, QUEUES, WORK

log = logging.getLogger("rewardsmith.delivery")


def deliver(context: Context, job_id: str) -> int:
    """Send a hint for every item of a job that has had none; returns how many were sent."""
    return _send_or_keep(context, hints.take_due(context.database, None, job_id))


def deliver_all(context: Context) -> int:
    """Send hints for every job's items, again for those queued for long; returns how many were sent.

    A queue that still holds messages gets no second ones: each of them will make a worker look for the most
    urgent item, and behind a long training they would pile up without end.
    """
    sent = 0
    for name, kinds in QUEUES.items():
        again = context.settings.hint_seconds if waiting(name) == 0 else None
        sent += _send_or_keep(context, hints.take_due(context.database, again, kinds=kinds))
    return sent


def waiting(queue: str) -> int | None:
    """How many messages a queue holds, or None if the broker does not answer."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from workers.celery_app import app

    try:
        with app.pool.acquire(block=True, timeout=5.0) as connection:
            return connection.default_channel.client.llen(queue)
    except (OperationalError, RedisError, OSError):
        return None


def _send_or_keep(context: Context, due: list[tuple[int, str]]) -> int:
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

    from workers.celery_app import app

    sent = 0
    try:
        # One attempt: a worker must not wait for a broker that is away, the database has the item.
        with app.producer_pool.acquire(block=True, timeout=5.0) as producer:
            for item_id, kind in items:
                to = QUEUE_OF[kind]
                app.send_task(WORK, (item_id,), queue=to, producer=producer, retry=False, ignore_result=True)
                sent += 1
    except (OperationalError, RedisError, OSError):
        return sent
    return sent
