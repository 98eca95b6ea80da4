"""Work items: the queue is a table.

A write is *fenced* where it takes effect only while the item is leased to the caller, in the attempt that was claimed.
An owner whose item was taken away learns of it at its next fenced write. Functions that take an engine are one
transaction of their *own*, and most outlast a restart of the server (outage.py); functions that take a connection
belong to the *caller's*. Writers on SQLite come one after another (BEGIN IMMEDIATE). Postgres is at READ COMMITTED,
where an UPDATE locks the rows that it changes until its transaction ends.

| operation | transaction and isolation | who may call it | raises |
|---|---|---|---|
| `add` | caller's | who creates a job | IntegrityError: it exists |
| `insert`, `insert_or_get` | caller's; an item that exists stays | who advances a job; a trial that asks | |
| `claim` | own; skips rows locked by others, counts slots again under the job's lock | any worker | |
| `heartbeat` | own, fenced | the owner | LostItem |
| `hold` | caller's, fenced; locks the item until its end | the owner, before it writes other rows | LostItem |
| `finish`, `fail_for_task` | caller's, fenced | the owner | LostItem: roll back |
| `give_back`, `wait` | own, fenced; nothing is written if it is not the caller's | the owner | |
| `withdraw_questions` | caller's, after `hold` | a trial's owner, about its questions | |
| `release` | own; items of owners whose names begin alike | a process that stops, about its own | |
| `revive` | own; items that nobody owns | who gave the item back | |
| `reap` | own, one for each item; compares owner, attempt and lease again | any executor or scheduler | |
| `wake` | caller's; items that wait | who took a person's answer | |
| `cancel_open`, `reopen`, `release_trials` | caller's, not fenced | who steers the job | |
| `get` | own, reads | anybody | NoResultFound |
| `waiting` | caller's, reads | anybody | |
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ScalarSelect, and_, func, or_, select, update

from rewardsmith.errors import LostItem, TaskError
from rewardsmith.storage.clock import present
from rewardsmith.storage.database import read
from rewardsmith.storage.events import add_event
from rewardsmith.storage.outage import patient
from rewardsmith.storage.rows import OPEN, Item, ItemKey, item_of
from rewardsmith.storage.schema import jobs, now, work_items
from rewardsmith.storage.upsert import dialect_insert

KINDS = ("baseline", "design", "check", "recheck", "train", "analyse", "confirm", "ask")
TRAINING_KINDS = ("baseline", "train", "confirm")


def make_owner() -> str:
    """A name for this process that a later process on the same host can test for being alive."""
    return owners_of(os.getpid()) + _start_time(os.getpid())


def owners_of(pid: int) -> str:
    """What all names of a process of this host begin with."""
    return f"{socket.gethostname()}:{pid}:"


def owner_is_dead(owner: str) -> bool:
    """True only if `owner` was a process of this host that no longer runs."""
    host, pid, started, *_ = [*owner.split(":"), "", ""]
    if host != socket.gethostname() or not pid.isdigit() or not Path("/proc").exists():
        return False
    return _start_time(int(pid)) != started


def _start_time(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return "gone"


def new_item(key: ItemKey, payload: Mapping[str, Any] | None = None) -> Item:
    """A work item that is not written yet; the database gives it its number."""
    return Item(0, key, "queued", 0, None, dict(payload or {}), None, None)


def add(connection: Connection, items: Sequence[Item]) -> None:
    """Write items of `new_item` that do not exist yet, in their order."""
    # SQLAlchemy keeps the compiled form of a plain insert, and compiles one with ON CONFLICT anew each time.
    connection.execute(work_items.insert(), [_row(item) for item in items])


def insert(connection: Connection, key: ItemKey, payload: Mapping[str, Any] | None = None) -> None:
    """Add a work item unless it exists."""
    statement = dialect_insert(connection, work_items).values(_row(new_item(key, payload)))
    connection.execute(statement.on_conflict_do_nothing())


def _row(item: Item) -> dict[str, Any]:
    return {
        **vars(item.key),
        "state": item.state,
        "attempt": item.attempt,
        "payload": item.payload,
        "created_at": now(),
    }


def insert_or_get(connection: Connection, key: ItemKey, payload: Mapping[str, Any]) -> Item:
    """Add a work item unless it exists, and read it."""
    insert(connection, key, payload)
    same = and_(*(work_items.c[name] == value for name, value in key.__dict__.items()))
    return item_of(connection.execute(select(work_items).where(same)).mappings().one())


@patient
def claim(
    engine: Engine,
    owner: str,
    lease_seconds: float,
    job_id: str | None = None,
    kinds: Iterable[str] = KINDS,
    *,
    service: bool = False,
) -> Item | None:
    """Lease to `owner` the oldest queued item of the most urgent running job, or return None.

    One statement, safe among many processes. `service` looks at submitted jobs only.
    """
    choice = (
        select(work_items.c.id)
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(work_items.c.state == "queued", work_items.c.kind.in_(list(kinds)), jobs.c.state == "running")
        .where(or_(jobs.c.slots.is_(None), busy_slots() < jobs.c.slots))
    )
    if job_id is not None:
        choice = choice.where(work_items.c.job_id == job_id)
    if service:
        choice = choice.where(jobs.c.service)
    choice = choice.order_by(jobs.c.priority.desc(), work_items.c.id).limit(1)
    choice = choice.with_for_update(skip_locked=True, of=work_items)
    statement = (
        update(work_items)
        .where(work_items.c.id == choice.scalar_subquery())
        .values(
            state="leased",
            owner=owner,
            attempt=work_items.c.attempt + 1,
            lease_expires=present(engine, lease_seconds),
            started_at=present(engine),
        )
        .returning(work_items)
    )
    with engine.connect() as connection, connection.begin() as transaction:
        row = connection.execute(statement).mappings().first()
        if row is not None and _over_the_limit(connection, row["job_id"]):
            transaction.rollback()
            row = None
    return None if row is None else item_of(row)


def busy_slots() -> ScalarSelect[int]:
    """How many items of the enclosing query's job are leased."""
    leased = work_items.alias("leased")
    count = select(func.count()).select_from(leased).where(leased.c.job_id == jobs.c.id, leased.c.state == "leased")
    return count.correlate(jobs).scalar_subquery()


def _over_the_limit(connection: Connection, job_id: str) -> bool:
    """Whether a claim just made is one too many: two at once do not see each other's until here."""
    slots = connection.execute(select(jobs.c.slots).where(jobs.c.id == job_id)).scalar_one()
    if slots is None:
        return False
    connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update(key_share=True))
    return connection.execute(select(busy_slots()).where(jobs.c.id == job_id)).scalar_one() > slots


@patient
def heartbeat(engine: Engine, item: Item, lease_seconds: float) -> None:
    """Renew the lease. Raises LostItem when the item is no longer ours (cancelled, paused, reaped)."""
    statement = update(work_items).where(_ours(item)).values(lease_expires=present(engine, lease_seconds))
    with engine.begin() as connection:
        if connection.execute(statement).rowcount != 1:
            raise LostItem(f"Work item {item.id} is no longer ours.", "Another worker or a cancellation has it.")


def hold(connection: Connection, item: Item) -> None:
    """Make sure, until the transaction ends, that the item is ours. Raises LostItem.

    What is written beside the item (a trial's row, a point of its curve) is fenced by it: a host that slept
    through its lease must not write over what its successor does.
    """
    mine = select(work_items.c.id).where(_ours(item)).with_for_update()
    if connection.execute(mine).first() is None:
        raise LostItem(f"Work item {item.id} is no longer ours.", "Nothing was written.")


def finish(connection: Connection, item: Item, state: str, result: Any = None, error: str | None = None) -> None:
    """Write the outcome, fenced: raises LostItem, so that the transaction is rolled back, if not ours."""
    statement = (
        update(work_items)
        .where(_ours(item))
        .values(state=state, result=result, error=error, finished_at=now(), lease_expires=None)
    )
    if connection.execute(statement).rowcount != 1:
        raise LostItem(f"Work item {item.id} is no longer ours.", "Its result is dropped; nothing was written.")


def fail_for_task(connection: Connection, item: Item, error: TaskError) -> None:
    """The task's own code is at fault, which no other attempt mends. Raises LostItem."""
    finish(connection, item, "failed", {"task_fault": str(error)}, error.cause)


@patient
def give_back(engine: Engine, item: Item, error: str | None, max_attempts: int, *, count: bool = True) -> str:
    """Queue the item again after an infrastructure failure, or mark it `lost` at the cap; returns the state.

    With `count` false (an orderly interruption) the attempt is not counted.
    """
    state = "lost" if count and item.attempt >= max_attempts else "queued"
    attempt = item.attempt if count else item.attempt - 1
    with engine.begin() as connection:
        changed = connection.execute(
            update(work_items)
            .where(_ours(item))
            .values(state=state, attempt=attempt, owner=None, lease_expires=None, hinted_at=None, error=error)
        )
        if changed.rowcount and count:
            kind = "lost" if state == "lost" else "given back"
            add_event(connection, kind, job_id=item.key.job_id, item_id=item.id, owner=item.owner, text=error)
    return state


def wait(engine: Engine, item: Item, error: str, **about: str) -> None:
    """Set the item aside until a person has answered; `about` joins its payload."""
    values = {"state": "waiting", "attempt": item.attempt - 1, "owner": None, "lease_expires": None, "error": error}
    with engine.begin() as connection:
        connection.execute(update(work_items).where(_ours(item)).values(**values, payload={**item.payload, **about}))


def waiting(connection: Connection) -> list[Item]:
    """All items that wait for somebody, the oldest first."""
    query = select(work_items).where(work_items.c.state == "waiting").order_by(work_items.c.id)
    return [item_of(row) for row in connection.execute(query).mappings()]


def wake(connection: Connection, item_id: int) -> None:
    """Queue a waiting item."""
    waits = and_(work_items.c.id == item_id, work_items.c.state == "waiting")
    connection.execute(update(work_items).where(waits).values(state="queued", error=None))


@patient
def release(engine: Engine, job_id: str, owner: str) -> int:
    """Queue again, uncounted, what the owners of a job whose names begin with `owner` hold; returns how many.

    For a process that was told to stop and did not wait for its items to end.
    """
    held = and_(
        work_items.c.job_id == job_id,
        work_items.c.state == "leased",
        work_items.c.owner.startswith(owner, autoescape=True),
    )
    fresh = {"state": "queued", "attempt": work_items.c.attempt - 1, "owner": None, "lease_expires": None}
    with engine.begin() as connection:
        return connection.execute(update(work_items).where(held).values(**fresh, hinted_at=None)).rowcount


@patient
def revive(engine: Engine, item: Item) -> None:
    """Queue a given-back or lost item afresh."""
    unowned = and_(work_items.c.id == item.id, work_items.c.state.in_(("queued", "lost")))
    with engine.begin() as connection:
        fresh = {"state": "queued", "attempt": 0, "owner": None, "hinted_at": None}
        connection.execute(update(work_items).where(unowned).values(**fresh))


@patient
def reap(engine: Engine, max_attempts: int) -> int:
    """Queue again what expired or belonged to dead processes of this host; returns how many."""
    lapsed = work_items.c.lease_expires <= present(engine)
    columns = (work_items.c.id, work_items.c.job_id, work_items.c.owner, work_items.c.attempt)
    with read(engine) as connection:
        rows = connection.execute(select(*columns, lapsed.label("lapsed")).where(work_items.c.state == "leased")).all()
    count = 0
    for row in rows:
        dead = owner_is_dead(row.owner or "")
        if not (row.lapsed or dead):
            continue
        state = "lost" if row.attempt >= max_attempts else "queued"
        same = and_(
            work_items.c.id == row.id,
            work_items.c.state == "leased",
            work_items.c.attempt == row.attempt,
            or_(work_items.c.owner == row.owner, work_items.c.owner.is_(None)),
        )
        # The owner may have renewed its lease since it was read.
        same = same if dead else and_(same, work_items.c.lease_expires <= present(engine))
        with engine.begin() as connection:
            changed = connection.execute(
                update(work_items)
                .where(same)
                .values(state=state, owner=None, hinted_at=None, error="the worker was lost")
            )
            if changed.rowcount:
                text = "its process is gone" if dead else "its lease lapsed"
                add_event(connection, "reaped", job_id=row.job_id, item_id=row.id, owner=row.owner, text=text)
            count += changed.rowcount
    return count


@patient
def get(engine: Engine, item_id: int) -> Item:
    """Read one work item."""
    with read(engine) as connection:
        row = connection.execute(select(work_items).where(work_items.c.id == item_id)).mappings().one()
    return item_of(row)


def cancel_open(connection: Connection, job_id: str, candidate: str | None = None) -> None:
    """End every open item of a job (or of one candidate); whoever works on one notices at the next heartbeat."""
    mine = and_(work_items.c.job_id == job_id, work_items.c.state.in_(OPEN))
    connection.execute(
        update(work_items)
        .where(mine if candidate is None else and_(mine, work_items.c.candidate == candidate))
        .values(state="cancelled", finished_at=now(), owner=None)
    )


def reopen(connection: Connection, job_id: str, but: Sequence[str]) -> None:
    """Queue afresh a job's items that failed or were cancelled, but for those of the candidates `but`."""
    ended = and_(
        work_items.c.job_id == job_id, work_items.c.state.in_(("failed", "cancelled")), work_items.c.kind != "ask",
        work_items.c.candidate.not_in(list(but)),
    )  # fmt: skip
    fresh = {"state": "queued", "attempt": 0, "owner": None, "result": None, "error": None, "finished_at": None}
    connection.execute(update(work_items).where(ended).values(**fresh, hinted_at=None))


def withdraw_questions(connection: Connection, item: Item) -> None:
    """End what a trial has asked and nobody has answered."""
    key = item.key
    asked = and_(
        work_items.c.job_id == key.job_id, work_items.c.kind == "ask", work_items.c.candidate == key.candidate,
        work_items.c.seed == key.seed, work_items.c.state.in_(OPEN),
    )  # fmt: skip
    connection.execute(update(work_items).where(asked).values(state="cancelled", finished_at=now(), owner=None))


def release_trials(connection: Connection, job_id: str) -> None:
    """Queue a job's leased trials again, uncounted; whoever trains one ends it and its checkpoint stays."""
    training = and_(
        work_items.c.job_id == job_id, work_items.c.state == "leased", work_items.c.kind.in_(TRAINING_KINDS)
    )
    connection.execute(
        update(work_items)
        .where(training)
        .values(state="queued", attempt=work_items.c.attempt - 1, owner=None, lease_expires=None, hinted_at=None)
    )


def _ours(item: Item) -> Any:
    return and_(
        work_items.c.id == item.id,
        work_items.c.state == "leased",
        work_items.c.owner == item.owner,
        work_items.c.attempt == item.attempt,
    )
