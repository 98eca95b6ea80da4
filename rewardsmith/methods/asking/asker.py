"""Asker: questions are put on a stack, threads answer the newest first, and training collects finished answers.

No call blocks. Each question is asked once: the asker knows those waiting, in progress and answered.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from rewardsmith.errors import RewardsmithError


class Keyed(Protocol):
    """A question with a key; equal questions have equal keys."""

    @property
    def key(self) -> int: ...


Q = TypeVar("Q", bound=Keyed)
A = TypeVar("A")


class Asker(Generic[Q, A]):
    """Answers questions in background threads.

    Args:
        answer: Receives a batch of questions, each with the time at which it was offered (seconds on the monotonic
            clock), and returns one answer for each. It may block. A RewardsmithError that it raises stops all asking
            and is kept as `failure`.
        batch: Largest number of questions per batch.
        capacity: Size of the stack; the oldest questions are dropped.
        threads: Number of threads.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[tuple[Q, float]]], Sequence[A]],
        *,
        batch: int = 1,
        capacity: int = 10_000,
        threads: int = 1,
    ) -> None:
        self._answer, self._batch, self._capacity = answer, batch, capacity
        self._stack: OrderedDict[int, tuple[Q, float]] = OrderedDict()
        self._under_way: set[int] = set()
        self._answered: set[int] = set()
        self._ready: list[A] = []
        self._changed = threading.Condition()
        self._closed = False
        self.asked = 0
        """Questions taken from the stack so far; a resumed trial sets it to the value of its checkpoint."""
        self.failure: RewardsmithError | None = None
        """The error that stopped the asking, or None."""
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def offer(self, questions: Sequence[Q]) -> None:
        """Put questions on the stack, the last one on top; skip those answered or in progress. Does not block."""
        now = time.monotonic()
        with self._changed:
            for question in questions:
                if question.key not in self._answered and question.key not in self._under_way:
                    self._stack.setdefault(question.key, (question, now))
                    self._stack.move_to_end(question.key)
            while len(self._stack) > self._capacity:
                self._stack.popitem(last=False)
            self._changed.notify_all()

    def collect(self) -> list[A]:
        """Return the answers that have arrived since the last call. Does not block."""
        with self._changed:
            ready, self._ready = self._ready, []
        return ready

    def know(self, keys: Iterable[int]) -> None:
        """Mark questions as answered: a resumed trial has their answers already."""
        with self._changed:
            self._answered.update(keys)

    @property
    def waiting(self) -> int:
        """The number of questions on the stack."""
        with self._changed:
            return len(self._stack)

    @property
    def outstanding(self) -> int:
        """The number of questions on the stack or in progress."""
        with self._changed:
            return len(self._stack) + len(self._under_way)

    def close(self) -> None:
        """Stop the threads without waiting for answers in progress."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            keys = {question.key for question, _ in taken}
            try:
                answers = self._answer(taken)
            except RewardsmithError as error:
                with self._changed:
                    self.failure, self._closed = self.failure or error, True
                    self._under_way -= keys
                    self._changed.notify_all()
                return
            with self._changed:
                self._ready += answers
                self._answered |= keys
                self._under_way -= keys

    def _take(self) -> list[tuple[Q, float]] | None:
        """Return the newest questions, the newest first; wait for one. None once closed."""
        with self._changed:
            while not self._stack and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            taken = [self._stack.popitem()[1] for _ in range(min(self._batch, len(self._stack)))]
            self._under_way.update(question.key for question, _ in taken)
            self.asked += len(taken)
        return taken
