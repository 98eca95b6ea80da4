"""One schema on SQLite and Postgres: migrations, claims by many processes, versions."""

from __future__ import annotations

import multiprocessing
import sqlite3

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from rewardsmith.config import Settings
from rewardsmith.engine import jobs
from rewardsmith.engine.context import Context
from rewardsmith.errors import StorageError
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue
from rewardsmith.storage.database import HEAD, migrations_folder, open_database, reported, upgrade
from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.schema import VIEWS, metadata


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/rewardsmith.db"
    address = request.getfixturevalue("postgres")
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    with pytest.raises(StorageError, match="db upgrade"):
        open_database(address)
    upgrade(engine)
    return address


def config_for(connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.attributes["connection"] = connection
    return config


def test_the_migrations_make_what_the_models_say(url):
    engine = open_database(url)
    with engine.begin() as connection:
        command.check(config_for(connection))
        found = set(inspect(connection).get_table_names())
        assert set(metadata.tables) <= found
        for view in VIEWS:
            connection.execute(text(f"SELECT * FROM {view}")).all()


def test_head_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_newer_database_is_refused_with_the_remedy(url):
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer than this program") as caught:
        open_database(url)
    assert "pip install --upgrade" in caught.value.remedy


def _claim_all(url: str, out) -> None:
    engine = open_database(url)
    mine = []
    while (item := queue.claim(engine, queue.make_owner(), 60)) is not None:
        mine.append(item.id)
    out.put(mine)


def test_four_processes_claim_every_item_once(url):
    engine = open_database(url)
    context = Context(engine, Settings())
    job_id = jobs.create_job(context, JobSpec(task="CartPole-v1", confirm=0))
    with engine.begin() as connection:
        for sample in range(199):
            queue.insert(connection, ItemKey(job_id, "design", 1, sample=sample))
            queue.insert(connection, ItemKey(job_id, "design", 1, sample=sample))
    context_of = multiprocessing.get_context("spawn")
    answers = context_of.Queue()
    workers = [context_of.Process(target=_claim_all, args=(url, answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    claimed = [item for _ in workers for item in answers.get(timeout=60)]
    for worker in workers:
        worker.join()
    assert len(claimed) == len(set(claimed)) == 200


def test_a_file_that_is_no_database_is_named_with_a_remedy(tmp_path):
    path = tmp_path / "rewardsmith.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StorageError, match="cannot be used"):
        open_database(f"sqlite:///{path}")


def test_a_locked_database_is_reported_not_waited_for_ever(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/rewardsmith.db"
    open_database(url).dispose()
    blocker = sqlite3.connect(tmp_path / "rewardsmith.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("rewardsmith.storage.database.BUSY_SECONDS", 0.3)
    engine = open_database(url, migrate=False)
    with pytest.raises(StorageError, match="locked"), reported(), engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET state = state"))
