"""Submits and steers jobs through functions of a Postgres database.

migrations/versions/0005_submitters.py defines these functions; 0007 and 0008 renamed columns in some. The role of a
submitter may read tables and call the functions, but may not write tables (docs/service.md). Roles with more rights
use the same functions for submitted jobs. SQLite has no functions, because its file belongs to one user.
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
"""SQLSTATEs of an error raised by a function, and of a missing permission."""


def offered(connection: Connection) -> bool:
    """Return whether the database has these functions."""
    return connection.dialect.name == "postgresql"


def steer(connection: Connection, job: Job) -> bool:
    """Return whether these functions steer `job`: a submitted job on Postgres."""
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
    """Write a job with its first round, candidates and work items.

    Args:
        connection: A connection to the database.
        spec: Settings of the job.
        fingerprint: Hash by which an unfinished job with the same settings is found.
        scheduling: Owner, priority and slots.
        oracle_informed: Whether the job uses privileged information.
        program: The seed reward as `program_of` returns it, or None.

    Returns:
        The id of the new job.

    Raises:
        UsageError: The database refuses a value.
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
    """Return a program in the form that `submit` and `fork` take: its TrainingReward as plain data, and its hash."""
    return {**reward, "hash": digest, "oracle_informed": oracle_informed}


def pause(connection: Connection, job_id: str, best: str | None) -> None:
    """Pause a running job; `best` is its best candidate so far, or None. Raises UsageError if it does not run."""
    _call(connection, "pause(:job, :best)", {"job": job_id, "best": best})


def resume(connection: Connection, job_id: str) -> None:
    """Resume a paused job. Raises UsageError if it is not paused."""
    _call(connection, "resume(:job)", {"job": job_id})


def cancel(connection: Connection, job_id: str) -> None:
    """End an unfinished job for good. Raises UsageError if it has ended."""
    _call(connection, "cancel(:job)", {"job": job_id})


def set_priority(connection: Connection, job_id: str, number: int) -> None:
    """Set a job's priority; higher numbers go first. Raises UsageError if the number is refused."""
    _call(connection, "priority(:job, CAST(:number AS integer))", {"job": job_id, "number": number})


def retry(connection: Connection, job_id: str) -> int:
    """Queue a job's lost items again and return their number. Raises UsageError if none was lost."""
    return _call(connection, "retry(:job)", {"job": job_id})


def veto(connection: Connection, candidate_id: str, best: str | None) -> None:
    """Remove a candidate from the search; `best` replaces it as the job's best. Raises UsageError."""
    _call(connection, "veto(:candidate, :best)", {"candidate": candidate_id, "best": best})


def fork(connection: Connection, parent: str, program: Mapping[str, Any]) -> str:
    """Add a user's program to the next round of its parent's job; return the new candidate's id. Raises UsageError."""
    return _call(
        connection, "fork(:parent, CAST(:program AS jsonb))", {"parent": parent, "program": json.dumps(program)}
    )


def comment(connection: Connection, job_id: str, words: str) -> int:
    """Add a user's comment to a job's prompts; return the first round that has it. Raises UsageError."""
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
        diagnostics = getattr(error.orig, "diag", None)
        if state == _RAISED and diagnostics is not None:
            raise UsageError(diagnostics.message_primary, diagnostics.message_hint or "See docs/service.md.") from error
        if state.startswith("22"):  # data exception, such as a number out of range
            reason = diagnostics.message_primary if diagnostics else error
            raise UsageError(f"The database refuses a value: {reason}.", "Correct that setting of the job.") from error
        if state == _FORBIDDEN:
            raise StorageError(
                "This database role may not submit or steer jobs.",
                "Ask the database's owner to grant its functions to the role; docs/service.md has the statements.",
            ) from error
        raise
