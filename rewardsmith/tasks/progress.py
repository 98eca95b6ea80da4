"""Progress of long computations, for display only: it depends on a clock, so no result may depend on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0
"""Seconds of work before the first estimate is shown."""
_MEASURED = 0.5  # seconds of measurement that a rate needs
_WORTH_TELLING = 3.0  # seconds; shorter remaining times are not shown
_LATER = 1.5  # a new estimate is shown only if it exceeds the previous one by this factor


class _Announcer:
    """Estimates the remaining time from the rate observed so far."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._first = time.monotonic()
        self._began: dict[str, tuple[float, int]] = {}  # start time and parts done at the start, by kind of work
        self._promised = 0.0  # total seconds, as last shown

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
    """Call `tell` with a line that estimates the remaining time, for work that takes more than PATIENCE seconds."""
    _listening.append(_Announcer(tell))
    try:
        yield
    finally:
        _listening.pop()


def report(what: str, done: int, most: int, *, bound: bool = False, begins: bool = False) -> None:
    """Report progress; without an enclosing `announced` this does nothing.

    Args:
        what: The work, as the start of a line.
        done: Finished parts.
        most: All parts.
        bound: Whether `most` is only an upper bound.
        begins: Whether the rate is measured from this call on.
    """
    if _listening:
        _listening[-1].report(what, done, most, bound, begins)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
