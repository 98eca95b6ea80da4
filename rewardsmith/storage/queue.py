"""The queue of work items, which is a table.

A *fenced* write takes effect only while the item is leased to the caller in the attempt that it claimed. An owner that
lost its item learns so at its next fenced write.

Functions that take an engine run one *own* transaction; most are retried while the server restarts (outage.py).
Functions that take a connection run in the *caller's* transaction. On SQLite writers run one after another (BEGIN
IMMEDIATE). Postgres uses READ COMMITTED, where an UPDATE locks the changed rows until its transaction ends.

| operation | transaction and isolation | who may call it | raises |
|---|---|---|---|
| `add` | caller's | the creator of a job | IntegrityError if the item exists |
| `insert`, `insert_or_get` | caller's; keeps an existing item | code that advances a job; a trial with a question | |
| `claim` | own; skips locked rows, counts slots again under the job's lock | any worker | |
| `heartbeat` | own, fenced | the owner | LostItem |
| `hold` | caller's, fenced; locks the item until the end | the owner, before it writes other rows | LostItem |
| `finish`, `fail_for_task` | caller's, fenced | the owner | LostItem: roll back |
| `give_back`, `wait` | own, fenced; no effect if the item is lost | the owner | |
| `withdraw_questions` | caller's, after `hold` | the owner of a trial | |
| `release` | own; items of owners with a common prefix | a process that stops, for its own items | |
| `revive` | own; items without an owner | the process that gave it back | |
| `requeue_expired` | own, one for each item; compares owner, attempt and lease again | any executor or scheduler | |
| `wake` | caller's; waiting items | code that stores a user's answer | |
| `cancel_open`, `reopen`, `release_trials` | caller's, not fenced | code that steers the job | |
| `get` | own, reads only | any process | NoResultFound |
| `waiting` | caller's, reads only | any process | |
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
    """Return an owner name of this process, by which processes on the same host can test whether it runs."""
    return owners_of(os.getpid()) + _start_time(os.getpid())


def owners_of(pid: int) -> str:
    """Return the common prefix of all owner names of a process of this host."""
    return f"{socket.gethostname()}:{pid}:"


def owner_is_dead(owner: str) -> bool:
    """Return True only if `owner` was a process of this host that no longer runs."""
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
    """Return a work item that is not written yet; the database assigns its id."""
    return Item(0, key, "queued", 0, None, dict(payload or {}), None, None)


def add(connection: Connection, items: Sequence[Item]) -> None:
    """Insert new items, in their order. Raises IntegrityError if one exists."""
    # SQLAlchemy caches the compiled form of a plain insert, but compiles one with ON CONFLICT each time.
    connection.execute(work_items.insert(), [_row(item) for item in items])


def insert(connection: Connection, key: ItemKey, payload: Mapping[str, Any] | None = None) -> None:
    """Insert a work item unless it exists."""
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
    """Insert a work item unless it exists, and return it."""
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
    without: Sequence[str] = (),
) -> Item | None:
    """Lease the oldest queued item of the running job with the highest priority.

    Any number of processes may call it at the same time.

    Args:
        engine: The database.
        owner: The claimant, see `make_owner`.
        lease_seconds: Duration of the lease.
        job_id: Consider only this job.
        kinds: Consider only these kinds of items.
        service: Consider only submitted jobs.
        without: Jobs that are not considered, because this machine cannot process them.

    Returns:
        The leased item, or None if none can be claimed.
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
    if without:
        choice = choice.where(jobs.c.id.not_in(list(without)))
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
    """Return the number of leased items of the enclosing query's job, as SQL."""
    leased = work_items.alias("leased")
    count = select(func.count()).select_from(leased).where(leased.c.job_id == jobs.c.id, leased.c.state == "leased")
    return count.correlate(jobs).scalar_subquery()


def _over_the_limit(connection: Connection, job_id: str) -> bool:
    """Return whether this claim exceeds the job's slots; concurrent claims see each other only from here on."""
    slots = connection.execute(select(jobs.c.slots).where(jobs.c.id == job_id)).scalar_one()
    if slots is None:
        return False
    connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update(key_share=True))
    return connection.execute(select(busy_slots()).where(jobs.c.id == job_id)).scalar_one() > slots


@patient
def heartbeat(engine: Engine, item: Item, lease_seconds: float) -> None:
    """Renew the lease. Raises LostItem when the item is no longer ours (cancelled, paused, requeued)."""
    statement = update(work_items).where(_ours(item)).values(lease_expires=present(engine, lease_seconds))
    with engine.begin() as connection:
        if connection.execute(statement).rowcount != 1:
            raise LostItem(f"Work item {item.id} is no longer ours.", "Another worker or a cancellation has it.")


def hold(connection: Connection, item: Item) -> None:
    """Lock the item for the rest of the transaction. Raises LostItem if it is no longer leased to the caller.

    It fences writes to other tables, such as a trial's row or a point of its curve: a host that was suspended beyond
    its lease must not overwrite the work of its successor.
    """
    mine = select(work_items.c.id).where(_ours(item)).with_for_update()
    if connection.execute(mine).first() is None:
        raise LostItem(f"Work item {item.id} is no longer ours.", "Nothing was written.")


def finish(connection: Connection, item: Item, state: str, result: Any = None, error: str | None = None) -> None:
    """Write the outcome of an item. Raises LostItem, which rolls back the transaction, if it was lost."""
    statement = (
        update(work_items)
        .where(_ours(item))
        .values(state=state, result=result, error=error, finished_at=now(), lease_expires=None)
    )
    if connection.execute(statement).rowcount != 1:
        raise LostItem(f"Work item {item.id} is no longer ours.", "Its result is dropped; nothing was written.")


def fail_for_task(connection: Connection, item: Item, error: TaskError) -> None:
    """End an item as failed because the task's own code failed, which no retry would fix. Raises LostItem."""
    finish(connection, item, "failed", {"task_fault": str(error)}, error.cause)


@patient
def give_back(engine: Engine, item: Item, error: str | None, max_attempts: int, *, count: bool = True) -> str:
    """Queue an item again, or mark it `lost` after too many attempts.

    Args:
        engine: The database.
        item: The item, leased to the caller.
        error: Why it is given back, or None.
        max_attempts: Number of attempts after which it is lost.
        count: Whether this attempt counts: True after a failure of the machine, False after an orderly interruption.

    Returns:
        The new state, "queued" or "lost".
    """
    state = "lost" if count and item.attempt >= max_attempts else "queued"
    attempt = item.attempt if count else item.attempt - 1
    with engine.begin() as connection:
        changed = connection.execute(
            update(work_items)
            .where(_ours(item))
            .values(state=state, attempt=attempt, owner=None, lease_expires=None, notified_at=None, error=error)
        )
        if changed.rowcount and count:
            kind = "lost" if state == "lost" else "given back"
            add_event(connection, kind, job_id=item.key.job_id, item_id=item.id, owner=item.owner, text=error)
    return state


def wait(engine: Engine, item: Item, error: str, **about: str) -> None:
    """Let the item wait for a user's answer; `about` is merged into its payload."""
    values = {"state": "waiting", "attempt": item.attempt - 1, "owner": None, "lease_expires": None, "error": error}
    with engine.begin() as connection:
        connection.execute(update(work_items).where(_ours(item)).values(**values, payload={**item.payload, **about}))


def waiting(connection: Connection) -> list[Item]:
    """Return all items that wait for a user's answer, oldest first."""
    query = select(work_items).where(work_items.c.state == "waiting").order_by(work_items.c.id)
    return [item_of(row) for row in connection.execute(query).mappings()]


def wake(connection: Connection, item_id: int) -> None:
    """Queue an item that waited for an answer."""
    waits = and_(work_items.c.id == item_id, work_items.c.state == "waiting")
    connection.execute(update(work_items).where(waits).values(state="queued", error=None))


@patient
def release(engine: Engine, job_id: str, owner: str) -> int:
    """Queue again the items of a job whose owner's name begins with `owner`; return their number.

    The attempts are not counted. A process that stops without waiting for its items calls it.
    """
    held = and_(
        work_items.c.job_id == job_id,
        work_items.c.state == "leased",
        work_items.c.owner.startswith(owner, autoescape=True),
    )
    fresh = {"state": "queued", "attempt": work_items.c.attempt - 1, "owner": None, "lease_expires": None}
    with engine.begin() as connection:
        return connection.execute(update(work_items).where(held).values(**fresh, notified_at=None)).rowcount


@patient
def revive(engine: Engine, item: Item) -> None:
    """Queue a given-back or lost item again, with its attempts reset."""
    unowned = and_(work_items.c.id == item.id, work_items.c.state.in_(("queued", "lost")))
    with engine.begin() as connection:
        fresh = {"state": "queued", "attempt": 0, "owner": None, "notified_at": None}
        connection.execute(update(work_items).where(unowned).values(**fresh))


@patient
def requeue_expired(engine: Engine, max_attempts: int) -> int:
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
                .values(state=state, owner=None, notified_at=None, error="the worker was lost")
            )
            if changed.rowcount:
                text = "its process is gone" if dead else "its lease lapsed"
                add_event(connection, "requeued", job_id=row.job_id, item_id=row.id, owner=row.owner, text=text)
            count += changed.rowcount
    return count


@patient
def get(engine: Engine, item_id: int) -> Item:
    """Return the work item with this id. Raises NoResultFound if there is none."""
    with read(engine) as connection:
        row = connection.execute(select(work_items).where(work_items.c.id == item_id)).mappings().one()
    return item_of(row)


def cancel_open(connection: Connection, job_id: str, candidate: str | None = None) -> None:
    """Cancel every unfinished item of a job (or of one candidate); its owner learns so at the next heartbeat."""
    mine = and_(work_items.c.job_id == job_id, work_items.c.state.in_(OPEN))
    connection.execute(
        update(work_items)
        .where(mine if candidate is None else and_(mine, work_items.c.candidate == candidate))
        .values(state="cancelled", finished_at=now(), owner=None)
    )


def reopen(connection: Connection, job_id: str, but: Sequence[str]) -> None:
    """Queue a job's failed and cancelled items again, except those of the candidates `but`."""
    ended = and_(
        work_items.c.job_id == job_id, work_items.c.state.in_(("failed", "cancelled")), work_items.c.kind != "ask",
        work_items.c.candidate.not_in(list(but)),
    )  # fmt: skip
    fresh = {"state": "queued", "attempt": 0, "owner": None, "result": None, "error": None, "finished_at": None}
    connection.execute(update(work_items).where(ended).values(**fresh, notified_at=None))


def withdraw_questions(connection: Connection, item: Item) -> None:
    """Cancel the unanswered questions of a trial."""
    key = item.key
    asked = and_(
        work_items.c.job_id == key.job_id, work_items.c.kind == "ask", work_items.c.candidate == key.candidate,
        work_items.c.seed == key.seed, work_items.c.state.in_(OPEN),
    )  # fmt: skip
    connection.execute(update(work_items).where(asked).values(state="cancelled", finished_at=now(), owner=None))


def release_trials(connection: Connection, job_id: str) -> None:
    """Queue a job's leased trials again without counting the attempt; their owners stop and keep checkpoints."""
    training = and_(
        work_items.c.job_id == job_id, work_items.c.state == "leased", work_items.c.kind.in_(TRAINING_KINDS)
    )
    connection.execute(
        update(work_items)
        .where(training)
        .values(state="queued", attempt=work_items.c.attempt - 1, owner=None, lease_expires=None, notified_at=None)
    )


def _ours(item: Item) -> Any:
    return and_(
        work_items.c.id == item.id,
        work_items.c.state == "leased",
        work_items.c.owner == item.owner,
        work_items.c.attempt == item.attempt,
    )
