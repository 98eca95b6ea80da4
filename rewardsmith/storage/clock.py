"""The database's clock. Leases are measured by it, so that hosts whose clocks differ agree on what has lapsed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, literal, select, type_coerce

from rewardsmith.storage.schema import Utc, now


def present(bind: Engine | Connection, later: float = 0.0) -> ColumnElement[Any]:
    """The moment `later` seconds from now (before now, if negative), as SQL.

    SQLite serves one host, whose clock is the only one there is.
    """
    if bind.dialect.name == "postgresql":
        # clock_timestamp, not now(): the latter is when the transaction began, which may have waited for a lock.
        moment = func.timezone("UTC", func.clock_timestamp())
        return type_coerce(moment + func.make_interval(0, 0, 0, 0, 0, 0, later), Utc())
    return literal(now() + timedelta(seconds=later), Utc())


def read_clock(connection: Connection) -> datetime:
    """The present moment by the database's clock."""
    return connection.execute(select(present(connection))).scalar_one()
