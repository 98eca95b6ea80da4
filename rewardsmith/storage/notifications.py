"""Which queued items need a notification by the broker. It may be lost or sent twice, since the claim decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, Select, and_, or_, select, update

from rewardsmith.storage.clock import present
from rewardsmith.storage.database import read
from rewardsmith.storage.outage import patient
from rewardsmith.storage.queue import KINDS, busy_slots
from rewardsmith.storage.schema import jobs, work_items

_MOST = 1000


@patient
def are_due(engine: Engine, again_seconds: float) -> bool:
    """Return whether `take_due` would find an item; reads only."""
    with read(engine) as connection:
        return bool(connection.execute(select(_due(engine, again_seconds).exists())).scalar())


def _due(engine: Engine, again_seconds: float | None) -> Select[tuple[int]]:
    pending = work_items.c.notified_at.is_(None)
    if again_seconds is not None:
        pending = or_(pending, work_items.c.notified_at <= present(engine, -again_seconds))
    return (
        select(work_items.c.id)
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(jobs.c.service, jobs.c.state == "running", work_items.c.state == "queued", pending)
        .where(or_(jobs.c.slots.is_(None), busy_slots() < jobs.c.slots))
    )


@patient
def take_due(
    engine: Engine, again_seconds: float | None, job_id: str | None = None, kinds: Sequence[str] = KINDS
) -> list[tuple[int, str]]:
    """Mark queued items whose notification is due, and return them as (id, kind).

    They are marked before they are sent, so that two schedulers do not send the same notification. Call `forget` for
    those that could not be sent.

    Args:
        engine: The database.
        again_seconds: Age after which a notification is sent again; None sends none a second time.
        job_id: Consider only this job.
        kinds: Consider only these kinds of work items.
    """
    due = _due(engine, again_seconds).where(work_items.c.kind.in_(kinds))
    if job_id is not None:
        due = due.where(work_items.c.job_id == job_id)
    due = due.order_by(jobs.c.priority.desc(), work_items.c.id).limit(_MOST)
    due = due.with_for_update(skip_locked=True, of=work_items)
    statement = (
        update(work_items)
        .where(work_items.c.id.in_(due))
        .values(notified_at=present(engine))
        .returning(work_items.c.id, work_items.c.kind)
    )
    with engine.begin() as connection:
        return sorted((row.id, row.kind) for row in connection.execute(statement))


@patient
def forget(engine: Engine, items: Iterable[int] = (), job_id: str | None = None) -> None:
    """Make notifications due again for these items, or for all queued items of a job."""
    queued = work_items.c.state == "queued"
    which = work_items.c.id.in_(list(items)) if job_id is None else work_items.c.job_id == job_id
    with engine.begin() as connection:
        connection.execute(update(work_items).where(and_(which, queued)).values(notified_at=None))


@patient
def notify_soon(engine: Engine, job_ids: Sequence[str], kinds: Sequence[str], again_seconds: float) -> None:
    """Let notifications of these jobs' queued items be sent again in about a second, instead of `again_seconds`.

    A worker calls it when it received the notification of an item that only another worker can process.
    """
    which = and_(
        work_items.c.job_id.in_(list(job_ids)), work_items.c.kind.in_(list(kinds)), work_items.c.state == "queued"
    )
    soon = present(engine, min(0.0, 1.0 - again_seconds))
    later = and_(which, work_items.c.notified_at > soon)
    with engine.begin() as connection:
        connection.execute(update(work_items).where(later).values(notified_at=soon))
