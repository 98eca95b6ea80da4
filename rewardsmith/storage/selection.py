"""Executes a `Query` by SQLAlchemy."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, column, select, table, text

from rewardsmith.storage.query import Query
from rewardsmith.storage.schema import metadata


def select_rows(query: Query) -> Select[Any]:
    """Return the SELECT of a query. Values of tables have the types of schema.py, those of views the driver's."""
    known = metadata.tables.get(query.table)
    source: Any = known if known is not None else table(query.table)  # a view

    def get(name: str) -> Any:
        return known.c[name] if known is not None else column(name)

    chosen = [get(c) for c in query.columns] or ([source] if known is not None else [text("*")])
    wanted = [get(c) == value for c, value in query.equal.items()]
    wanted += [get(c) != value for c, value in query.unequal.items()]
    if query.prefix is not None:
        wanted.append(get(query.prefix[0]).startswith(query.prefix[1], autoescape=True))
    selected = select(*chosen).select_from(source).where(*wanted)
    selected = selected.order_by(*(get(c[1:]).desc() if c.startswith("-") else get(c) for c in query.order))
    return selected.limit(query.limit)


def fetch_rows(connection: Connection, query: Query) -> list[dict[str, Any]]:
    """Return the rows of a query as dicts."""
    return [dict(row) for row in connection.execute(select_rows(query)).mappings()]
