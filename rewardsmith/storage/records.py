"""Writes of jobs, rounds, candidates, checks, trials and artifacts. Most `put_` functions insert or update a row."""

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
    """Return a random id of six letters and digits that are hard to confuse."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(6))


def add_job(
    connection: Connection,
    spec: Mapping[str, Any],
    fingerprint: str,
    scheduling: Scheduling,
    *,
    oracle_informed: bool,
) -> Job:
    """Insert a running job under a new id, and return it."""
    job = Job(
        id=new_job_id(), task=spec["task"], method=spec["method"], fingerprint=fingerprint, spec=dict(spec),
        state="running", note=None, best_candidate=None, oracle_informed=oracle_informed, created_at=now(),
        finished_at=None, active_seconds=0.0, charged_at=None, claim=None, **vars(scheduling),
    )  # fmt: skip
    connection.execute(insert(jobs), [vars(job)])
    return job


def lock_job(connection: Connection, job_id: str) -> None:
    """Lock the job until this transaction ends, so that no other process decides about it.

    SQLite has a single writer and ignores the clause. `key_share` keeps rows that refer to the job writable.
    """
    connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update(key_share=True))


def update_job(connection: Connection, job_id: str, **values: Any) -> None:
    """Change columns of a job."""
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))


def update_candidate(connection: Connection, candidate_id: str, **values: Any) -> None:
    """Change columns of a candidate."""
    connection.execute(update(candidates).where(candidates.c.id == candidate_id).values(**values))


def add_iterations(connection: Connection, rounds: Sequence[Iteration]) -> None:
    """Insert rounds that do not exist yet."""
    connection.execute(insert(iterations), [vars(each) for each in rounds])


def put_iteration(connection: Connection, job_id: str, number: int, **values: Any) -> None:
    """Insert or update a round of a job."""
    _put(connection, iterations, ("job_id", "number"), job_id=job_id, number=number, **values)


def add_candidates(connection: Connection, new: Sequence[Candidate]) -> None:
    """Insert candidates that do not exist yet."""
    connection.execute(insert(candidates), [vars(each) for each in new])


def put_candidate(connection: Connection, **values: Any) -> None:
    """Insert a candidate, or update the given columns of an existing one."""
    _put(connection, candidates, ("id",), created_at=now(), **values)


def put_check(connection: Connection, **values: Any) -> None:
    """Insert or update the verdict of one check before training."""
    _put(connection, checks, ("candidate_id", "kind"), **values)


def put_trial(connection: Connection, job_id: str, candidate_id: str, purpose: str, seed: int, **values: Any) -> int:
    """Insert or update a trial and return its id."""
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
    """Set the running trials of a job (or of one candidate) to `stopped`; they keep their step counts."""
    mine = and_(trials.c.job_id == job_id, trials.c.state == "running")
    mine = mine if candidate_id is None else and_(mine, trials.c.candidate_id == candidate_id)
    connection.execute(update(trials).where(mine).values(state="stopped"))


def put_point(connection: Connection, **values: Any) -> None:
    """Insert a point of a curve; a resumed trial overwrites the points that it repeats."""
    _put(connection, curve_points, ("trial_id", "steps"), **values)


def add_comment(connection: Connection, job_id: str, iteration: int, text: str) -> None:
    """Insert a user's comment for the prompts of round `iteration` and later ones."""
    connection.execute(insert(comments).values(job_id=job_id, iteration=iteration, text=text, created_at=now()))


def comments_of(connection: Connection, job_id: str, iteration: int) -> tuple[str, ...]:
    """Return the comments for the prompts of round `iteration`, oldest first."""
    query = select(comments.c.text).where(comments.c.job_id == job_id, comments.c.iteration <= iteration)
    return tuple(connection.execute(query.order_by(comments.c.id)).scalars())


def put_analysis(connection: Connection, **values: Any) -> None:
    """Insert or update a candidate's diagnosis with the analyzer's text."""
    _put(connection, analyses, ("candidate_id",), **values)


def put_worker(connection: Connection, **values: Any) -> None:
    """Insert or update the row of a worker."""
    _put(connection, workers, ("name",), **values)


def put_artifact(connection: Connection, **values: Any) -> None:
    """Insert or update the location of a trial's file."""
    _put(connection, artifacts, ("trial_id", "kind"), created_at=now(), **values)


def _put(connection: Connection, table: Table, key: tuple[str, ...], **values: Any) -> None:
    statement = dialect_insert(connection, table).values(**values)
    changes = {name: value for name, value in values.items() if name not in key and name != "created_at"}
    if changes:
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=changes)
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement)
