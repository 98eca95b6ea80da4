"""The Celery application. Its messages are notifications: the database decides which worker does which item."""

from __future__ import annotations

import os

from celery import Celery, signals

from rewardsmith.config import Settings, settings
from workers import logs, presence, slot

TIME_LIMIT_MARGIN = 120.0
"""Seconds by which Celery's time limit exceeds ours. It is a second line of defence: only prefork pools enforce it."""


def make_app(chosen: Settings) -> Celery:
    """Create the Celery application for the broker in the settings."""
    app = Celery("rewardsmith", broker=chosen.broker_url, include=["workers.tasks"])
    app.conf.update(
        # The lease detects a task that is lost or run twice. Late acknowledgement would gain nothing, and would
        # deliver a task that kills its process again and again.
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        task_ignore_result=True,
        result_backend=None,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue="control",
        task_create_missing_queues=True,
        task_publish_retry=False,
        task_time_limit=chosen.trial_seconds + TIME_LIMIT_MARGIN,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_timeout=2.0,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"socket_connect_timeout": 2.0, "socket_keepalive": True},
        enable_utc=True,
    )
    return app


app = make_app(settings())


@signals.setup_logging.connect
def _log_as_json(**_: object) -> None:
    logs.set_up()


@signals.worker_init.connect
def _worker_begins(**_: object) -> None:
    presence.begin()


@signals.worker_shutting_down.connect
def _worker_stops(**_: object) -> None:
    presence.stop()


@signals.worker_process_init.connect
def _child_begins(**_: object) -> None:
    presence.begin_child()
    if os.environ.get("REWARDSMITH_QUEUE") == "train" and not settings().devices:
        slot.warm_parent()  # so that it is ready before the first trial
