"""`--accept-task-change`: going on with a job although the module of its task is no longer the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen

AcceptTaskChange = Annotated[
    bool,
    typer.Option(
        "--accept-task-change", help="Go on although the module of the job's task has changed; marks the job."
    ),
]


def settle_task(context: Any, job_id: str, accept: bool) -> None:
    """Before a command opens a job's task: accept a change if asked to, and say what the job keeps.

    Raises UsageError if a module has changed and nobody accepts it.
    """
    from rewardsmith.engine.jobs.task_files import accept_task_change, require_same_task
    from rewardsmith.spec import JobSpec
    from rewardsmith.storage import records
    from rewardsmith.storage.database import read

    with read(context.database) as connection:
        spec = JobSpec.model_validate(records.get_job(connection, job_id).spec)
    if spec.description is None:
        return
    if accept:
        for change in accept_task_change(context, job_id):
            screen.say(f"accepted, and marked in the job: {change}")
    else:
        require_same_task(spec)
    file = Path(spec.task)
    if file.is_file() and file.read_bytes() != spec.description.text.encode():
        screen.say(f"{file} is not what this job began with; the job goes on with its own copy.")
