"""Jobs submitted by plain SQL: values that the database refuses, and rows that a worker refuses."""

from __future__ import annotations

import contextlib
import json

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from submitter_role import SPEC, any_program, any_spec, call_submit, one, rows, write

from rewardsmith.agents import registry
from rewardsmith.config import Settings
from rewardsmith.engine.context import Context
from rewardsmith.engine.items.dispatch import run_item
from rewardsmith.engine.jobs import service
from rewardsmith.engine.served import NotServed
from rewardsmith.errors import StorageError
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records


def _nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "asked",
    [
        {"spec": []},
        {"spec": "null"},
        {"spec": any_spec(options={"free": {"x": "y" * 70_000}})},
        {"spec": any_spec(options={"free": {"x": _nested(10)}})},
        {"spec": json.dumps(any_spec()).replace('"steps": 1000', '"steps": ' + "9" * 5000)},
        {"spec": json.dumps(any_spec()).replace('"steps": 1000', '"steps": 1e400')},
        {"spec": any_spec(samples=10_000)},
        {"spec": any_spec(samples="many")},
        {"spec": any_spec(seed=99_999_999)},
        {"spec": any_spec(seed=-1)},
        {"spec": any_spec(task="")},
        {"spec": any_spec(task="x" * 201)},
        {"spec": any_spec(name="\0")},
        {"program": any_program(source="x" * 200_001)},
        {"program": any_program(source=7)},
        {"program": any_program(hash="../../../etc")},
        {"program": any_program(channels=_nested(10))},
        {"program": any_program(functions={})},
        {"owner": "x" * 81},
        {"owner": "\x1b]0;title\x07"},
        {"priority": 2**31},
        {"slots": 0},
    ],
    ids=lambda asked: str(asked)[:60],
)
def test_harmful_values_are_not_stored(owner, submitter, asked):
    with pytest.raises(DBAPIError):
        call_submit(submitter, **asked)
    assert rows(owner.database, "SELECT id FROM jobs") == []


HOSTILE = [
    ({"api_base": "http://evil.example"}, "keys"),
    ({"model": "huggingface/https://evil.example/"}, "not a plain name"),
    ({"critic_model": "oobabooga/http://evil.example"}, "not a plain name"),
    ({"fallback_models": ["openai/x//evil.example"]}, "not a plain name"),
    ({"designer_model": "manual"}, "files"),
    ({**dict.fromkeys(("designer_model", "critic_model", "analyzer_model"), "synth"), "model": "listed:/x"}, "files"),
    ({"record": "/tmp/written"}, "file"),
    ({"replay": "/etc/passwd"}, "file"),
    ({"task": "/tmp/evil.yaml"}, "is not installed"),
    ({"task": "os:CartPole-v1"}, "is not installed"),
    ({"unheard_of": 1}, "cannot be read"),
    ({"samples": 3, "iterations": "many"}, "cannot be read"),
    ({"method": "of-another-version"}, "no method"),
    ({"method": "ulps", "task": "MiniGrid-Unlock-v0", "options": {"ulps": {"language_model": "/srv/x"}}}, "file"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "note"), HOSTILE, ids=lambda value: str(value)[:60])
def test_a_worker_refuses_rows_that_bypass_the_client(owner, submitter, monkeypatch, changes, note):
    """The SQL function accepts any spec, but no worker opens a model, file or task for it."""
    job = call_submit(submitter, spec=any_spec(**changes))
    opened = []
    monkeypatch.setattr("rewardsmith.engine.models.open.open_model", lambda *a: opened.append(a))
    monkeypatch.setattr("rewardsmith.engine.items.design.get_task", lambda *a: opened.append(a))
    worker = Context(owner.database, owner.settings, served=True, launch=lambda *a: opened.append(a))
    for kind in ("design", "baseline"):
        write(owner.database, "UPDATE jobs SET state = 'running', note = NULL")
        item = queue.claim(owner.database, "me", 60, kinds=[kind], service=True)
        run_item(worker, item.id, "me")
        assert one(owner.database, "SELECT state FROM jobs") == "paused"
        assert note in one(owner.database, "SELECT note FROM jobs")
    assert opened == []
    assert one(owner.database, "SELECT id FROM jobs") == job


def test_one_unreadable_job_does_not_keep_the_scheduler_from_others(owner, submitter):
    from workers.scheduler import Scheduler

    bad = call_submit(submitter, spec=any_spec(iterations="many"))
    good = service.submit_job(submitter, JobSpec(**SPEC))
    write(owner.database, "UPDATE work_items SET state = 'cancelled'")
    scheduler = Scheduler(owner)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr("workers.scheduler.deliver_all", lambda context: 0)
        scheduler.round()
    states = dict(rows(owner.database, "SELECT id, state FROM jobs"))
    assert states == {bad: "paused", good: states[good]} and states[good] != "paused"
    assert "cannot be read" in one(owner.database, "SELECT note FROM jobs WHERE id = :bad", bad=bad)


def after_each_read(monkeypatch, engine: Engine, statement: str, **values: object) -> None:
    """Change the job's row with the owner's rights immediately after each read."""
    true_read = records.get_job

    def reading(connection, wanted):
        row = true_read(connection, wanted)
        with contextlib.suppress(OperationalError), engine.begin() as other:
            other.execute(text("SET LOCAL lock_timeout = '100ms'"))  # the reader itself may hold the row
            other.execute(text(statement), values)
        return row

    monkeypatch.setattr(records, "get_job", reading)


@pytest.fixture
def opened_addresses(monkeypatch) -> list[str | None]:
    """The API addresses of opened models; synth answers in their place."""
    opened: list[str | None] = []

    def open_model(name, reach):
        opened.append(reach.api_base)
        return registry.open_model("synth")

    monkeypatch.setattr("rewardsmith.engine.models.open.open_model", open_model)
    return opened


def test_a_job_that_turns_local_during_the_check_gets_no_key(owner, submitter, monkeypatch, opened_addresses):
    service.submit_job(submitter, JobSpec(**SPEC))
    spec = json.dumps(any_spec(model="openai/gpt-4o", api_base="http://evil.example"))
    write(owner.database, "UPDATE jobs SET spec = CAST(:spec AS json)", spec=spec)
    item = queue.claim(owner.database, "me", 60, kinds=["design"], service=True)
    after_each_read(monkeypatch, owner.database, "UPDATE jobs SET service = NOT service")
    for local in (True, False):
        write(owner.database, "UPDATE jobs SET service = :service", service=not local)
        run_item(Context(owner.database, owner.settings, served=True), item.id, "me")
        assert "keys" in one(owner.database, "SELECT note FROM jobs")
        write(owner.database, "UPDATE jobs SET state = 'running', note = NULL")
        write(owner.database, "UPDATE work_items SET state = 'leased', owner = 'me' WHERE id = :id", id=item.id)
    assert opened_addresses == []


def test_a_spec_changed_during_the_check_is_not_used(owner, submitter, monkeypatch, opened_addresses):
    service.submit_job(submitter, JobSpec(**{**SPEC, "model": "openai/gpt-4o", "samples": 1}))
    item = queue.claim(owner.database, "me", 60, kinds=["design"], service=True)
    spec = json.dumps(any_spec(task="/tmp/evil.yaml", model="openai/gpt-4o", api_base="http://evil.example"))
    after_each_read(monkeypatch, owner.database, "UPDATE jobs SET spec = CAST(:spec AS json)", spec=spec)
    run_item(Context(owner.database, owner.settings, served=True), item.id, "me")
    assert opened_addresses == [None]


def test_a_trials_process_checks_the_job_that_it_reads_itself(owner, submitter):
    from rewardsmith.engine.items.train import train_item

    service.submit_job(submitter, JobSpec(**SPEC))
    item = queue.claim(owner.database, "me", 60, kinds=["baseline"], service=True)
    spec = json.dumps(any_spec(task="/tmp/evil.yaml"))
    write(owner.database, "UPDATE jobs SET service = false, spec = CAST(:spec AS json)", spec=spec)
    with pytest.raises(NotServed, match="is not installed"):
        train_item(Context(owner.database, owner.settings, served=True), item)


@pytest.mark.parametrize("name", ["../../../tmp/x", "job/../../x", "", ".hidden", "a" * 80])
def test_an_id_in_a_row_cannot_name_another_folder(tmp_path, name):
    context = Context(create_engine("sqlite://"), Settings(home=tmp_path))
    with pytest.raises(StorageError, match="rewardsmith did not create"):
        context.job_folder(name)
    with pytest.raises(StorageError, match="rewardsmith did not create"):
        context.trial_folder(name, "search", 0)
