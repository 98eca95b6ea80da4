"""An unforeseen error ends its work item only; the executor continues."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items import dispatch
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.errors import StorageError, UsageError
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.queue import Item, ItemKey
from workers.local import LocalExecutor

SPEC: dict[str, Any] = {
    "task": "CartPole-v1", "method": "free", "confirm": 0, "samples": 2, "iterations": 1, "repairs": 0,
    "steps": 1000, "rungs": (1.0,), "verification": False, "training": {"eval_episodes": 10, "final_episodes": 10},
}  # fmt: skip

UNFORESEEN = {
    "a defect of CPython's": SystemError("AST constructor recursion depth mismatch (before=18, after=11)"),
    "memory": MemoryError(),
    "recursion": RecursionError("maximum recursion depth exceeded"),
    "text that no database takes": ValueError("\0 and \ud800"),
}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return open_context(Settings(home=tmp_path, max_attempts=2))


def fail_items(monkeypatch: pytest.MonkeyPatch, kind: str, error: BaseException, sample: int | None = 0) -> list[int]:
    """Make the items of one sample (None: all) raise `error`; returns a list that collects their attempts."""
    handler, attempts = dispatch._HANDLERS[kind], []

    def broken(context: Context, item: Item) -> None:
        if sample is None or item.key.sample == sample:
            attempts.append(item.attempt)
            raise error
        handler(context, item)

    monkeypatch.setitem(dispatch._HANDLERS, kind, broken)
    return attempts


def claimed(context: Context) -> Item:
    job = lifecycle.create_job(context, JobSpec.model_validate(SPEC))
    with context.database.begin() as connection:
        connection.execute(text("DELETE FROM work_items"))
        records.put_iteration(connection, job, 1, state="running")
        queue.insert(connection, ItemKey(job, "design", 1, sample=0), {"move": "new", "parents": []})
    item = queue.claim(context.database, queue.make_owner(), 60)
    assert item is not None
    return item


@pytest.mark.parametrize("name", UNFORESEEN)
def test_unforeseen_error_is_recorded_and_the_item_lost_at_the_cap(
    context: Context, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    error = UNFORESEEN[name]
    attempts = fail_items(monkeypatch, "design", error, None)
    item = claimed(context)
    dispatch.run_item(context, item.id, str(item.owner))
    left = queue.get(context.database, item.id)
    assert left.state == "queued"
    assert type(error).__name__ in str(left.error)
    again = queue.claim(context.database, queue.make_owner(), 60, kinds=("design",))
    assert again is not None
    dispatch.run_item(context, again.id, str(again.owner))
    assert queue.get(context.database, item.id).state == "lost"
    assert attempts == [1, 2]
    with context.database.connect() as connection:
        messages = connection.execute(text("SELECT text FROM events WHERE kind = 'lost'")).scalars().all()
    assert len(messages) == 1 and type(error).__name__ in messages[0]


def test_an_error_that_the_user_can_fix_pauses_the_job(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_items(monkeypatch, "design", UsageError("The task is gone.", "Put it back."), None)
    item = claimed(context)
    dispatch.run_item(context, item.id, str(item.owner))
    with context.database.connect() as connection:
        job = records.get_job(connection, item.key.job_id)
    assert (job.state, job.note) == ("paused", "The task is gone.\nPut it back.")
    assert queue.get(context.database, item.id).state == "queued"


def test_a_database_error_is_raised_in_the_executor(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_items(monkeypatch, "design", StorageError("The database cannot be used.", "Check it."), None)
    item = claimed(context)
    with pytest.raises(StorageError):
        dispatch.run_item(context, item.id, str(item.owner))


def test_a_library_that_exits_ends_its_item_only(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_items(monkeypatch, "design", SystemExit(3), None)
    item = claimed(context)
    with ThreadPoolExecutor(1) as slot:
        slot.submit(dispatch.run_item, context, item.id, str(item.owner)).result()
    assert queue.get(context.database, item.id).error == "SystemExit: 3"


def test_the_executor_continues_with_the_other_items(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = fail_items(monkeypatch, "design", UNFORESEEN["a defect of CPython's"])
    job_id = lifecycle.create_job(context, JobSpec.model_validate(SPEC))
    LocalExecutor(context, job_id, 2, None).run()
    with context.database.connect() as connection:
        job = records.get_job(connection, job_id)
        made = [c for c in records.candidates_of(connection, job_id) if c.kind == "designed"]
        lost = [item for item in records.items_of(connection, job_id) if item.state == "lost"]
    assert job.state == "done"
    assert attempts == [1, 2]
    assert [(item.key.kind, item.key.sample) for item in lost] == [("design", 0)]
    assert [(c.sample, c.score is not None) for c in made] == [(1, True)]
    assert "Traceback" in caplog.text  # in the executor's log, for debugging
