"""INSERT ... ON CONFLICT, which SQLAlchemy offers for each dialect separately."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table


def dialect_insert(connection: Connection, table: Table) -> Any:
    """Return the dialect's insert into `table`, with on_conflict_do_nothing and on_conflict_do_update.

    The dialects are imported here, because Postgres's alone takes 80 ms, which reading commands do not need.
    """
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    return insert(table)
