"""The folder of the database, with prompts, answers, programs and logs, is readable by its user only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from running import in_process, rewardsmith

from rewardsmith.config import Settings, keep_private, prepare_home, settings
from rewardsmith.engine.context import open_context
from rewardsmith.executor import Executor

OPEN = 0o755


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def _usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_command_makes_the_folder_private(tmp_path):
    assert rewardsmith(tmp_path, "db", "upgrade").returncode == 0
    assert mode(tmp_path / ".rewardsmith") == 0o700


def test_open_home_of_an_earlier_version_is_tightened(tmp_path):
    home = tmp_path / ".rewardsmith"
    open_context(Settings(home=home)).database.dispose()
    for given in (0o755, 0o777, 0o750, 0o705):
        home.chmod(given)
        open_context(Settings(home=home)).database.dispose()
        assert mode(home) == 0o700


def test_an_executor_on_another_database_makes_a_private_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    context = open_context(Settings(home=tmp_path / "home", database_url=f"sqlite:///{tmp_path}/elsewhere/r.db"))
    Executor(context, "nojob", 1).end()
    assert mode(tmp_path / "home") == 0o700 and (tmp_path / "home" / "artifacts" / "nojob" / "logs").is_dir()


def test_a_folder_with_nothing_else_in_it_is_made_private(tmp_path):
    home = tmp_path / "work"
    open_context(Settings(home=home)).database.dispose()
    home.chmod(OPEN)
    (home / "artifacts").mkdir(exist_ok=True)
    keep_private(home)
    assert mode(home) == 0o700


@pytest.mark.parametrize("why", ["thesis.tex", "set-group-id", "sticky"])
def test_a_folder_that_is_shared_or_holds_other_work_is_left_to_its_user(tmp_path, why):
    home = tmp_path / "work"
    prepare_home(home)
    given = OPEN | {"set-group-id": 0o2000, "sticky": 0o1000}.get(why, 0)
    if "." in why:
        (home / why).touch()
    home.chmod(given)
    keep_private(home)
    assert home.stat().st_mode & 0o7777 == given


def test_doctor_reports_who_can_read_the_folder(tmp_path):
    assert in_process(tmp_path, "db", "upgrade").returncode == 0

    def disk() -> dict[str, str]:
        found = json.loads(in_process(tmp_path, "doctor", "--format", "json").stdout)
        return next(row for row in found if row["about"] == "disk")

    assert ".rewardsmith is private to its user" in disk()["text"] and not disk()["remedy"]
    (tmp_path / ".rewardsmith").chmod(0o2755)
    row_of_disk = disk()
    assert row_of_disk["verdict"] == "warn" and "other users can read" in row_of_disk["text"]
    assert row_of_disk["remedy"] == f"chmod 700 {tmp_path}/.rewardsmith"
    settings.cache_clear()
