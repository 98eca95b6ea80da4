"""A job's rows, read once: what `decide` looks at."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.queue import Item
from rewardsmith.storage.records import Candidate, Iteration, Job


@dataclass(frozen=True)
class Used:
    """What a job has spent so far, with what calls under way may take. `unpriced` calls have no known price."""

    calls: int = 0
    tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    env_steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """Everything the next step of a job depends on."""

    job: Job
    spec: JobSpec
    iterations: list[Iteration]
    candidates: list[Candidate]
    items: list[Item]
    used: Used

    def items_of(self, kind: str, **key: object) -> list[Item]:
        """Items of a kind whose key matches."""
        return [i for i in self.items if i.key.kind == kind and all(getattr(i.key, k) == v for k, v in key.items())]


def read_snapshot(connection: Connection, job_id: str) -> Snapshot:
    """All rows of one job."""
    job = records.get_job(connection, job_id)
    # Items first: on Postgres each statement sees what is committed by then, so that whoever sees an item done
    # must read the candidate it left afterwards, not before.
    items = queue.of_job(connection, job_id)
    return Snapshot(
        job=job,
        spec=JobSpec.model_validate(job.spec),
        iterations=records.iterations_of(connection, job_id),
        candidates=records.candidates_of(connection, job_id),
        items=items,
        used=read_used(connection, job_id),
    )


def read_used(connection: Connection, job_id: str) -> Used:
    """The ledger of a job, summed."""
    row = connection.execute(text("SELECT * FROM v_costs WHERE job_id = :job"), {"job": job_id}).mappings().one()
    return Used(
        calls=row["calls"] or 0,
        tokens=row["charged_tokens"] or 0,
        dollars=row["dollars"] or 0.0,
        unpriced=row["unpriced_calls"] or 0,
        env_steps=row["env_steps"] or 0,
        seconds=row["active_seconds"] or 0.0,
    )
