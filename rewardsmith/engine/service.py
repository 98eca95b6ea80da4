"""Jobs for the workers of many hosts: submitting, what a spec may not ask for, pausing, priorities, retrying."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import select, update

from rewardsmith.agents.models import needs_files
from rewardsmith.engine import jobs
from rewardsmith.engine.advance import advance
from rewardsmith.engine.context import Context
from rewardsmith.errors import UsageError
from rewardsmith.methods import all_methods
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import JobSpec
from rewardsmith.storage import hints, queue, records
from rewardsmith.storage.clock import read_clock
from rewardsmith.storage.database import read
from rewardsmith.storage.events import add_event
from rewardsmith.storage.outage import outlast
from rewardsmith.storage.schema import jobs as job_table
from rewardsmith.storage.schema import work_items
from rewardsmith.tasks import list_tasks

_MOST_CHARGED = 10.0
"""Seconds charged at most between two looks: while no scheduler runs, a job's time budget stands still."""


class NotServed(UsageError):
    """A submitted job asks for something that only its own machine may do."""


def submit_job(
    context: Context,
    spec: JobSpec,
    seed_reward: str | None = None,
    *,
    owner: str = "",
    priority: int = 0,
    slots: int | None = None,
) -> str:
    """Write a job for the service with its first work items; returns its id.

    Only the database is needed: a scheduler tells the broker. Raises UsageError.
    """
    check_served(spec)
    asked = {"owner": owner, "priority": priority, "slots": slots, "service": True}
    return jobs.create_job(context, spec, seed_reward, **asked)


def check_served(spec: JobSpec) -> None:
    """Raises NotServed for a spec that would have a worker read files, import code or send its keys elsewhere."""
    if spec.task not in _installed():
        raise NotServed(
            f"The task {spec.task!r} is not installed with the workers.",
            "Give an id of `rewardsmith tasks list`; a task file is read on one machine only: `rewardsmith run`.",
        )
    if spec.record is not None or spec.replay is not None:
        raise NotServed(
            "A submitted job cannot record to, or replay from, a file of the worker's.",
            "Use `rewardsmith run` for recordings.",
        )
    if spec.api_base is not None:
        raise NotServed(
            "A submitted job may not choose the address that the workers' keys are sent to.",
            "Leave api_base out; whoever runs the workers sets REWARDSMITH_API_BASE.",
        )
    named = [spec.model_of(role) for role in ("designer", "critic", "analyzer")]
    for model in (*named, *spec.fallback_models):
        if needs_files(model):
            raise NotServed(f"The model {model!r} needs files of one machine.", "Use `rewardsmith run` for it.")
    if recipe_of(spec).reads_files:
        raise NotServed(
            f"An option of {spec.method} names a file, and a submitted job may not have workers read theirs.",
            "Leave language_model out, or use `rewardsmith run`.",
        )


@lru_cache
def _installed() -> frozenset[str]:
    return frozenset(task_id for task_id, _ in list_tasks())


def warm_up() -> None:
    """Load the list of tasks and the methods before any item is claimed: they take a second."""
    _installed()
    all_methods()


def refuse_unserved(context: Context, job_id: str) -> None:
    """The worker's own look at a submitted job: rows may have been written by another version, or by hand."""
    with read(context.database) as connection:
        job = records.get_job(connection, job_id)
    if not job.service:
        return
    try:
        check_served(JobSpec.model_validate(job.spec))
    except NotServed:
        raise
    except UsageError as error:  # a method or an option that this worker's version does not know
        raise NotServed(error.cause, error.remedy) from error


def halt_job(context: Context, job_id: str) -> None:
    """Pause a job for as long as its owner likes: trials end within a second and keep their checkpoints."""
    jobs.pause_job(context, job_id, "Paused by its owner.")
    context.write(lambda connection: queue.release_trials(connection, job_id))


def resume_service_job(context: Context, job_id: str) -> None:
    """Let a paused job run again; a scheduler tells the workers."""
    jobs.resume_job(context, job_id)
    hints.forget(context.database, job_id=job_id)
    advance(context, job_id)


def set_priority(context: Context, job_id: str, priority: int) -> None:
    """Higher goes first; the same is first come, first served."""
    with context.database.begin() as connection:
        records.update_job(connection, job_id, priority=priority)
        add_event(connection, "priority", job_id=job_id, text=str(priority))


def retry_job(context: Context, job_id: str) -> int:
    """Queue a job's lost items afresh and let the job run again; returns how many items.

    Candidates that died with a lost item live again. Raises UsageError if nothing was lost.
    """
    lost = work_items.c.job_id == job_id, work_items.c.state == "lost"
    with context.database.begin() as connection:
        records.lock_job(connection, job_id)
        columns = (work_items.c.kind, work_items.c.candidate)
        items = connection.execute(select(*columns).where(*lost)).all()
        if not items:
            raise UsageError(f"Job {job_id} has no lost items.", f"See `rewardsmith show {job_id}`.")
        fresh = {"state": "queued", "attempt": 0, "owner": None, "error": None, "hinted_at": None}
        connection.execute(update(work_items).where(*lost).values(**fresh))
        for item in items:
            if item.candidate and item.kind in ("check", "train"):
                state = "designed" if item.kind == "check" else "passed"
                records.update_candidate(connection, item.candidate, state=state, cause_of_death=None)
        records.update_job(connection, job_id, state="running", note=None, finished_at=None, charged_at=None)
        add_event(connection, "retried", job_id=job_id, text=f"{len(items)} lost items")
    advance(context, job_id)
    return len(items)


def charge_time(context: Context) -> None:
    """Count the working time of every submitted job that runs, and end those whose limit is spent.

    However many schedulers call it, each stretch of time is counted once: the update tests what was read.
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
        limit = JobSpec.model_validate(job.spec).budget.seconds
        if limit is not None and seconds >= limit:
            jobs.stop_for_time(context, job.id, f"The budget of {limit:g} s is spent.")


def running_jobs(context: Context, *, idle: bool) -> list[str]:
    """Submitted jobs that run, the most urgent first; with `idle`, only those with nothing left to do."""
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
    "refuse_unserved",
    "resume_service_job",
    "retry_job",
    "running_jobs",
    "set_priority",
    "submit_job",
    "warm_up",
]
