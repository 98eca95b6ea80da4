"""One schema on SQLite and Postgres: migrations, claims by many processes, versions."""

from __future__ import annotations

import re
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from both_databases import config_for
from running import fork_server
from sqlalchemy import create_engine, inspect, make_url, select, text
from sqlalchemy.exc import ProgrammingError

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context
from rewardsmith.engine.jobs import lifecycle, service
from rewardsmith.errors import StorageError
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records, schema, views
from rewardsmith.storage.database import HEAD, migrations_folder, open_database, reported, upgrade
from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.rows import Scheduling
from rewardsmith.storage.schema import metadata

DOCUMENT = Path(__file__).parents[2] / "docs" / "service.md"


def test_the_migrations_create_the_tables_of_the_models(url):
    engine = open_database(url)
    with engine.begin() as connection:
        command.check(config_for(connection))
        found = set(inspect(connection).get_table_names())
        assert set(metadata.tables) <= found
        for view in views.NAMES:
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
    job_id = lifecycle.create_job(context, JobSpec(task="CartPole-v1", confirm=0))
    with engine.begin() as connection:
        for sample in range(199):
            queue.insert(connection, ItemKey(job_id, "design", 1, sample=sample))
            queue.insert(connection, ItemKey(job_id, "design", 1, sample=sample))
    context_of = fork_server()
    answers = context_of.Queue()
    workers = [context_of.Process(target=_claim_all, args=(url, answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    claimed = [item for _ in workers for item in answers.get(timeout=60)]
    for worker in workers:
        worker.join()
    assert len(claimed) == len(set(claimed)) == 200


def test_a_file_that_is_not_a_database_is_named_with_a_remedy(tmp_path):
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


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_the_documented_role_submits_and_steers_but_writes_no_result(url):
    statements = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
    with create_engine(url).begin() as connection:
        for statement in statements.strip().rstrip(";").split(";"):
            connection.execute(text(statement))
    database = open_database(make_url(url).set(username="submitter").render_as_string())
    context = Context(database, Settings())
    job_id = service.submit_job(context, JobSpec(task="CartPole-v1", confirm=0), owner="ada")
    service.halt_job(context, job_id)
    service.resume_service_job(context, job_id)
    service.set_priority(context, job_id, 3)
    lifecycle.cancel_job(context, job_id)
    with pytest.raises(ProgrammingError, match="permission denied"), database.begin() as connection:
        records.put_trial(connection, job_id, f"{job_id}-sparse", "search", 0, state="done")
    database.dispose()


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][1:]


@pytest.mark.parametrize("revision", revisions())
def test_every_earlier_revision_is_upgraded_with_its_rows(url, revision):
    engine = create_engine(url)
    if not url.startswith("sqlite"):
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    with engine.begin() as connection:
        command.upgrade(config_for(connection), revision)
        connection.execute(
            text(
                "INSERT INTO jobs (id, task, method, fingerprint, spec, state, oracle_informed, created_at, "
                "active_seconds) VALUES ('old123', 't', 'm', 'f', '{\"training\": {\"gamma\": 0.9}}', "
                "'done', false, '2026-01-01 00:00:00', 1.5)"
            )
        )
        connection.execute(text("INSERT INTO iterations (job_id, number, state) VALUES ('old123', 1, 'done')"))
    if not url.startswith("sqlite"):
        upgrade(engine)
    # SQLite migrates by itself, on a connection that enforces references.
    with open_database(url).begin() as connection:
        command.check(config_for(connection))
        kept = connection.execute(text("SELECT id, active_seconds, priority, owner FROM jobs")).all()
        training = connection.execute(select(schema.jobs.c.spec)).scalar_one()["training"]
    assert kept == [("old123", 1.5, 0, "")]
    began = {"gamma": 0.9} | ({"entropy_schedule": "constant"} if revision < "0006" else {})
    assert training == began, "a job goes on as it began"


# SQLite serves one host only, so one clock.
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_client_whose_clock_is_wrong_neither_loses_nor_takes_a_lease(url, monkeypatch):
    engine = open_database(url)
    lifecycle.create_job(Context(engine, Settings()), JobSpec(task="CartPole-v1", confirm=0))
    fast = schema.now() + timedelta(hours=1)
    for module in ("schema", "clock", "queue", "records", "events"):
        monkeypatch.setattr(f"rewardsmith.storage.{module}.now", lambda: fast, raising=False)
    item = queue.claim(engine, "elsewhere:1:1", 5)
    assert queue.requeue_expired(engine, 3) == 0, "a live lease was requeued"
    monkeypatch.undo()
    slow = schema.now() - timedelta(hours=1)
    for module in ("schema", "clock", "queue", "records", "events"):
        monkeypatch.setattr(f"rewardsmith.storage.{module}.now", lambda: slow, raising=False)
    queue.heartbeat(engine, item, -1.0)
    assert queue.requeue_expired(engine, 3) == 1, "a lapsed lease was kept"


def _claim_some(url: str, out) -> None:
    engine = open_database(url)
    found = [queue.claim(engine, f"{queue.make_owner()}:{k}", 60) for k in range(8)]
    out.put(sum(item is not None for item in found))


def test_a_limit_of_slots_holds_among_processes(url):
    engine = open_database(url)
    job_id = lifecycle.create_job(
        Context(engine, Settings()), JobSpec(task="CartPole-v1", confirm=0), scheduling=Scheduling(slots=3)
    )
    with engine.begin() as connection:
        for sample in range(40):
            queue.insert(connection, ItemKey(job_id, "design", 1, sample=sample))
    context_of = fork_server()
    answers = context_of.Queue()
    workers = [context_of.Process(target=_claim_some, args=(url, answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    claimed = sum(answers.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert 1 <= claimed <= 3
    assert claimed == 3 or not url.startswith("sqlite")
