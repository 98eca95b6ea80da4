"""The state of the service: queues, workers, rates and events. Used by `top`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from rewardsmith.storage.clock import present, read_clock
from rewardsmith.storage.events import latest_events
from rewardsmith.storage.schema import jobs, trials, work_items
from rewardsmith.storage.workers import read_workers

RATE_SECONDS = 300.0
"""Window over which rates are averaged."""


@dataclass(frozen=True)
class KindLoad:
    """Counts of one kind of work item.

    Attributes:
        kind: See storage.queue.KINDS.
        queued: Items that wait for a worker.
        oldest_seconds: Age of the oldest of these; None if there is none.
        leased: Items that workers process now.
        done_per_minute: Items finished per minute, over RATE_SECONDS.
        lost: Items that failed too often because machines failed.
    """

    kind: str
    queued: int
    oldest_seconds: float | None
    leased: int
    done_per_minute: float
    lost: int


@dataclass(frozen=True)
class Standing:
    """The data that `top` shows."""

    loads: list[KindLoad]
    workers: list[Mapping[str, Any]]
    jobs: dict[str, int]
    steps_per_second: float  # of trials that run now
    events: list[Mapping[str, Any]]


def read_standing(connection: Connection) -> Standing:
    """Read the state of the service. Work items are counted only for running jobs."""
    moment = read_clock(connection)
    counts = connection.execute(
        select(work_items.c.kind, work_items.c.state, func.count(), func.min(work_items.c.created_at))
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(jobs.c.state == "running", work_items.c.state.in_(("queued", "leased", "lost")))
        .group_by(work_items.c.kind, work_items.c.state)
    ).all()
    lately = select(work_items.c.kind, func.count()).where(
        work_items.c.finished_at > present(connection, -RATE_SECONDS), work_items.c.state == "done"
    )
    done = {row[0]: row[1] for row in connection.execute(lately.group_by(work_items.c.kind))}
    kinds = sorted({row[0] for row in counts} | set(done))
    by_state = {(kind, state): (count, since) for kind, state, count, since in counts}
    loads = []
    for kind in kinds:
        queued, since = by_state.get((kind, "queued"), (0, None))
        oldest = (moment - since).total_seconds() if since is not None else None
        leased, lost = (by_state.get((kind, state), (0, None))[0] for state in ("leased", "lost"))
        loads.append(KindLoad(kind, queued, oldest, leased, done.get(kind, 0) * 60 / RATE_SECONDS, lost))
    states = {row[0]: row[1] for row in connection.execute(select(jobs.c.state, func.count()).group_by("state"))}
    return Standing(loads, read_workers(connection), states, _speed(connection), latest_events(connection, 8))


def _speed(connection: Connection) -> float:
    running = select(func.sum(trials.c.steps_per_second)).where(trials.c.state == "running")
    return float(connection.execute(running).scalar() or 0.0)
