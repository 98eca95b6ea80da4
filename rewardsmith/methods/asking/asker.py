"""Asker: questions go onto a stack, threads answer the newest first, training takes what is ready.

Nothing here makes the caller wait. A question is asked once: those waiting, under way and answered are all known.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from rewardsmith.errors import RewardsmithError


class Keyed(Protocol):
    """A question. key: equal where the question is."""

    @property
    def key(self) -> int: ...


Q = TypeVar("Q", bound=Keyed)
A = TypeVar("A")


class Asker(Generic[Q, A]):
    """Threads around `answer`, which takes the questions of one batch, each with the time at which it was offered
    (seconds on the monotonic clock), and returns one answer for each. It may take as long as it likes; a
    RewardsmithError that it raises ends the asking and is kept as `failure`.

    batch: questions taken from the stack at once. capacity: of the stack; the oldest fall out.
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
        """Questions taken from the stack so far; a resumed trial sets it to what its checkpoint says."""
        self.failure: RewardsmithError | None = None
        """Why nothing more is asked, if so."""
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def offer(self, questions: Sequence[Q]) -> None:
        """Put questions on the stack, the last on top, except those answered or under way; returns at once."""
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
        """Answers that have arrived since the last call; returns at once."""
        with self._changed:
            ready, self._ready = self._ready, []
        return ready

    def know(self, keys: Iterable[int]) -> None:
        """Take questions for answered: a resumed trial has their answers."""
        with self._changed:
            self._answered.update(keys)

    @property
    def waiting(self) -> int:
        """Questions on the stack."""
        with self._changed:
            return len(self._stack)

    @property
    def outstanding(self) -> int:
        """Questions on the stack or under way; 0 = all are answered, and the threads rest."""
        with self._changed:
            return len(self._stack) + len(self._under_way)

    def close(self) -> None:
        """Let the threads end; one that waits for an answer is left to itself."""
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
        """The newest questions, newest first; None once closed."""
        with self._changed:
            while not self._stack and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            taken = [self._stack.popitem()[1] for _ in range(min(self._batch, len(self._stack)))]
            self._under_way.update(question.key for question, _ in taken)
            self.asked += len(taken)
        return taken
