"""Reads of the database: one question, two ways to the answer.

A `Reader` is SQLite's own driver, for commands that only read; a `Connection` is SQLAlchemy's, for everything else.
SQLAlchemy is imported where it is needed: that takes longer than everything that `ls` or `show` has to do.
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
    """A connection to a database that must exist. Raises StorageError with the remedy."""
    if url.startswith("sqlite:///"):
        try:
            reader = Reader(Path(url.removeprefix("sqlite:///")))
        except (sqlite3.Error, LookupError):
            pass  # absent, damaged, locked or of another version: said, or mended, below
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
            f"The database cannot be read: {error}.", "See who else uses it: `rewardsmith ls`, `rewardsmith doctor`."
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
    """Rows of a table or view as dicts: those whose columns `equal` the given values, None meaning any.

    order: columns, "-" before one for descending. prefix: (column, text that its value begins with).
    """
    wanted = {name: value for name, value in equal.items() if value is not None}
    return _answered(connection, Query(table, columns, order, prefix, limit, wanted))


def _answered(connection: Readable, query: Query) -> list[dict[str, Any]]:
    if isinstance(connection, Reader):
        return connection.fetch(query)
    from rewardsmith.storage.selection import fetch_rows

    return fetch_rows(connection, query)


def get_job(connection: Readable, job_id: str) -> Job:
    """The job called exactly `job_id`. Raises KeyError."""
    return Job(**_one(fetch(connection, "jobs", id=job_id), job_id))


def get_candidate(connection: Readable, candidate_id: str) -> Candidate:
    """The candidate called exactly `candidate_id`. Raises KeyError."""
    return Candidate(**_one(fetch(connection, "candidates", id=candidate_id), candidate_id))


def candidates_of(connection: Readable, job_id: str) -> list[Candidate]:
    """All candidates of a job, in the order they were designed."""
    return [Candidate(**row) for row in fetch(connection, "candidates", order=("iteration", "id"), job_id=job_id)]


def iterations_of(connection: Readable, job_id: str) -> list[Iteration]:
    """The rounds of a job, in order."""
    return [Iteration(**row) for row in fetch(connection, "iterations", order=("number",), job_id=job_id)]


def trials_of(connection: Readable, *, job_id: str | None = None, candidate_id: str | None = None) -> list[Trial]:
    """The trials of a job or of a candidate, in order of their seeds."""
    order = ("candidate_id", "purpose", "seed")
    return [Trial(**row) for row in fetch(connection, "trials", order=order, job_id=job_id, candidate_id=candidate_id)]


def curve_of(connection: Readable, trial_id: int) -> list[Mapping[str, Any]]:
    """The points of a trial's curve, by steps."""
    return [*fetch(connection, "curve_points", order=("steps",), trial_id=trial_id)]


def items_of(connection: Readable, job_id: str) -> list[Item]:
    """The items that a job's course depends on, in the order they were added: all but trials' questions."""
    query = Query("work_items", order=("id",), equal={"job_id": job_id}, unequal={"kind": "ask"})
    return [item_of(row) for row in _answered(connection, query)]


def _one(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    if len(rows) != 1:
        raise KeyError(name)
    return rows[0]
