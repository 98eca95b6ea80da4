"""Sends notifications of queued items to the broker. A lost one does no harm: schedulers send it again."""

from __future__ import annotations

import logging

from rewardsmith.engine.context import Context
from rewardsmith.storage import notifications
from workers.queues import QUEUE_OF, QUEUES, WORK

log = logging.getLogger("rewardsmith.delivery")


def deliver(context: Context, job_id: str) -> int:
    """Send a notification for every queued item of a job that has had none; return the number sent."""
    return _send_or_keep(context, notifications.take_due(context.database, None, job_id))


def deliver_all(context: Context) -> int:
    """Send notifications for the queued items of all jobs; return the number sent.

    Items that have been queued for long are notified again, unless the queue still holds messages. Each message makes a
    worker look for the most urgent item, so further ones would only accumulate behind a long trial.
    """
    sent = 0
    for name, kinds in QUEUES.items():
        again = context.settings.notify_seconds if waiting(name) == 0 else None
        sent += _send_or_keep(context, notifications.take_due(context.database, again, kinds=kinds))
    return sent


def waiting(queue: str) -> int | None:
    """Return the number of messages in a queue, or None if the broker does not answer."""
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
        notifications.forget(context.database, [item for item, _ in due[sent:]])
        log.warning("the broker does not answer; %d notifications will be sent later", len(due) - sent)
    return sent


def send(items: list[tuple[int, str]]) -> int:
    """Send notifications for (id, kind) pairs; return the number sent before the broker failed."""
    if not items:
        return 0
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from workers.celery_app import app

    sent = 0
    try:
        # One attempt only: a worker must not wait for a broker that is away, because the database has the item.
        with app.producer_pool.acquire(block=True, timeout=5.0) as producer:
            for item_id, kind in items:
                to = QUEUE_OF[kind]
                app.send_task(WORK, (item_id,), queue=to, producer=producer, retry=False, ignore_result=True)
                sent += 1
    except (OperationalError, RedisError, OSError):
        return sent
    return sent
