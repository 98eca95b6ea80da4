"""A Postgres of our own on a free port, for tests that need one; made once, removed after."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def _binaries() -> Path | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb")
    return places[-1].parent if places else Path(found).parent if found else None


def _as_postgres() -> dict:
    """initdb refuses to run as root; the package has made a user for it."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory) -> Iterator[str]:
    """The URL of an empty database."""
    binaries = _binaries()
    assert binaries is not None, "install postgresql (apt-get install postgresql) to run the integration tests"
    folder = tmp_path_factory.mktemp("postgres")
    identity = _as_postgres()
    if identity:
        for place in (folder, *list(folder.parents)[:2]):
            place.chmod(0o755)
        os.chown(folder, identity["user"], identity["group"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": folder, **identity}
    cluster = folder / "cluster"
    subprocess.run([binaries / "initdb", "-D", cluster, "-A", "trust", "-U", "postgres", "-N"], **options)
    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [binaries / "pg_ctl", "-D", cluster, "-w", "-o", settings]
    subprocess.run([*control, "start"], **options)
    yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    subprocess.run([binaries / "pg_ctl", "-D", cluster, "-m", "immediate", "stop"], **options)
