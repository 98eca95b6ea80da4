"""An asynchronous annotator: captions go onto a stack, threads label the newest first, training takes what is ready.

Nothing here makes the caller wait. A caption is asked about once: those waiting, under way and labelled are all known
(the released ONI code queues the same caption twice).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rewardsmith.agents.models import ModelFailed
from rewardsmith.errors import BudgetSpent, LostItem


@dataclass(frozen=True)
class Caption:
    """A transition in words. key: 64 bits, equal where the words are. progress: the simulator's truth, which only a
    stand-in may read: whether it first occurred on a step that the planner's solutions pass."""

    key: int
    text: str
    progress: bool = False


@dataclass(frozen=True)
class Label:
    """`value` in [0, 1]: of one caption, 1 = helpful; of two, 1 = the first is the more helpful, 0.5 = neither.

    asked, arrived: seconds on the monotonic clock.
    """

    captions: tuple[Caption, ...]
    value: float
    asked: float
    arrived: float


class Judge(Protocol):
    """Whoever labels. Called from the annotator's threads; may take as long as it likes.

    Raises BudgetSpent or ModelFailed when no labels can be had. calls: requests to a language model so far.
    """

    calls: int

    def label(self, captions: Sequence[Caption]) -> list[float]:
        """1.0 = helpful, 0.0 = not, for each."""
        ...

    def compare(self, pairs: Sequence[tuple[Caption, Caption]]) -> list[float]:
        """1.0 = the first is the more helpful, 0.0 = the second, 0.5 = neither, for each pair."""
        ...


class Annotator:
    """Threads around a Judge. `batch`: captions taken from the stack at once; `capacity`: of the stack, the oldest
    fall out; `pairs`: compare each caption with another one instead of labelling it."""

    def __init__(
        self,
        judge: Judge,
        *,
        batch: int = 100,
        capacity: int = 10_000,
        threads: int = 1,
        pairs: bool = False,
        seed: int = 0,
    ) -> None:
        self.judge, self._batch, self._capacity, self._pairs = judge, batch, capacity, pairs
        self._stack: OrderedDict[int, tuple[Caption, float]] = OrderedDict()
        self._under_way: set[int] = set()
        self._labelled: dict[int, Caption] = {}
        self._ready: list[Label] = []
        self._changed = threading.Condition()
        self._closed = False
        self._rng = np.random.default_rng(seed)
        self.stopped: str | None = None
        """Why nothing more is asked, if so."""
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def offer(self, captions: Sequence[Caption]) -> None:
        """Put captions on the stack, the last on top, except those labelled or under way; at once."""
        now = time.monotonic()
        with self._changed:
            for caption in captions:
                if caption.key not in self._labelled and caption.key not in self._under_way:
                    self._stack.setdefault(caption.key, (caption, now))
                    self._stack.move_to_end(caption.key)
            while len(self._stack) > self._capacity:
                self._stack.popitem(last=False)
            self._changed.notify_all()

    def collect(self) -> list[Label]:
        """Labels that have arrived since the last call; at once."""
        with self._changed:
            ready, self._ready = self._ready, []
        return ready

    def know(self, captions: Sequence[Caption]) -> None:
        """Take captions for labelled: a resumed trial has their labels on disk."""
        with self._changed:
            self._labelled.update((caption.key, caption) for caption in captions)

    @property
    def waiting(self) -> int:
        """Captions on the stack or under way; 0 = all are known, and the threads rest."""
        with self._changed:
            return len(self._stack) + len(self._under_way)

    def close(self) -> None:
        """Let the threads end; one that waits for an answer is left to itself."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            try:
                labels = self._ask(taken)
            except (BudgetSpent, LostItem, ModelFailed) as error:
                with self._changed:
                    self.stopped, self._closed = str(error), True
                    self._under_way.difference_update(caption.key for caption, _ in taken)
                return
            with self._changed:
                self._ready += labels
                for caption, _ in taken:
                    self._labelled[caption.key] = caption
                    self._under_way.discard(caption.key)

    def _take(self) -> list[tuple[Caption, float]] | None:
        """The newest captions, newest first; None once closed."""
        with self._changed:
            while not self._stack and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            taken = [self._stack.popitem()[1] for _ in range(min(self._batch, len(self._stack)))]
            self._under_way.update(caption.key for caption, _ in taken)
        return taken

    def _ask(self, taken: list[tuple[Caption, float]]) -> list[Label]:
        if not self._pairs:
            values = self.judge.label([caption for caption, _ in taken])
            groups: list[tuple[Caption, ...]] = [(caption,) for caption, _ in taken]
        else:
            groups = [(caption, self._opponent(caption, taken)) for caption, _ in taken]
            values = self.judge.compare([(a, b) for a, b in groups])
        arrived = time.monotonic()
        return [Label(g, v, asked, arrived) for g, v, (_, asked) in zip(groups, values, taken, strict=True)]

    def _opponent(self, caption: Caption, taken: list[tuple[Caption, float]]) -> Caption:
        """Another caption of this batch or an earlier one, each as likely; the same one if there is no other."""
        with self._changed:
            others = [c for c, _ in taken if c.key != caption.key]
            others += [c for c in self._labelled.values() if c.key != caption.key]
            return others[int(self._rng.integers(len(others)))] if others else caption
