"""Reads of the database, by either of two kinds of connection.

Commands that only read use a `Reader` (sqlite3); everything else uses SQLAlchemy's `Connection`. SQLAlchemy is imported
only where it is needed, because the import takes longer than all other work of `ls` or `show`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import StorageError
from rewardsmith.storage.query import Query
from rewardsmith.storage.reader import Reader
from rewardsmith.storage.rows import Candidate, Item, Iteration, Job, Trial, item_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    Readable = Connection | Reader


@contextmanager
def open_reader(url: str) -> Iterator[Readable]:
    """Open an existing database for reading. Raises StorageError if it is missing or unusable."""
    if url.startswith("sqlite:///"):
        try:
            reader = Reader(Path(url.removeprefix("sqlite:///")))
        except (sqlite3.Error, LookupError):
            pass  # absent, damaged, locked or of another version: open_database reports it, or migrates the file
        else:
            with reader, _explained():
                yield reader
            return
    from rewardsmith.storage.database import open_database, read

    with read(open_database(url, must_exist=True)) as connection:
        yield connection


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"The database cannot be read: {error}.",
            "Run the command again; if it fails again, run `rewardsmith doctor`.",
        ) from error


def fetch(
    connection: Readable,
    table: str,
    *,
    columns: Sequence[str] = (),
    order: Sequence[str] = (),
    prefix: tuple[str, str] | None = None,
    limit: int | None = None,
    **equal: Any,
) -> list[dict[str, Any]]:
    """Return rows of a table or view as dicts.

    Args:
        connection: A connection to the database.
        table: Name of the table or view.
        columns: Columns to return; all if empty.
        order: Columns to sort by, with a leading "-" for descending order.
        prefix: A column and the text that its value begins with.
        limit: Largest number of rows.
        **equal: Values that columns must have; None matches any value.
    """
    wanted = {name: value for name, value in equal.items() if value is not None}
    return _answered(connection, Query(table, columns, order, prefix, limit, wanted))


def _answered(connection: Readable, query: Query) -> list[dict[str, Any]]:
    if isinstance(connection, Reader):
        return connection.fetch(query)
    from rewardsmith.storage.selection import fetch_rows

    return fetch_rows(connection, query)


def get_job(connection: Readable, job_id: str) -> Job:
    """Return the job with this id. Raises KeyError if there is none."""
    return Job(**_one(fetch(connection, "jobs", id=job_id), job_id))


def get_candidate(connection: Readable, candidate_id: str) -> Candidate:
    """Return the candidate with this id. Raises KeyError if there is none."""
    return Candidate(**_one(fetch(connection, "candidates", id=candidate_id), candidate_id))


def candidates_of(connection: Readable, job_id: str) -> list[Candidate]:
    """Return all candidates of a job, in the order in which they were designed."""
    return [Candidate(**row) for row in fetch(connection, "candidates", order=("iteration", "id"), job_id=job_id)]


def iterations_of(connection: Readable, job_id: str) -> list[Iteration]:
    """Return the rounds of a job, in order."""
    return [Iteration(**row) for row in fetch(connection, "iterations", order=("number",), job_id=job_id)]


def trials_of(connection: Readable, *, job_id: str | None = None, candidate_id: str | None = None) -> list[Trial]:
    """Return the trials of a job or of a candidate, sorted by candidate, purpose and seed."""
    order = ("candidate_id", "purpose", "seed")
    return [Trial(**row) for row in fetch(connection, "trials", order=order, job_id=job_id, candidate_id=candidate_id)]


def curve_of(connection: Readable, trial_id: int) -> list[Mapping[str, Any]]:
    """Return the points of a trial's learning curve, sorted by environment steps."""
    return [*fetch(connection, "curve_points", order=("steps",), trial_id=trial_id)]


def items_of(connection: Readable, job_id: str) -> list[Item]:
    """Return a job's work items in the order in which they were added, except the questions of trials to models."""
    query = Query("work_items", order=("id",), equal={"job_id": job_id}, unequal={"kind": "ask"})
    return [item_of(row) for row in _answered(connection, query)]


def _one(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    if len(rows) != 1:
        raise KeyError(name)
    return rows[0]
