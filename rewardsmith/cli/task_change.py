"""`--accept-task-change`: resume a job although the Python module of its task has changed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rewardsmith.cli import screen

AcceptTaskChange = Annotated[
    bool,
    typer.Option(
        "--accept-task-change",
        help="Continue although the Python module of the job's task has changed; the job is marked.",
    ),
]


def settle_task(context: Any, job_id: str, accept: bool) -> None:
    """Compare the module of a job's task with the recorded one, before a command opens the task.

    Args:
        context: Where the job is stored.
        job_id: The job.
        accept: Whether the user passed --accept-task-change.

    Raises:
        UsageError: The module has changed and `accept` is false.
    """
    from rewardsmith import starting

    for note in starting.settle_task(context, job_id, accept):
        screen.say(note)
