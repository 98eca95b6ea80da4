"""`--accept-task-change`: going on with a job although the module of its task is no longer the same."""

from __future__ import annotations

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
    from rewardsmith import starting

    for note in starting.settle_task(context, job_id, accept):
        screen.say(note)
