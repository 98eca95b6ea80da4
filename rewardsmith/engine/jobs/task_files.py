"""A job's own copy of the task that a file describes: made when the job is created, used by everything after."""

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
    """`spec` with the text of its task's file, if a file describes it; what is stored already stays.

    Raises UsageError for a description or an environment that cannot be used.
    """
    if spec.description is not None:
        _require_recorded(spec)
        return spec
    stored = store_task(spec.task)
    return spec if stored is None else spec.model_copy(update={"description": TaskDescription(**stored)})


def _require_recorded(spec: JobSpec) -> None:
    """A recording brings its task with it, which has no job yet that could be marked."""
    try:
        require_same_task(spec)
    except TaskChanged as error:
        raise UsageError(
            error.cause, f"Put it back, or give --task {spec.task} to describe the task as it is now."
        ) from error


def require_same_task(spec: JobSpec) -> None:
    """Raises TaskChanged where the module of a stored task has changed."""
    if spec.description is not None:
        get_task(spec.task, spec.description)


def accept_task_change(context: Context, job_id: str) -> list[str]:
    """Let a job go on with its task's module as it is now, and mark it; returns what had changed, in words.

    Raises UsageError if the module is not there.
    """
    with read(context.database) as connection:
        spec = JobSpec.model_validate(records.get_job(connection, job_id).spec)
    described = spec.description
    if described is None or not (changes := changes_of(described, spec.task)):
        return []
    found = sources_now(described, spec.task)
    if found is None:
        raise UsageError(f"The task {spec.task} cannot be opened: {changes[0]}.", "Put the module back.")
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
    """A job's task in one text, for a process that is to load it: its id, or JSON of its stored description."""
    if spec.description is None:
        return spec.task
    return json.dumps([spec.task, spec.description.model_dump(mode="json")], sort_keys=True)


def read_key(key: str) -> tuple[str, TaskDescription | None]:
    """The arguments of get_task that `task_key` wrote down."""
    if not key.startswith("["):
        return key, None
    name, described = json.loads(key)
    return name, TaskDescription.model_validate(described)
