"""Watchers read a job only when something was committed, and miss no commit."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.search.standing import read_standing
from rewardsmith.reporting.overview import read_overview
from rewardsmith.reporting.watching import WatchedJob
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.changes import Changes
from rewardsmith.storage.database import read

SPEC = JobSpec(task="MiniGrid-Empty-5x5-v0", confirm=0, steps=5000)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return open_context(Settings(home=tmp_path))


def statements(engine: Engine) -> list[str]:
    """Statements executed from now on."""
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement))
    return seen


def test_every_commit_of_any_connection_is_seen_and_nothing_else(context):
    changes = Changes(context.database)
    assert changes.seen() and not changes.seen()
    job = lifecycle.create_job(context, SPEC)
    assert changes.seen() and not changes.seen()
    with read(context.database) as connection:
        records.get_job(connection, job)
    assert not changes.seen()
    lifecycle.add_active_seconds(context, job, 1.0)
    assert changes.seen() and not changes.seen()


def test_after_an_error_everything_counts_as_changed(context):
    changes = Changes(context.database)
    changes.seen()
    assert changes._file is not None
    changes._file.close()
    assert changes.seen() and changes.seen() and not changes.seen()


def test_a_job_s_standing_changes_with_its_items_not_with_time(context):
    job = lifecycle.create_job(context, SPEC)
    before = read_standing(context.database, job)
    assert before.queued == {"baseline"}
    lifecycle.add_active_seconds(context, job, 2.5)
    after = read_standing(context.database, job)
    assert after == before and after.active_seconds == 2.5
    queue.claim(context.database, "me", 60, job)
    claimed = read_standing(context.database, job)
    assert claimed != before and claimed.queued == set()
    lifecycle.pause_job(context, job, lifecycle.INTERRUPTED)
    paused = read_standing(context.database, job)
    assert paused != claimed and paused.note == lifecycle.INTERRUPTED


def test_watched_job_reads_only_after_changes(context):
    job = lifecycle.create_job(context, SPEC)
    watched = WatchedJob(context.database, job)

    def fresh():
        with read(context.database) as connection:
            return read_overview(connection, job)

    assert watched.read() == fresh()
    asked = statements(context.database)
    watched.read()
    assert asked == []
    lifecycle.add_active_seconds(context, job, 2.0)
    item = queue.claim(context.database, "me", 60, job)
    assert watched.read() == fresh()
    lifecycle.add_active_seconds(context, job, 2.0)
    assert watched.read() == fresh() and watched.read().job.active_seconds == 4.0
    assert item is not None
    context.write(lambda c: records.put_trial(c, job, item.key.candidate, "search", 0, state="running", steps=100))
    assert watched.read() == fresh()
    lifecycle.pause_job(context, job, "Enough.")
    assert watched.read() == fresh()


def test_a_process_releases_its_own_items_uncounted(context):
    job = lifecycle.create_job(context, SPEC)
    item = queue.claim(context.database, f"{queue.owners_of(1)}7:0", 60, job)
    assert item is not None and item.attempt == 1
    assert queue.release(context.database, job, queue.owners_of(11)) == 0
    assert queue.release(context.database, job, queue.owners_of(1)) == 1
    again = queue.get(context.database, item.id)
    assert (again.state, again.attempt, again.owner) == ("queued", 0, None)
