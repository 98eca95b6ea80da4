"""Backups: whole or absent, private, and without a password in the process list."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rewardsmith.errors import StorageError
from rewardsmith.storage.backup import back_up

SPY = """#!/bin/sh
echo "$@" > {folder}/arguments
env > {folder}/environment
for word; do case "$word" in --file=*) echo content > "${{word#--file=}}";; esac; done
exit {code}
"""
FAILING = "echo 'pg_dump: error: connection to server failed: fe_sendauth: no password supplied' >&2"


@pytest.fixture
def recording_pg_dump(tmp_path, monkeypatch):
    """A pg_dump that records its arguments and environment."""

    def plant(code: int = 0, talk: str = "") -> None:
        program = tmp_path / "bin" / "pg_dump"
        program.parent.mkdir(exist_ok=True)
        program.write_text(SPY.format(folder=tmp_path, code=code).replace("exit", f"{talk}\nexit"))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    monkeypatch.delenv("PGPASSWORD", raising=False)
    plant()
    return plant


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql+psycopg://ada:s3cr%40t@db.example:6543/rewards", "postgresql://ada@db.example:6543/rewards"),
        ("postgresql+psycopg://ada@db.example/rewards?password=s3cr%40t", "postgresql://ada@db.example/rewards"),
        (
            "postgresql://ada:s3cr%40t@/rewards?host=/run/postgres&sslmode=require",
            "postgresql://ada@/rewards?host=%2Frun%2Fpostgres&sslmode=require",
        ),
    ],
)
def test_the_password_is_passed_in_the_environment(recording_pg_dump, tmp_path, url, place):
    back_up(url, tmp_path / "out" / "copy.dump")
    recorded = (tmp_path / "arguments").read_text()
    assert f"--dbname={place}\n" in recorded and "s3cr" not in recorded and "*" not in recorded
    assert "PGPASSWORD=s3cr@t\n" in (tmp_path / "environment").read_text()
    assert (tmp_path / "out" / "copy.dump").read_text() == "content\n"


def test_without_a_password_the_user_s_passfile_is_used(recording_pg_dump, tmp_path):
    back_up("postgresql+psycopg://ada@db.example/rewards", tmp_path / "copy.dump")
    assert "PGPASSWORD" not in (tmp_path / "environment").read_text()


def test_a_failed_backup_leaves_no_file_and_can_be_repeated(recording_pg_dump, tmp_path):
    out = tmp_path / "out" / "copy.dump"
    recording_pg_dump(code=1, talk=FAILING)
    with pytest.raises(StorageError, match="no password supplied"):
        back_up("postgresql://ada@db.example/rewards", out)
    assert list(out.parent.iterdir()) == []
    recording_pg_dump()
    back_up("postgresql://ada@db.example/rewards", out)
    assert [path.name for path in out.parent.iterdir()] == ["copy.dump"]


def test_a_backup_is_readable_by_its_owner_only(recording_pg_dump, tmp_path):
    sqlite3.connect(tmp_path / "from.db").execute("CREATE TABLE t (x)").connection.close()
    for url, name in ((f"sqlite:///{tmp_path}/from.db", "a"), ("postgresql://ada@db.example/rewards", "b")):
        back_up(url, tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_no_backup_is_made_without_a_database(tmp_path):
    with pytest.raises(StorageError, match="There is no database"):
        back_up(f"sqlite:///{tmp_path}/none.db", tmp_path / "copy.db")
    assert list(Path(tmp_path).iterdir()) == []


def test_an_existing_file_is_kept(recording_pg_dump, tmp_path):
    (tmp_path / "copy.dump").write_text("of yesterday")
    with pytest.raises(StorageError, match="exists already"):
        back_up("postgresql://ada@db.example/rewards", tmp_path / "copy.dump")
    assert (tmp_path / "copy.dump").read_text() == "of yesterday"
