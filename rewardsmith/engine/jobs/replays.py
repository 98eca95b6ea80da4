"""Deletes the replay buffers of a job that no later trial begins from."""

from __future__ import annotations

import shutil
from collections.abc import Collection

from rewardsmith.engine.context import Context
from rewardsmith.engine.search.snapshot import read_snapshot
from rewardsmith.engine.search.steps import FinishJob, SetIteration, Step
from rewardsmith.storage.database import read


def drop_replays(context: Context, job_id: str, steps: Collection[Step]) -> None:
    """Delete buffers on this machine after `steps` of the job: at a round's end all but the best candidate's.

    At the job's end, all of them are deleted. Without `reuse`, no buffer is kept after a round.
    """
    ended = any(isinstance(step, FinishJob) for step in steps)
    closed = any(isinstance(step, SetIteration) and step.state == "done" for step in steps)
    if not (ended or closed):
        return
    kept: str | None = None
    if not ended:
        with read(context.database) as connection:
            snapshot = read_snapshot(connection, job_id)
        ranked = snapshot.ranking()
        kept = ranked[0].id if snapshot.spec.training.reuse and ranked else f"{job_id}-sparse"
    drop_all_but(context, job_id, kept)


def drop_all_but(context: Context, job_id: str, kept: str | None = None) -> None:
    """Delete the buffers of a job on this machine, except those of the candidate `kept`."""
    for folder in context.job_folder(job_id).glob("*/replay"):
        # A trial's folder is named after candidate, purpose and seed; only a candidate's own trials start with its id.
        if kept is None or not folder.parent.name.startswith(f"{kept}-"):
            shutil.rmtree(folder, ignore_errors=True)
