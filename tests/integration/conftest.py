"""Postgres and Redis servers on free ports, started once per run and removed at its end."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from both_databases import url  # noqa: F401 - a fixture
from service import Postgres, Redis
from submitter_role import address, owner, submitter  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A running Postgres that a test may stop and start."""
    with tempfile.TemporaryDirectory(prefix="rewardsmith-postgres-") as folder, pytest.MonkeyPatch.context() as patch:
        server = Postgres(Path(folder))
        # pg_dump must not be older than the server.
        patch.setenv("PATH", str(server.binaries), prepend=os.pathsep)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def postgres(postgres_server) -> str:
    """The URL of its database."""
    return postgres_server.url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory) -> Iterator[Redis]:
    """A running Redis that a test may stop and start."""
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()
