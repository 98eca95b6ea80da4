"""The documented drill against a real Postgres that asks for a password: backup, restore, `ls`."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import clean_environment, in_process
from sqlalchemy import create_engine, make_url, text

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context
from rewardsmith.engine.jobs import service
from rewardsmith.errors import StorageError
from rewardsmith.spec import JobSpec
from rewardsmith.storage.backup import back_up
from rewardsmith.storage.database import open_database, upgrade

SPEC = {"task": "CartPole-v1", "method": "free", "confirm": 0, "steps": 1000}
PASSWORD = "s3cr@t of:ada"
DRILL = re.search(
    r"### Backup and restore\n\n```sh\n(.*?)```", (Path(__file__).parents[2] / "docs/service.md").read_text(), re.DOTALL
)


@pytest.fixture
def password_url(postgres) -> Iterator[str]:
    """The URL of a database whose owner needs a password."""
    if shutil.which("pg_dump") is None or shutil.which("pg_restore") is None:
        pytest.skip("pg_dump is not installed: apt-get install postgresql-client")
    engine = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        rules = Path(connection.execute(text("SHOW hba_file")).scalar_one())
        before = rules.read_text()
        rules.write_text("host all keeper 127.0.0.1/32 scram-sha-256\n" + before)
        for statement in (
            "DROP DATABASE IF EXISTS rewards",
            "DROP DATABASE IF EXISTS rewards2",
            "DROP ROLE IF EXISTS keeper",
            f"CREATE ROLE keeper LOGIN CREATEDB PASSWORD '{PASSWORD}'",
            "CREATE DATABASE rewards OWNER keeper",
            "SELECT pg_reload_conf()",
        ):
            connection.execute(text(statement.replace(":", "\\:")))
    url = make_url(postgres).set(username="keeper", password=PASSWORD, database="rewards")
    yield url.render_as_string(hide_password=False)
    rules.write_text(before)
    with engine.connect() as connection:
        for statement in (
            "DROP DATABASE rewards WITH (FORCE)",
            "DROP DATABASE IF EXISTS rewards2 WITH (FORCE)",
            "DROP ROLE keeper",
        ):
            connection.execute(text(statement))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


def test_a_backup_is_restored_into_an_empty_database(password_url, tmp_path):
    engine = create_engine(password_url)
    upgrade(engine)
    engine.dispose()
    database = open_database(password_url)
    job = service.submit_job(Context(database, Settings(home=tmp_path)), JobSpec(**SPEC), owner="ada")
    database.dispose()
    assert DRILL is not None
    backup, create, restore, look = DRILL[1].strip().splitlines()
    address = make_url(password_url)
    own = {"PGHOST": address.host, "PGPORT": str(address.port), "PGUSER": "keeper", "PGPASSWORD": PASSWORD}
    words = backup.split("#")[0].split()
    ran = in_process(tmp_path, *words[1:], env={"REWARDSMITH_DATABASE_URL": password_url})
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "rewards.dump").stat().st_mode & 0o077 == 0
    for line in (create, restore):
        command = shlex.split(line.split("#")[0])
        done = subprocess.run(command, cwd=tmp_path, env={**clean_environment(), **own}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    restored = address.set(database="rewards2").render_as_string(hide_password=False)
    assert "rewards2 rewardsmith ls" in look
    listed = in_process(tmp_path, "ls", "--format", "json", env={"REWARDSMITH_DATABASE_URL": restored})
    assert [(row["job"], row["owner"]) for row in json.loads(listed.stdout)] == [(job, "ada")]
    _functions_are_nobodys_and_work(restored, tmp_path)


def _functions_are_nobodys_and_work(url: str, home: Path) -> None:
    database = open_database(url)
    with database.connect() as connection:
        everybodys = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'rewardsmith%' AND proacl IS NULL"
        assert connection.execute(text(everybodys)).scalar_one() == 0
    assert service.submit_job(Context(database, Settings(home=home)), JobSpec(**SPEC))
    database.dispose()


def test_a_wrong_password_leaves_no_file(password_url, tmp_path):
    wrong = make_url(password_url).set(password="wrong").render_as_string(hide_password=False)
    with pytest.raises(StorageError, match="password authentication failed"):
        back_up(wrong, tmp_path / "rewards.dump")
    assert os.listdir(tmp_path) == []  # noqa: PTH208
