"""The registered workers and schedulers: one row each, renewed by heartbeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, delete, select

from rewardsmith.storage import records
from rewardsmith.storage.clock import present, read_clock
from rewardsmith.storage.events import add_event
from rewardsmith.storage.outage import patient
from rewardsmith.storage.schema import workers

STALE_SECONDS = 30.0
"""A worker without a heartbeat for this long counts as gone."""


@patient
def register(engine: Engine, name: str, **values: Any) -> None:
    """Register a worker. `values`: host, queues, slots, version, devices, sandbox_level, and capabilities."""
    with engine.begin() as connection:
        moment = read_clock(connection)
        records.put_worker(connection, name=name, started_at=moment, seen_at=moment, **values)
        connection.execute(delete(workers).where(workers.c.seen_at < present(engine, -100 * STALE_SECONDS)))
        add_event(connection, "worker up", owner=name, text=f"queues {values['queues']}")


@patient
def heartbeat(engine: Engine, name: str) -> None:
    """Record a heartbeat of a worker."""
    with engine.begin() as connection:
        connection.execute(workers.update().where(workers.c.name == name).values(seen_at=present(engine)))


@patient
def unregister(engine: Engine, name: str) -> None:
    """Remove the row of a worker that shuts down normally."""
    with engine.begin() as connection:
        connection.execute(delete(workers).where(workers.c.name == name))
        add_event(connection, "worker down", owner=name)


def read_workers(connection: Connection) -> list[Mapping[str, Any]]:
    """Return every worker's row, with `age`: seconds since its last heartbeat by the database's clock."""
    moment = read_clock(connection)
    rows = connection.execute(select(workers).order_by(workers.c.name)).mappings()
    return [{**row, "age": (moment - row["seen_at"]).total_seconds()} for row in rows]
