"""The programs of the servers that tests start."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from servers import open_to_all, postgres_programs, redis_program
from service import Postgres, Redis


@pytest.mark.parametrize("place", ["wheels", "system"])
def test_each_source_has_all_programs_or_none(place, monkeypatch):
    monkeypatch.setenv("TEST_SERVERS", place)
    redis, postgres = redis_program(), postgres_programs()
    assert redis is None or os.access(redis, os.X_OK)
    assert postgres is None or all(os.access(postgres / name, os.X_OK) for name in ("initdb", "pg_ctl", "pg_dump"))


def test_programs_in_a_private_home_are_not_open_to_all(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/postgres").touch(0o755)
    tmp_path.chmod(0o700)
    assert not open_to_all(tmp_path / "bin")


def test_the_wheels_redis_serves_without_the_system_s(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_SERVERS", "wheels")
    redis = Redis(tmp_path)
    redis.start()
    redis.flush()
    redis.stop()


@pytest.mark.parametrize("home", ["open to all", "private"])
def test_the_wheels_postgres_serves_without_the_system_s(home, monkeypatch):
    monkeypatch.setenv("TEST_SERVERS", "wheels")
    if home == "private":
        monkeypatch.setattr("service.open_to_all", lambda programs: False)
    with tempfile.TemporaryDirectory(prefix="rewardsmith-postgres-") as folder:
        server = Postgres(Path(folder))
        assert server.binaries.is_relative_to(folder) == (home == "private" and os.geteuid() == 0)
        server.start()
        try:
            server.empty()
            asked = [server.binaries / "psql", server.url.replace("+psycopg", ""), "-Atc", "SHOW server_encoding"]
            ran = subprocess.run(asked, capture_output=True, text=True)
        finally:
            server.stop()
    assert ran.stdout == "UTF8\n", ran.stderr
