"""A read-only connection to an SQLite file by the sqlite3 module, which loads much faster than SQLAlchemy."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rewardsmith.storage.query import Query

HEAD = "0010"
"""The newest migration; a test compares it with migrations/versions."""

BUSY_SECONDS = 30.0
"""How long a statement waits for another process before the database counts as locked."""

# By the declared types of the columns; the results equal those of the types in schema.py.
_CONVERTERS = {
    "JSON": json.loads,
    "BOOLEAN": lambda value: value != b"0",
    "DATETIME": lambda value: datetime.fromisoformat(value.decode()).replace(tzinfo=UTC),
}


class Reader:
    """An SQLite file of this version, opened for reading.

    Raises sqlite3.Error if it cannot be read, LookupError if it has another version.
    """

    def __init__(self, path: Path) -> None:
        for name, convert in _CONVERTERS.items():
            sqlite3.register_converter(name, convert)
        self._connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, detect_types=sqlite3.PARSE_DECLTYPES
        )
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA query_only=ON")
            (version,) = self._connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
            if version != HEAD:
                raise LookupError(version)
            self._connection.execute("BEGIN")  # one snapshot for all reads of a command
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def fetch(self, query: Query) -> list[dict[str, Any]]:
        """Return the rows of a query as dicts, equal to those of `selection.fetch_rows`. Raises sqlite3.Error."""
        conditions = [f"{name} = ?" for name in query.equal] + [f"{name} != ?" for name in query.unequal]
        values = [*query.equal.values(), *query.unequal.values()]
        if query.prefix is not None:
            conditions.append(f"substr({query.prefix[0]}, 1, ?) = ?")
            values += [len(query.prefix[1]), query.prefix[1]]
        statement = f"SELECT {', '.join(query.columns) or '*'} FROM {query.table}"
        if conditions:
            statement += f" WHERE {' AND '.join(conditions)}"
        if query.order:
            statement += " ORDER BY " + ", ".join(f"{c[1:]} DESC" if c.startswith("-") else c for c in query.order)
        if query.limit is not None:
            statement += f" LIMIT {int(query.limit)}"
        return [dict(row) for row in self._connection.execute(statement, values)]
