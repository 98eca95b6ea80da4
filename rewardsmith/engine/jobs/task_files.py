"""A job's copy of the YAML file that describes its task, made when the job is created and used from then on."""

from __future__ import annotations

import json

from rewardsmith.engine.context import Context
from rewardsmith.errors import UsageError
from rewardsmith.spec import JobSpec, TaskDescription
from rewardsmith.storage import records
from rewardsmith.storage.database import read
from rewardsmith.storage.events import add_event
from rewardsmith.storage.schema import now
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.modules import TaskChanged
from rewardsmith.tasks.described.stored import changes_of, sources_now, store_task


def with_description(spec: JobSpec) -> JobSpec:
    """Return `spec` with a copy of the file that describes its task, if there is one. A stored copy is kept.

    Raises UsageError if the description or its environment is invalid.
    """
    if spec.description is not None:
        _require_recorded(spec)
        return spec
    stored = store_task(spec.task)
    return spec if stored is None else spec.model_copy(update={"description": TaskDescription(**stored)})


def _require_recorded(spec: JobSpec) -> None:
    """Raise UsageError if the task of a recording has changed; there is no job yet whose row could be marked."""
    try:
        require_same_task(spec)
    except TaskChanged as error:
        raise UsageError(
            error.cause, f"Restore it, or pass --task {spec.task} to use the task as it is now."
        ) from error


def require_same_task(spec: JobSpec) -> None:
    """Raise TaskChanged if the module of a stored task has changed."""
    if spec.description is not None:
        get_task(spec.task, spec.description)


def accept_task_change(context: Context, job_id: str) -> list[str]:
    """Let a job continue with its task's module as it is now, and mark the job.

    Returns:
        A sentence for each change; empty if nothing has changed.

    Raises:
        UsageError: The module is missing.
    """
    with read(context.database) as connection:
        spec = JobSpec.model_validate(records.get_job(connection, job_id).spec)
    described = spec.description
    if described is None or not (changes := changes_of(described, spec.task)):
        return []
    found = sources_now(described, spec.task)
    if found is None:
        raise UsageError(
            f"The task {spec.task} cannot be opened: {changes[0]}.", "Restore the module of its environment."
        )
    mark = f"{now():%Y-%m-%d %H:%M} UTC: {'; '.join(changes)}"
    with context.database.begin() as connection:
        records.lock_job(connection, job_id)
        # Read again: another command may have extended the job meanwhile.
        stored = dict(records.get_job(connection, job_id).spec)
        marked = {"folder": found.folder, "files": dict(found.files), "changes": [*described.changes, mark]}
        stored["description"] = {**stored["description"], **marked}
        records.update_job(connection, job_id, spec=stored)
        add_event(connection, "task changed", job_id=job_id, text="; ".join(changes))
    return changes


def task_key(spec: JobSpec) -> str:
    """Return a job's task as one string for another process: its id, or JSON of its stored description."""
    if spec.description is None:
        return spec.task
    return json.dumps([spec.task, spec.description.model_dump(mode="json")], sort_keys=True)


def read_key(key: str) -> tuple[str, TaskDescription | None]:
    """Convert a string of `task_key` to the arguments of get_task."""
    if not key.startswith("["):
        return key, None
    name, described = json.loads(key)
    return name, TaskDescription.model_validate(described)
