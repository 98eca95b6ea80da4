"""Submitted jobs whose work items wait for a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from rewardsmith.storage.schema import jobs, work_items


def jobs_with_queued(connection: Connection, kinds: Sequence[str]) -> list[str]:
    """Return the ids of the running submitted jobs that have a queued item of one of these kinds."""
    queued = select(work_items.c.id).where(
        work_items.c.job_id == jobs.c.id, work_items.c.state == "queued", work_items.c.kind.in_(list(kinds))
    )
    running = (jobs.c.state == "running") & jobs.c.service
    return list(connection.execute(select(jobs.c.id).where(running, queued.exists()).order_by(jobs.c.id)).scalars())


def settings_of(connection: Connection, job_id: str) -> dict[str, Any]:
    """Return the settings of a job as they are stored, which may be those of another version. Raises NoResultFound."""
    return dict(connection.execute(select(jobs.c.spec).where(jobs.c.id == job_id)).scalar_one())
