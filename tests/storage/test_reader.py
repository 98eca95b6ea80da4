"""The read-only connection without SQLAlchemy returns the same rows as SQLAlchemy."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rewardsmith.config import Settings
from rewardsmith.errors import StorageError
from rewardsmith.place import find_place
from rewardsmith.storage import reads, schema, views
from rewardsmith.storage.database import open_database, read
from rewardsmith.storage.reader import Reader
from rewardsmith.storage.reads import open_reader


def path_of(small_job) -> Path:
    return small_job.folder / ".rewardsmith" / "rewardsmith.db"


@pytest.mark.parametrize("table", [*schema.metadata.tables, *views.NAMES])
def test_every_table_reads_the_same_through_both(table, small_job):
    with read(open_database(f"sqlite:///{path_of(small_job)}")) as connection, Reader(path_of(small_job)) as reader:
        through_both = [reads.fetch(c, table) for c in (connection, reader)]
    if table in schema.metadata.tables:  # a view's columns have no declared types
        assert through_both[0] == through_both[1]
    assert len(through_both[0]) == len(through_both[1])
    assert through_both[1] or table in ("comments", "workers", "events", "v_costs"), "nothing was compared"


def test_order_prefix_limit_and_conditions_mean_the_same(small_job):
    with read(open_database(f"sqlite:///{path_of(small_job)}")) as connection, Reader(path_of(small_job)) as reader:
        (job,) = reads.fetch(reader, "jobs", columns=["id"])
        asked = [
            {"order": ["-steps", "id"], "limit": 3},
            {"order": ["candidate_id", "purpose", "-seed"], "job_id": job["id"]},
            {
                "columns": ["id", "seed"],
                "order": ["id"],
                "prefix": ("candidate_id", job["id"][:4]),
                "purpose": "confirm",
            },
            {"order": ["id"], "prefix": ("candidate_id", "%")},
            {"order": ["id"], "purpose": None},
        ]
        for query in asked:
            assert reads.fetch(connection, "trials", **query) == reads.fetch(reader, "trials", **query)
        assert len(reads.fetch(reader, "trials", **asked[0])) == 3
        assert not reads.fetch(reader, "trials", **asked[3])
        items = [reads.items_of(c, job["id"]) for c in (connection, reader)]
        assert items[0] == items[1] and {i.key.kind for i in items[0]} > {"design", "train"}


def test_a_reader_cannot_write(small_job):
    with Reader(path_of(small_job)) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM jobs")


@pytest.mark.parametrize("content", [None, b"this is no database" * 200], ids=["absent", "damaged"])
def test_an_unreadable_database_is_reported_with_a_remedy(content, tmp_path):
    path = tmp_path / "rewardsmith.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError) as caught, open_reader(f"sqlite:///{path}"):
        pass
    assert caught.value.remedy


@pytest.mark.parametrize("source", ["default", "environment", "file", "both"])
def test_the_reader_opens_the_database_of_the_settings(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("REWARDSMITH_HOME", "REWARDSMITH_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    if source in ("file", "both"):
        Path(".env").write_text("REWARDSMITH_HOME=from-file\nREWARDSMITH_DATABASE_URL='sqlite:///of-file.db'\n")
    if source in ("environment", "both"):
        monkeypatch.setenv("REWARDSMITH_HOME", "from-environment")
    found, settings = find_place(), Settings()
    assert (found.url, found.artifacts) == (settings.url, settings.artifacts)
    assert ("from" in str(found.artifacts)) == (source != "default")
