"""The log of events: submissions, pauses, lost workers, ends. It informs users; no decision depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from rewardsmith.storage.schema import events, now


def add_event(
    connection: Connection,
    kind: str,
    *,
    job_id: str | None = None,
    item_id: int | None = None,
    owner: str | None = None,
    text: str | None = None,
) -> None:
    """Write one event with the current time."""
    row = {"at": now(), "kind": kind, "job_id": job_id, "item_id": item_id, "owner": owner, "text": text}
    connection.execute(insert(events), [row])


def latest_events(connection: Connection, count: int, job_id: str | None = None) -> list[Mapping[str, Any]]:
    """Return the newest `count` events, of one job or of all, newest first."""
    query = select(events).order_by(events.c.id.desc()).limit(count)
    if job_id is not None:
        query = query.where(events.c.job_id == job_id)
    return [dict(row) for row in connection.execute(query).mappings()]
