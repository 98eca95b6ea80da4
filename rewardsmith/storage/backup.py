"""Backups of the database, by SQLite's backup or pg_dump."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url

from rewardsmith.errors import StorageError


def back_up(url: str, out: Path) -> None:
    """Write a consistent copy of the database at `url` to `out`, readable by its owner only.

    `out` is complete or absent. Raises StorageError if `out` exists or the backup fails.
    """
    if out.exists():
        raise StorageError(f"{out} exists already.", "Pass the name of a new file.")
    with _whole(out) as partial:
        if url.startswith("sqlite"):
            _back_up_sqlite(Path(url.removeprefix("sqlite:///")), partial)
        else:
            _back_up_postgres(url, partial)


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Yield a temporary file beside `out`, which is renamed to `out` on success and removed on failure."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".partial")
    os.close(handle)
    try:
        yield Path(name)
        Path(name).rename(out)
    finally:
        Path(name).unlink(missing_ok=True)


def _back_up_sqlite(path: Path, out: Path) -> None:
    if not path.exists():
        raise StorageError(
            f"There is no database at {path}.",
            "Run this in the folder of your jobs, or pass --home before the command.",
        )
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(out)) as target:
        source.backup(target)


def _back_up_postgres(url: str, out: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise StorageError("pg_dump is not installed.", "Install PostgreSQL's client programs (postgresql-client).")
    place, password = _without_password(make_url(url))
    # A password on a command line would be visible to every user of the machine.
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    command = [program, "--format=custom", "--no-password", f"--file={out}", f"--dbname={place}"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ran.returncode != 0:
        lines = ran.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if "error:" in line), lines[-1])
        remedy = (
            "Check that the server runs, that REWARDSMITH_DATABASE_URL is right, and that its role owns the tables."
        )
        if "version mismatch" in ran.stderr:
            remedy = "Install a pg_dump that is not older than the server."
        raise StorageError(f"pg_dump failed: {reason.removeprefix('pg_dump: ').removeprefix('error: ')}", remedy)


def _without_password(address: URL) -> tuple[str, str]:
    """Return a URL for PostgreSQL's programs without its password, and the password."""
    query: dict[str, Any] = dict(address.query)
    hidden = query.pop("password", "")
    password = address.password or (hidden if isinstance(hidden, str) else hidden[-1])
    place = URL.create(
        "postgresql", address.username, None, address.host, address.port, address.database, query
    ).render_as_string(hide_password=False)
    return place, str(password)
