"""Retries transactions while the database's server restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

P = ParamSpec("P")
T = TypeVar("T")

OUTAGE_SECONDS = 120.0
"""How long a transaction is retried before its error is raised."""

_AGAIN = 0.5
# Postgres: shutdown or startup of the server, a transaction ended for idling, a deadlock or serialization failure.
_PASSING = ("57P01", "57P02", "57P03", "25P03", "40P01", "40001")


def is_outage(error: DBAPIError) -> bool:
    """Return whether the server is unavailable or asks to retry the transaction."""
    if error.orig is None or not type(error.orig).__module__.startswith("psycopg"):
        return False  # for a locked SQLite file the driver has already waited
    state = getattr(error.orig, "sqlstate", None)
    lost = state is None and type(error.orig).__name__ in ("OperationalError", "InterfaceError")
    return error.connection_invalidated or lost or (state or "") in _PASSING or (state or "").startswith("08")


def outlast(work: Callable[[], T]) -> T:
    """Call `work` until it succeeds, retrying after each outage. It must be one transaction that may run twice."""
    end = time.monotonic() + OUTAGE_SECONDS
    while True:
        try:
            return work()
        except DBAPIError as error:
            if not is_outage(error) or time.monotonic() > end:
                raise
        time.sleep(_AGAIN)


def patient(function: Callable[P, T]) -> Callable[P, T]:
    """Retry a function, which must be one transaction, while the server restarts."""

    @wraps(function)
    def outlasting(*arguments: P.args, **options: P.kwargs) -> T:
        return outlast(lambda: function(*arguments, **options))

    return outlasting
