"""Jobs of the service: submission, pause, priority, retry, working time."""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy import or_, select, update

from rewardsmith.engine.context import Context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.served import NotServed, check_served, warm_up
from rewardsmith.errors import UsageError
from rewardsmith.spec import JobSpec
from rewardsmith.storage import notifications, procedures, queue, records
from rewardsmith.storage.clock import read_clock
from rewardsmith.storage.database import read
from rewardsmith.storage.events import add_event
from rewardsmith.storage.outage import outlast
from rewardsmith.storage.rows import Scheduling
from rewardsmith.storage.schema import jobs as job_table
from rewardsmith.storage.schema import work_items

_MOST_CHARGED = 10.0
"""Largest number of seconds charged between two calls of `charge_time`, so that time without a scheduler is free."""


def submit_job(
    context: Context,
    spec: JobSpec,
    seed_reward: str | None = None,
    *,
    owner: str = "",
    priority: int = 0,
    slots: int | None = None,
) -> str:
    """Create a job of the service with its first work items. Only the database is needed.

    Args:
        context: The process's context.
        spec: The job's settings.
        seed_reward: Text of the user's own program, which becomes a candidate of the first round.
        owner: Name of the submitter.
        priority: Jobs with a higher number go first.
        slots: Largest number of the job's work items in progress at once; None for no limit.

    Returns:
        The job's id.

    Raises:
        UsageError: A setting is invalid, or not allowed for a submitted job (NotServed).
    """
    check_served(spec)
    check_asked(owner, priority, slots)
    scheduling = Scheduling(owner=owner, service=True, priority=priority, slots=slots)
    return lifecycle.create_job(context, spec, seed_reward, scheduling)


_LONGEST_OWNER = 80
_MOST_URGENT = 1_000_000
_MOST_SLOTS = 1_000_000


def check_asked(owner: str = "", priority: int = 0, slots: int | None = None) -> None:
    """Raise UsageError for an owner, a priority or a number of slots that the database cannot store."""
    if len(owner) > _LONGEST_OWNER:
        raise UsageError(
            f"The owner's name has {len(owner)} characters.", f"Pass at most {_LONGEST_OWNER} characters to --owner."
        )
    if abs(priority) > _MOST_URGENT:
        raise UsageError(
            f"The priority {priority:,} is out of range.",
            f"Pass a number from -{_MOST_URGENT:,} to {_MOST_URGENT:,}.",
        )
    if slots is not None and not 1 <= slots <= _MOST_SLOTS:
        raise UsageError(
            f"The number of slots {slots:,} is out of range.", f"Pass a number from 1 to {_MOST_SLOTS:,} to --slots."
        )


def halt_job(context: Context, job_id: str) -> None:
    """Pause a job until its owner resumes it: its trials stop within a second and keep their checkpoints.

    Raises UsageError if the job has ended.
    """
    with context.database.begin() as connection:
        job = records.get_job(connection, job_id)
        lifecycle.require_unfinished(job)
        if procedures.steer(connection, job):
            procedures.pause(connection, job_id, lifecycle.best_of(connection, job_id))
            return
    lifecycle.pause_job(context, job_id, lifecycle.PAUSED_BY_OWNER)
    context.write(lambda connection: queue.release_trials(connection, job_id))


def resume_service_job(context: Context, job_id: str) -> None:
    """Resume a paused job; a scheduler notifies the workers. Raises UsageError if the job has ended."""
    with context.database.begin() as connection:
        job = records.get_job(connection, job_id)
        lifecycle.require_unfinished(job)
        if procedures.steer(connection, job):
            procedures.resume(connection, job_id)
            return
    lifecycle.resume_job(context, job_id)
    notifications.forget(context.database, job_id=job_id)
    advance(context, job_id)


def set_priority(context: Context, job_id: str, priority: int) -> None:
    """Set a job's priority: higher goes first, equal ones in the order of submission. Raises UsageError."""
    check_asked(priority=priority)
    with context.database.begin() as connection:
        if procedures.steer(connection, records.get_job(connection, job_id)):
            procedures.set_priority(connection, job_id, priority)
            return
        records.update_job(connection, job_id, priority=priority)
        add_event(connection, "priority", job_id=job_id, text=str(priority))


def retry_job(context: Context, job_id: str) -> int:
    """Queue a job's lost work items again and resume the job; return the number of items.

    Candidates that were rejected because of a lost item are restored. Raises UsageError if no item was lost.
    """
    lost = work_items.c.job_id == job_id, work_items.c.state == "lost"
    with context.database.begin() as connection:
        if procedures.steer(connection, records.get_job(connection, job_id)):
            return procedures.retry(connection, job_id)
        records.lock_job(connection, job_id)
        columns = (work_items.c.kind, work_items.c.candidate)
        items = connection.execute(select(*columns).where(*lost)).all()
        if not items:
            raise UsageError(
                f"Job {job_id} has no lost items to retry.", f"`rewardsmith show {job_id}` shows its state."
            )
        fresh = {"state": "queued", "attempt": 0, "owner": None, "error": None, "notified_at": None}
        connection.execute(update(work_items).where(*lost).values(**fresh))
        for item in items:
            if item.candidate and item.kind in ("check", "train"):
                state = "designed" if item.kind == "check" else "passed"
                records.update_candidate(connection, item.candidate, state=state, rejection_reason=None)
        records.update_job(connection, job_id, state="running", note=None, finished_at=None, charged_at=None)
        add_event(connection, "retried", job_id=job_id, text=f"{len(items)} lost items")
    advance(context, job_id)
    return len(items)


def charge_time(context: Context) -> None:
    """Add to the working time of every running submitted job, and end those whose time budget is spent.

    Several schedulers may call this: each interval is charged once, because the update compares the value read before.
    """
    running = (job_table.c.state == "running") & job_table.c.service
    with read(context.database) as connection:
        moment = outlast(lambda: read_clock(connection))
        found = [records.Job(**row) for row in connection.execute(select(job_table).where(running)).mappings()]
    for job in found:
        passed = (moment - job.charged_at).total_seconds() if job.charged_at else 0.0
        seconds = job.active_seconds + min(max(passed, 0.0), _MOST_CHARGED)
        same = (job_table.c.id == job.id) & (
            job_table.c.charged_at.is_(None) if job.charged_at is None else job_table.c.charged_at == job.charged_at
        )
        values = {"active_seconds": seconds, "charged_at": moment}
        context.write(lambda c, same=same, values=values: c.execute(update(job_table).where(same).values(**values)))
        limit = _time_limit(job)
        if limit is not None and seconds >= limit:
            lifecycle.stop_for_time(context, job.id, f"The budget of {limit:g} s is spent.")


def _time_limit(job: records.Job) -> float | None:
    try:
        return JobSpec.model_validate(job.spec).budget.seconds
    except ValidationError:
        return None  # `advance` pauses such a job with a note


def is_at_work(context: Context) -> bool:
    """Return whether a submitted job is running, or any worker holds a work item."""
    running = select(job_table.c.id).where(job_table.c.state == "running", job_table.c.service)
    leased = select(work_items.c.id).where(work_items.c.state == "leased")

    def look() -> bool:
        with read(context.database) as connection:
            return bool(connection.execute(select(or_(running.exists(), leased.exists()))).scalar())

    return outlast(look)


def running_jobs(context: Context, *, idle: bool) -> list[str]:
    """Return the running submitted jobs by priority; with `idle`, only those without open work items."""
    query = select(job_table.c.id).where(job_table.c.service, job_table.c.state == "running")
    if idle:
        open_items = select(work_items.c.id).where(
            work_items.c.job_id == job_table.c.id, work_items.c.state.in_(queue.OPEN)
        )
        query = query.where(~open_items.exists())
    with read(context.database) as connection:
        return list(connection.execute(query.order_by(job_table.c.priority.desc(), job_table.c.created_at)).scalars())


__all__ = [
    "NotServed",
    "charge_time",
    "check_served",
    "halt_job",
    "is_at_work",
    "resume_service_job",
    "retry_job",
    "running_jobs",
    "set_priority",
    "submit_job",
    "warm_up",
]
