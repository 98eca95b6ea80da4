"""A connection for commands that only read: the driver itself on SQLite, SQLAlchemy elsewhere and for what is amiss."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import StorageError

if TYPE_CHECKING:
    from rewardsmith.storage.rows import Readable

HEAD = "0007"
"""The newest migration; a test holds it to migrations/versions."""

BUSY_SECONDS = 30.0
"""How long a statement waits for another process's before it is reported as locked."""

# By the types that the tables declare; what schema.py's types make of the same values.
_CONVERTERS = {
    "JSON": json.loads,
    "BOOLEAN": lambda value: value != b"0",
    "DATETIME": lambda value: datetime.fromisoformat(value.decode()).replace(tzinfo=UTC),
}


class Reader:
    """An SQLite file of this version, opened for reading. Raises sqlite3.Error, or LookupError for another version."""

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
            self._connection.execute("BEGIN")  # one snapshot for all that a command reads
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def fetch(
        self,
        table: str,
        columns: Sequence[str],
        order: Sequence[str],
        prefix: tuple[str, str] | None,
        limit: int | None,
        equal: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """What `rows.fetch` says; names of tables and columns are the program's, never a user's."""
        conditions, values = [f"{name} = ?" for name in equal], [*equal.values()]
        if prefix is not None:
            conditions.append(f"substr({prefix[0]}, 1, ?) = ?")
            values += [len(prefix[1]), prefix[1]]
        query = f"SELECT {', '.join(columns) or '*'} FROM {table}"
        if conditions:
            query += f" WHERE {' AND '.join(conditions)}"
        if order:
            query += " ORDER BY " + ", ".join(f"{c[1:]} DESC" if c.startswith("-") else c for c in order)
        if limit is not None:
            query += f" LIMIT {int(limit)}"
        return [dict(row) for row in self._connection.execute(query, values)]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"The database cannot be read: {error}.", "See who else uses it: `rewardsmith ls`, `rewardsmith doctor`."
        ) from error


@contextmanager
def open_reader(url: str) -> Iterator[Readable]:
    """A connection to a database that must exist. Raises StorageError with the remedy."""
    if url.startswith("sqlite:///"):
        try:
            reader = Reader(Path(url.removeprefix("sqlite:///")))
        except (sqlite3.Error, LookupError):
            pass  # absent, damaged, locked or of another version: said, or mended, below
        else:
            with reader, _explained():
                yield reader
            return
    from rewardsmith.storage.database import open_database, read

    with read(open_database(url, must_exist=True)) as connection:
        yield connection
