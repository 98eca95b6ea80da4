"""Cooperative threads: a lock around Python and compiled code, released while a thread waits for a reward host."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Turns:
    """A lock that its holder releases while it waits. Tasks and compiled code are not thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here = threading.local()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock; other threads run only while this one waits for a reward host."""
        with self._lock:
            self._here.held = True
            try:
                yield
            finally:
                self._here.held = False

    @contextmanager
    def released(self) -> Iterator[None]:
        """Release the lock while waiting for a reward host. Does nothing in a thread that does not hold it."""
        if not getattr(self._here, "held", False):
            yield
            return
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()


TURNS = Turns()


_AT_ONCE: ContextVar[int | None] = ContextVar("at_once", default=None)


@contextmanager
def at_once(count: int | None) -> Iterator[None]:
    """Limit how many items `side_by_side` works on at once, and so the reward hosts that run; None for no limit."""
    token = _AT_ONCE.set(count)
    try:
        yield
    finally:
        _AT_ONCE.reset(token)


def side_by_side(work: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """Return `work(item)` of every item, computed on one thread more than there are processors; see `at_once`.

    With one thread per processor, three layouts on two processors would take as long as four. Raises the exception of
    the first item that failed.
    """
    todo = list(items)
    most = _AT_ONCE.get() or len(os.sched_getaffinity(0)) + 1
    if len(todo) < 2 or most < 2:
        return [work(item) for item in todo]
    with ThreadPoolExecutor(min(len(todo), most)) as pool:
        return list(pool.map(work, todo))
