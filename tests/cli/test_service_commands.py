"""The commands of the service, on a database file without workers."""

from __future__ import annotations

import json
import os
import sqlite3
import time

import pytest
from running import in_process

SPEC = "task: CartPole-v1\nmethod: free\nconfirm: 0\nsteps: 1000\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("service")
    (made / "spec.yaml").write_text(SPEC)
    return made


@pytest.fixture(scope="module")
def job(folder) -> str:
    ran = in_process(folder, "submit", "spec.yaml", "--set", "samples=2", "--owner", "ada", "--priority", "3")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def listed(folder, *options: str) -> list[dict]:
    return json.loads(in_process(folder, "ls", "--format", "json", *options).stdout)


def test_submit_prints_an_id_and_ls_finds_it_by_its_owner(folder, job):
    assert [row["job"] for row in listed(folder, "--owner", "ada")] == [job]
    assert listed(folder, "--owner", "bob") == []
    assert listed(folder)[0]["priority"] == 3


def test_pause_priority_and_resume_change_the_job(folder, job):
    assert in_process(folder, "pause", job).returncode == 0
    assert listed(folder)[0]["state"] == "paused"
    assert in_process(folder, "priority", job, "7").returncode == 0
    resumed = in_process(folder, "resume", job)
    assert resumed.returncode == 0 and f"rewardsmith watch {job}" in resumed.stderr
    assert (listed(folder)[0]["state"], listed(folder)[0]["priority"]) == ("running", 7)


def test_a_wrong_key_names_the_nearest(folder):
    ran = in_process(folder, "submit", "spec.yaml", "--set", "sampels=2")
    assert ran.returncode == 2 and "did you mean `samples`" in ran.stderr


def test_the_schema_is_printed(folder):
    schema = json.loads(in_process(folder, "schema").stdout)
    assert schema["properties"]["samples"]["maximum"] == 64


def test_top_shows_waiting_items(folder, job):
    rows = json.loads(in_process(folder, "top", "--format", "json").stdout)
    assert {row["kind"] for row in rows if row["queued"]} >= {"baseline", "design"}
    assert "submitted" in in_process(folder, "top").stdout


def test_doctor_names_a_remedy_and_prints_no_key(folder, job):
    environment = {"REWARDSMITH_BROKER_URL": "redis://127.0.0.1:1/0", "OPENAI_API_KEY": "sk-planted-1"}
    ran = in_process(folder, "doctor", "--format", "json", env=environment)
    found = {row["about"]: row for row in json.loads(ran.stdout)}
    assert set(found) == {"database", "broker", "workers", "GPU", "sandbox", "keys", "artifacts", "disk"}
    assert found["database"]["verdict"] == "ok"
    assert found["broker"]["verdict"] == "warn" and "Start Redis" in found["broker"]["remedy"]
    assert "rewardsmith worker" in found["workers"]["remedy"]
    assert "OPENAI_API_KEY" in found["keys"]["text"] and "sk-planted-1" not in ran.stdout + ran.stderr


def test_a_backup_is_a_working_database(folder, job):
    assert in_process(folder, "db", "backup", "copy.db").returncode == 0
    with sqlite3.connect(folder / "copy.db") as copy:
        assert copy.execute("SELECT id FROM jobs").fetchall() == [(job,)]
    again = in_process(folder, "db", "backup", "copy.db")
    assert again.returncode == 1 and "exists already" in again.stderr


def test_gc_shows_what_it_would_remove(folder, job):
    orphan = folder / ".rewardsmith" / "artifacts" / "nojob1" / "x" / "policy.safetensors"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"0" * 10)
    young = orphan.with_name("young.safetensors")
    young.write_bytes(b"1")
    os.utime(orphan, (time.time() - 7200,) * 2)
    listed_files = in_process(folder, "db", "gc", "--dry-run")
    assert str(orphan) in listed_files.stdout and orphan.exists()
    assert str(young) not in listed_files.stdout
    assert in_process(folder, "db", "gc").returncode == 0
    assert not orphan.exists() and young.exists()
