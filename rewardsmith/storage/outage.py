"""Outlasting a restart of the database's server: the statement waits, the work goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

P = ParamSpec("P")
T = TypeVar("T")

OUTAGE_SECONDS = 120.0
"""How long a worker waits for the server to come back before it gives up what it was doing."""

_AGAIN = 0.5
# Postgres: the operator stops or starts the server, this process slept in a transaction, or two waited for each other.
_PASSING = ("57P01", "57P02", "57P03", "25P03", "40P01", "40001")


def is_outage(error: DBAPIError) -> bool:
    """Whether the server is away or told this transaction to be tried again."""
    if error.orig is None or not type(error.orig).__module__.startswith("psycopg"):
        return False  # a SQLite file that is locked or full has been waited for already
    state = getattr(error.orig, "sqlstate", None)
    lost = state is None and type(error.orig).__name__ in ("OperationalError", "InterfaceError")
    return error.connection_invalidated or lost or (state or "") in _PASSING or (state or "").startswith("08")


def outlast(work: Callable[[], T]) -> T:
    """`work()`, again after each outage. It must be one transaction that may run twice."""
    end = time.monotonic() + OUTAGE_SECONDS
    while True:
        try:
            return work()
        except DBAPIError as error:
            if not is_outage(error) or time.monotonic() > end:
                raise
        time.sleep(_AGAIN)


def patient(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function that is one transaction outlast the server's restarts."""

    @wraps(function)
    def outlasting(*arguments: P.args, **options: P.kwargs) -> T:
        return outlast(lambda: function(*arguments, **options))

    return outlasting
