"""Submitting and steering through functions of the database, on Postgres: see migrations/versions/0005_submitters.py.

Revision 0007 put `reward` for `channels` in three of them. A submitter's role may read, and call these; it may write no
table (docs/service.md). Whoever may do more uses the same functions for submitted jobs, so that there is one way.
SQLite, whose file is its user's own, has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from rewardsmith.errors import StorageError, UsageError
from rewardsmith.storage.rows import Job, Scheduling

_RAISED, _FORBIDDEN = "P0001", "42501"
"""SQLSTATEs: what a function says of its caller's request; what a role may not do."""


def offered(connection: Connection) -> bool:
    """Whether the database has these functions."""
    return connection.dialect.name == "postgresql"


def steer(connection: Connection, job: Job) -> bool:
    """Whether `job` is steered by these functions: a submitted one, where there are any."""
    return job.service and offered(connection)


def submit(
    connection: Connection,
    spec: Mapping[str, Any],
    fingerprint: str,
    scheduling: Scheduling,
    *,
    oracle_informed: bool,
    program: Mapping[str, Any] | None,
) -> str:
    """Write a job, its opening and its first work items; returns the new id. Raises UsageError.

    program: of a given reward, as `program_of` makes it.
    """
    values = {
        "spec": json.dumps(spec), "fingerprint": fingerprint, "oracle": oracle_informed, "owner": scheduling.owner,
        "priority": scheduling.priority, "slots": scheduling.slots,
        "program": None if program is None else json.dumps(program),
    }  # fmt: skip
    return _call(
        connection,
        "submit(CAST(:spec AS jsonb), :fingerprint, :oracle, :owner, CAST(:priority AS integer), "
        "CAST(:slots AS integer), CAST(:program AS jsonb))",
        values,
    )


def program_of(reward: Mapping[str, Any], digest: str, *, oracle_informed: bool = True) -> dict[str, Any]:
    """What `submit` and `fork` take of a program: its TrainingReward as plain data, and its hash."""
    return {**reward, "hash": digest, "oracle_informed": oracle_informed}


def pause(connection: Connection, job_id: str, best: str | None) -> None:
    """Pause a running job; `best` is its best candidate so far, if there is one. Raises UsageError."""
    _call(connection, "pause(:job, :best)", {"job": job_id, "best": best})


def resume(connection: Connection, job_id: str) -> None:
    """Let a paused job run again. Raises UsageError."""
    _call(connection, "resume(:job)", {"job": job_id})


def cancel(connection: Connection, job_id: str) -> None:
    """End an unfinished job for good. Raises UsageError."""
    _call(connection, "cancel(:job)", {"job": job_id})


def set_priority(connection: Connection, job_id: str, number: int) -> None:
    """Higher goes first. Raises UsageError."""
    _call(connection, "priority(:job, CAST(:number AS integer))", {"job": job_id, "number": number})


def retry(connection: Connection, job_id: str) -> int:
    """Queue a job's lost items afresh; returns how many. Raises UsageError if nothing was lost."""
    return _call(connection, "retry(:job)", {"job": job_id})


def veto(connection: Connection, candidate_id: str, best: str | None) -> None:
    """Take a candidate out; where it was the job's best, `best` is from now on. Raises UsageError."""
    _call(connection, "veto(:candidate, :best)", {"candidate": candidate_id, "best": best})


def fork(connection: Connection, parent: str, program: Mapping[str, Any]) -> str:
    """A person's program joins the next round of its parent's job; returns the new candidate. Raises UsageError."""
    return _call(
        connection, "fork(:parent, CAST(:program AS jsonb))", {"parent": parent, "program": json.dumps(program)}
    )


def comment(connection: Connection, job_id: str, words: str) -> int:
    """Say something to a job's next round; returns its number. Raises UsageError."""
    return _call(connection, "comment(:job, :words)", {"job": job_id, "words": words})


def _call(connection: Connection, call: str, values: Mapping[str, Any]) -> Any:
    with _explained():
        return connection.execute(text(f"SELECT rewardsmith_{call}"), values).scalar()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        told = getattr(error.orig, "diag", None)
        if state == _RAISED and told is not None:
            raise UsageError(told.message_primary, told.message_hint or "See docs/service.md.") from error
        if state.startswith("22"):  # a value that no column of its type holds
            raise UsageError(f"The database refuses a value: {told.message_primary if told else error}.", "") from error
        if state == _FORBIDDEN:
            raise StorageError(
                "This database role may not submit or steer jobs.",
                "Have its functions granted to it: docs/service.md shows the statements.",
            ) from error
        raise
