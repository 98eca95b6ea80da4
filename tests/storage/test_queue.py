"""The queue's contract on SQLite, operation by operation; tests/integration has claims by many processes."""

from __future__ import annotations

import inspect
from typing import get_args

import pytest
from sqlalchemy.exc import IntegrityError

from rewardsmith.agents.models import Outcome
from rewardsmith.errors import LostItem
from rewardsmith.storage import ledger, queue, records
from rewardsmith.storage.database import open_database
from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.rows import Scheduling

GONE = "elsewhere:1:1"  # a process of another host, whose lease alone shows whether it is alive


@pytest.fixture
def engine(tmp_path):
    return open_database(f"sqlite:///{tmp_path}/rewardsmith.db")


def add_job(engine, samples: int = 0, **scheduling) -> str:
    """A running job with `samples` design items."""
    with engine.begin() as connection:
        spec = {"task": "t", "method": "free"}
        job = records.add_job(connection, spec, "f", Scheduling(**scheduling), oracle_informed=False)
        for k in range(samples):
            queue.insert(connection, ItemKey(job.id, "design", 1, sample=k))
    return job.id


def state(engine, item) -> tuple[str, int]:
    found = queue.get(engine, item.id)
    return found.state, found.attempt


def test_the_contract_lists_every_public_operation():
    public = [n for n, f in inspect.getmembers(queue, inspect.isfunction) if f.__module__ == queue.__name__]
    names = {"make_owner", "owners_of", "owner_is_dead", "new_item", "busy_slots"}  # do not use the database
    missing = [n for n in public if not n.startswith("_") and n not in names and f"`{n}`" not in str(queue.__doc__)]
    assert not missing


def test_a_job_is_scheduled_as_it_was_asked_for(engine):
    name = add_job(engine, owner="ada", service=True, priority=3, slots=2)
    with engine.connect() as connection:
        job = records.get_job(connection, name)
    assert (job.owner, job.service, job.priority, job.slots) == ("ada", True, 3, 2)


def test_the_most_urgent_job_is_claimed_first_then_the_oldest_item(engine):
    first, urgent = add_job(engine, 2), add_job(engine, 1, priority=1)
    claimed = [queue.claim(engine, GONE, 60) for _ in range(4)]
    assert [(c.key.job_id, c.key.sample) for c in claimed if c] == [(urgent, 0), (first, 0), (first, 1)]
    assert claimed[3] is None


def test_a_claim_keeps_to_job_kinds_service_and_slots(engine):
    local, submitted = add_job(engine, 2, slots=1), add_job(engine, 1, service=True)
    assert queue.claim(engine, GONE, 60, kinds=("train",)) is None
    served = queue.claim(engine, GONE, 60, service=True)
    assert served is not None and served.key.job_id == submitted
    assert queue.claim(engine, GONE, 60, local) is not None
    assert queue.claim(engine, GONE, 60, local) is None, "one of its items at once"


def test_an_item_that_exists_stays_as_it_is(engine):
    key = ItemKey(add_job(engine, 1), "design", 1, sample=0)
    with engine.begin() as connection:
        queue.insert(connection, key, {"new": 1})
        assert queue.insert_or_get(connection, key, {"new": 1}).payload == {}
        assert len(records.items_of(connection, key.job_id)) == 1
    with pytest.raises(IntegrityError), engine.begin() as connection:
        queue.add(connection, [queue.new_item(key)])


def test_questions_of_trials_are_not_among_a_job_s_items(engine):
    job = add_job(engine, 1)
    with engine.begin() as connection:
        queue.insert(connection, ItemKey(job, "ask", candidate="c", seed=1))
        assert [i.key.kind for i in records.items_of(connection, job)] == ["design"]


def test_a_former_owner_writes_nothing(engine):
    add_job(engine, 1)
    former = queue.claim(engine, GONE, -1.0)
    assert former is not None and queue.requeue_expired(engine, 3) == 1
    again = queue.claim(engine, GONE, 60)
    assert again is not None and again.attempt == 2
    with pytest.raises(LostItem):
        queue.heartbeat(engine, former, 60)
    for write in (queue.hold, lambda c, i: queue.finish(c, i, "done")):
        with pytest.raises(LostItem), engine.begin() as connection:
            write(connection, former)
    queue.give_back(engine, former, "late", 3)
    queue.wait(engine, former, "late")
    assert state(engine, again) == ("leased", 2)
    queue.heartbeat(engine, again, 60)
    with engine.begin() as connection:
        queue.hold(connection, again)
        queue.finish(connection, again, "done", {"x": 1})
    assert state(engine, again) == ("done", 2)


def test_attempts_are_counted_up_to_the_cap_and_an_interruption_is_not(engine):
    add_job(engine, 1)

    def claimed():
        found = queue.claim(engine, GONE, 60)
        assert found is not None
        return found

    queue.give_back(engine, item := claimed(), None, 2, count=False)
    assert state(engine, item) == ("queued", 0)
    queue.give_back(engine, claimed(), "no", 2)
    assert queue.give_back(engine, claimed(), "no", 2) == "lost"
    assert state(engine, item) == ("lost", 2)
    queue.revive(engine, item)
    assert state(engine, item) == ("queued", 0)


def test_expired_lease_is_requeued_and_lost_at_the_cap(engine):
    add_job(engine, 1)
    item = queue.claim(engine, GONE, 60)
    assert item is not None and queue.requeue_expired(engine, 1) == 0
    queue.heartbeat(engine, item, -1.0)
    assert queue.requeue_expired(engine, 1) == 1
    assert state(engine, item)[0] == "lost"


def test_a_process_that_stops_releases_its_own_items_uncounted(engine):
    job = add_job(engine, 2)
    mine, other = queue.claim(engine, "here:7:1", 60), queue.claim(engine, "here:70:1", 60)
    assert queue.release(engine, job, "here:7:") == 1
    assert state(engine, mine) == ("queued", 0) and state(engine, other) == ("leased", 1)


def test_waiting_and_cancelled_items_are_queued_again(engine):
    job = add_job(engine, 1)
    item = queue.claim(engine, GONE, 60)
    assert item is not None
    queue.wait(engine, item, "asks", question="q.md")
    with engine.begin() as connection:
        assert [w.payload for w in queue.waiting(connection)] == [{"question": "q.md"}]
        queue.wake(connection, item.id)
        queue.insert(connection, ItemKey(job, "train", 1, "vetoed"))
        queue.cancel_open(connection, job)
    assert queue.claim(engine, GONE, 60) is None
    with engine.begin() as connection:
        queue.reopen(connection, job, but=["vetoed"])
        assert [i.state for i in records.items_of(connection, job)] == ["queued", "cancelled"]


def test_the_ledger_knows_every_outcome_of_an_answer():
    assert set(ledger.ANSWERED) == set(get_args(Outcome))
