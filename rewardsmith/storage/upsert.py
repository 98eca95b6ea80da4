"""INSERT ... ON CONFLICT, which both databases have and SQLAlchemy spells per dialect."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table


def dialect_insert(connection: Connection, table: Table) -> Any:
    """The dialect's insert into `table`, with on_conflict_do_nothing and on_conflict_do_update.

    Imported at use: Postgres's dialect alone takes 80 ms, which commands that only read would pay.
    """
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    return insert(table)
