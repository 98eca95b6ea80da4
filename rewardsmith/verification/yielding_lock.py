"""Work side by side: what waits for a reward host lets the others go on, and all else happens one at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Turns:
    """A lock that its holder hands on while it waits. Tasks and compiled code are not made for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here = threading.local()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Alone, but for waits."""
        with self._lock:
            self._here.held = True
            try:
                yield
            finally:
                self._here.held = False

    @contextmanager
    def handed_on(self) -> Iterator[None]:
        """A wait: others may go on meanwhile. Does nothing for a thread that has taken no turn."""
        if not getattr(self._here, "held", False):
            yield
            return
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()


TURNS = Turns()


def side_by_side(work: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """`work` of every item, on one thread more than there are processors; raises what the first failing item raised.

    One more, since three layouts on two processors would else take as long as four.
    """
    todo = list(items)
    if len(todo) < 2:
        return [work(item) for item in todo]
    with ThreadPoolExecutor(min(len(todo), len(os.sched_getaffinity(0)) + 1)) as pool:
        return list(pool.map(work, todo))
