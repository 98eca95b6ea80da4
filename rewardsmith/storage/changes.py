"""Detects commits of other processes by one read that touches no table.

SQLite counts the commits of other connections (`PRAGMA data_version`). Postgres lists the visible transactions in a
snapshot, so equal snapshots see the same rows.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from rewardsmith.storage.reader import BUSY_SECONDS


class Changes:
    """Detects changes of a database for one watcher, on a separate connection; used by one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file: sqlite3.Connection | None = None
        self._server: Connection | None = None
        self._version: object = None

    def seen(self) -> bool:
        """Return whether something may have been committed since the last call; True first and after an error."""
        try:
            version = self._read()
        except (sqlite3.Error, DBAPIError):
            self.close()
            return True
        changed = self._version is None or version != self._version
        self._version = version
        return changed

    def _read(self) -> object:
        if self._engine.dialect.name == "sqlite":
            if self._file is None:
                path = Path(str(self._engine.url.database))
                address = f"{path.resolve().as_uri()}?mode=rw"
                self._file = sqlite3.connect(
                    address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
            return self._file.execute("PRAGMA data_version").fetchone()[0]
        if self._server is None:
            self._server = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._server.exec_driver_sql("SELECT CAST(pg_current_snapshot() AS text)").scalar()

    def close(self) -> None:
        """Close the connection; the next `seen` opens another and returns True."""
        self._version = None
        if self._file is not None:
            self._file.close()
        if self._server is not None:
            self._server.invalidate()
            self._server.close()
        self._file = self._server = None
