"""Writes of jobs, candidates, trials and what belongs to them, for the engine, beside `reads`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, insert, select, update

from rewardsmith.storage.reads import (
    candidates_of,
    curve_of,
    get_candidate,
    get_job,
    items_of,
    iterations_of,
    trials_of,
)
from rewardsmith.storage.rows import Candidate, Iteration, Job, Scheduling, Trial
from rewardsmith.storage.schema import (
    analyses,
    artifacts,
    candidates,
    checks,
    comments,
    curve_points,
    iterations,
    jobs,
    now,
    trials,
    workers,
)
from rewardsmith.storage.upsert import dialect_insert

__all__ = [
    "Candidate",
    "Iteration",
    "Job",
    "Trial",
    "candidates_of",
    "curve_of",
    "get_candidate",
    "get_job",
    "items_of",
    "iterations_of",
    "trials_of",
]

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_job_id() -> str:
    """Six letters and digits that are hard to confuse."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(6))


def add_job(
    connection: Connection,
    spec: Mapping[str, Any],
    fingerprint: str,
    scheduling: Scheduling,
    *,
    oracle_informed: bool,
) -> Job:
    """Write a job's row, under a new id."""
    job = Job(
        id=new_job_id(), task=spec["task"], method=spec["method"], fingerprint=fingerprint, spec=dict(spec),
        state="running", note=None, best_candidate=None, oracle_informed=oracle_informed, created_at=now(),
        finished_at=None, active_seconds=0.0, charged_at=None, claim=None, **vars(scheduling),
    )  # fmt: skip
    connection.execute(insert(jobs), [vars(job)])
    return job


def lock_job(connection: Connection, job_id: str) -> None:
    """Let nobody else decide about the job until this transaction ends.

    SQLite has one writer anyway and gets no clause. `key_share`: rows that refer to the job stay writable.
    """
    connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update(key_share=True))


def update_job(connection: Connection, job_id: str, **values: Any) -> None:
    """Change columns of a job."""
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))


def update_candidate(connection: Connection, candidate_id: str, **values: Any) -> None:
    """Change columns of a candidate."""
    connection.execute(update(candidates).where(candidates.c.id == candidate_id).values(**values))


def add_iterations(connection: Connection, rounds: Sequence[Iteration]) -> None:
    """Write rounds that do not exist yet."""
    connection.execute(insert(iterations), [vars(each) for each in rounds])


def put_iteration(connection: Connection, job_id: str, number: int, **values: Any) -> None:
    """Write or change a round."""
    _put(connection, iterations, ("job_id", "number"), job_id=job_id, number=number, **values)


def add_candidates(connection: Connection, new: Sequence[Candidate]) -> None:
    """Write candidates that do not exist yet."""
    connection.execute(insert(candidates), [vars(each) for each in new])


def put_candidate(connection: Connection, **values: Any) -> None:
    """Write a candidate; the same id again changes nothing but the given columns."""
    _put(connection, candidates, ("id",), created_at=now(), **values)


def put_check(connection: Connection, **values: Any) -> None:
    """Write one verdict before training."""
    _put(connection, checks, ("candidate_id", "kind"), **values)


def put_trial(connection: Connection, job_id: str, candidate_id: str, purpose: str, seed: int, **values: Any) -> int:
    """Write or change a trial; returns its id."""
    _put(
        connection,
        trials,
        ("candidate_id", "purpose", "seed"),
        job_id=job_id,
        candidate_id=candidate_id,
        purpose=purpose,
        seed=seed,
        **values,
    )
    return connection.execute(
        select(trials.c.id).where(
            trials.c.candidate_id == candidate_id, trials.c.purpose == purpose, trials.c.seed == seed
        )
    ).scalar_one()


def stop_trials(connection: Connection, job_id: str, candidate_id: str | None = None) -> None:
    """No trial of a job (or of one candidate) runs any more: what did is `stopped`, with the steps it came to."""
    mine = and_(trials.c.job_id == job_id, trials.c.state == "running")
    mine = mine if candidate_id is None else and_(mine, trials.c.candidate_id == candidate_id)
    connection.execute(update(trials).where(mine).values(state="stopped"))


def put_point(connection: Connection, **values: Any) -> None:
    """Write a curve point; a resumed trial overwrites what it repeats."""
    _put(connection, curve_points, ("trial_id", "steps"), **values)


def add_comment(connection: Connection, job_id: str, iteration: int, text: str) -> None:
    """Write what a person says of a job, for the prompts of `iteration` and of later rounds."""
    connection.execute(insert(comments).values(job_id=job_id, iteration=iteration, text=text, created_at=now()))


def comments_of(connection: Connection, job_id: str, iteration: int) -> tuple[str, ...]:
    """What people said of a job before `iteration` began, in their order."""
    query = select(comments.c.text).where(comments.c.job_id == job_id, comments.c.iteration <= iteration)
    return tuple(connection.execute(query.order_by(comments.c.id)).scalars())


def put_analysis(connection: Connection, **values: Any) -> None:
    """Write a diagnosis and the analyzer's words."""
    _put(connection, analyses, ("candidate_id",), **values)


def put_worker(connection: Connection, **values: Any) -> None:
    """Write or change a worker's row."""
    _put(connection, workers, ("name",), **values)


def put_artifact(connection: Connection, **values: Any) -> None:
    """Write where a file of a trial lies."""
    _put(connection, artifacts, ("trial_id", "kind"), created_at=now(), **values)


def _put(connection: Connection, table: Table, key: tuple[str, ...], **values: Any) -> None:
    statement = dialect_insert(connection, table).values(**values)
    changes = {name: value for name, value in values.items() if name not in key and name != "created_at"}
    if changes:
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=changes)
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement)
