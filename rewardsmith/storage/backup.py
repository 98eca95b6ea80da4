"""Copies of the database."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from sqlalchemy.engine import make_url

from rewardsmith.errors import StorageError


def back_up(url: str, out: Path) -> None:
    """Write a consistent copy of the database at `url` to `out`. Raises StorageError."""
    if out.exists():
        raise StorageError(f"{out} exists already.", "Name a new file.")
    out.parent.mkdir(parents=True, exist_ok=True)
    if url.startswith("sqlite"):
        _back_up_sqlite(Path(url.removeprefix("sqlite:///")), out)
    else:
        _back_up_postgres(url, out)


def _back_up_sqlite(path: Path, out: Path) -> None:
    if not path.exists():
        raise StorageError(f"There is no database at {path}.", "Go to the folder where you ran rewardsmith.")
    source, target = sqlite3.connect(path), sqlite3.connect(out)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()


def _back_up_postgres(url: str, out: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise StorageError("pg_dump is not installed.", "Install PostgreSQL's client programs (postgresql-client).")
    address = make_url(url)
    # Through the environment: a password on a command line is visible to every user of the machine.
    environment = {**os.environ, "PGPASSWORD": address.password or ""}
    plain = address.set(drivername="postgresql", password=None).render_as_string()
    command = [program, "--format=custom", f"--file={out}", plain]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ran.returncode != 0:
        reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StorageError(f"pg_dump failed: {reason}", "Its version must not be older than the server's.")
