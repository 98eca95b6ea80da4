"""How much of long work is done, for whoever waits. That is counted by a clock, so nothing may be decided by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0
"""Seconds that somebody waits before being told how long it will take."""
_MEASURED = 0.5  # seconds that a rate must rest on
_WORTH_TELLING = 3.0  # seconds still to go
_LATER = 1.5  # told again only if it takes so many times as long as was told


class _Announcer:
    """Tells how long work will still take, from the rate observed so far."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._first = time.monotonic()
        self._began: dict[str, tuple[float, int]] = {}  # when each kind of work began, and how much was done by then
        self._promised = 0.0  # seconds from the first to the last, as told

    def report(self, what: str, done: int, most: int, bound: bool, begins: bool) -> None:
        now = time.monotonic()
        if begins:
            self._began[what] = now, done
        began, before = self._began.setdefault(what, (now, done))
        if now - self._first < PATIENCE or now - began < _MEASURED or done <= before:
            return
        left = (now - began) * (most - done) / (done - before)
        if left >= _WORTH_TELLING and now + left - self._first > _LATER * self._promised:
            self._promised = now + left - self._first
            upto = "at most " if bound else ""
            self._tell(f"{what}: {done:,} of {upto}{most:,} so far, {upto}{_duration(left)} to go")


_listening: list[_Announcer] = []


@contextmanager
def announced(tell: Callable[[str], None]) -> Iterator[None]:
    """While this lasts, `tell` gets a line about work that takes more than PATIENCE seconds: how long it still will."""
    _listening.append(_Announcer(tell))
    try:
        yield
    finally:
        _listening.pop()


def report(what: str, done: int, most: int, *, bound: bool = False, begins: bool = False) -> None:
    """`done` of `most` parts of some work are finished; `bound`: there may be fewer. Nothing where nobody listens.

    `begins`: the rate is counted from here on.
    """
    if _listening:
        _listening[-1].report(what, done, most, bound, begins)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
