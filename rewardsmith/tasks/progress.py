"""How much of long work is done, for whoever waits. What is told comes from a clock, so nothing may be decided by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0
"""Seconds that somebody waits before being told how long it will take."""
_WORTH_TELLING = 3.0  # seconds still to go


class _Announcer:
    """Tells once of each kind of work how long it will still take, from the rate observed so far."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._began: dict[str, float] = {}
        self._told: set[str] = set()

    def report(self, what: str, done: int, most: int, bound: bool) -> None:
        now = time.monotonic()
        spent = now - self._began.setdefault(what, now)
        if what in self._told or spent < PATIENCE or done <= 0:
            return
        left = spent * (most - done) / done
        if left >= _WORTH_TELLING:
            self._told.add(what)
            upto = "at most " if bound else ""
            self._tell(f"{what}: {done:,} of {upto}{most:,} in {spent:.0f} s, {upto}{_duration(left)} to go")


_listening: list[_Announcer] = []


@contextmanager
def announced(tell: Callable[[str], None]) -> Iterator[None]:
    """While this lasts, `tell` gets a line about work that goes on for more than PATIENCE seconds, and how long it will."""
    _listening.append(_Announcer(tell))
    try:
        yield
    finally:
        _listening.pop()


def report(what: str, done: int, most: int, *, bound: bool = False) -> None:
    """`done` of `most` parts of a kind of work are finished; `bound`: there may be fewer. Nothing where nobody listens.

    Call it with done=0 when the work begins: its rate is counted from then on.
    """
    if _listening:
        _listening[-1].report(what, done, most, bound)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
