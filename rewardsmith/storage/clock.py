"""The database's clock. Leases are measured by it, so that hosts with different clocks agree on which have expired."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, literal, select, type_coerce

from rewardsmith.storage.schema import Utc, now


def present(bind: Engine | Connection, later: float = 0.0) -> ColumnElement[Any]:
    """Return the time `later` seconds from now (before now if negative) as an SQL expression.

    SQLite serves one host, so this process's clock is used there.
    """
    if bind.dialect.name == "postgresql":
        # clock_timestamp, not now(): now() is the start of the transaction, which may have waited for a lock.
        moment = func.timezone("UTC", func.clock_timestamp())
        return type_coerce(moment + func.make_interval(0, 0, 0, 0, 0, 0, later), Utc())
    return literal(now() + timedelta(seconds=later), Utc())


def read_clock(connection: Connection) -> datetime:
    """Return the current time by the database's clock."""
    return connection.execute(select(present(connection))).scalar_one()
