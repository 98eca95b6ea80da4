"""Sources of a trial's labels: a labeller that is asked during training, or the file of an earlier trial."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from rewardsmith.methods.asking.asker import Asker
from rewardsmith.methods.labelling.labeller import Labeller
from rewardsmith.methods.labelling.labels import Caption, Label, read_labels


class LabelSource(Protocol):
    """A source of labels. No call blocks."""

    @property
    def waiting(self) -> int:
        """The number of offered captions without a label."""
        ...

    @property
    def calls(self) -> int:
        """The number of requests to a language model so far."""
        ...

    @property
    def stopped(self) -> str | None:
        """The error that stopped the labelling, or None."""
        ...

    def offer(self, captions: Sequence[Caption]) -> None:
        """Request labels of captions, the last one first; skip those labelled or in progress."""
        ...

    def know(self, captions: Sequence[Caption]) -> None:
        """Mark captions as labelled: a resumed trial has their labels on disk."""
        ...

    def collect(self) -> list[Label]:
        """Return the labels that have arrived since the last call; called once per rollout."""
        ...

    def close(self) -> None:
        """Stop requesting labels, and end the threads."""
        ...


@dataclass(frozen=True)
class Asking:
    """How to ask a labeller.

    Attributes:
        batch: Captions per batch.
        capacity: Captions that may wait; the oldest are dropped.
        threads: Batches labelled at the same time.
        pairs: Whether to compare each caption with a random other one instead of labelling it.
        seed: Seed of these comparisons.
    """

    batch: int = 100
    capacity: int = 10_000
    threads: int = 1
    pairs: bool = False
    seed: int = 0


class LiveLabels:
    """Asks a labeller in threads, the newest captions first.

    Each caption is asked once; the released ONI code may queue a caption twice.
    """

    def __init__(self, labeller: Labeller, how: Asking | None = None) -> None:
        how = how or Asking()
        self._labeller, self._pairs = labeller, how.pairs
        self._rng = np.random.default_rng(how.seed)
        self._labelled: dict[int, Caption] = {}
        self._lock = threading.Lock()
        self._asker: Asker[Caption, Label] = Asker(
            self._answer, batch=how.batch, capacity=how.capacity, threads=how.threads
        )

    @property
    def waiting(self) -> int:
        """The number of captions on the stack or in progress."""
        return self._asker.outstanding

    @property
    def calls(self) -> int:
        """The number of requests of the labeller to a language model."""
        return self._labeller.calls

    @property
    def stopped(self) -> str | None:
        """The labeller's error: the budget is spent, or the model is unavailable. None while it works."""
        failure = self._asker.failure
        return None if failure is None else str(failure)

    def offer(self, captions: Sequence[Caption]) -> None:
        """Put captions on the stack, the last one on top."""
        self._asker.offer(captions)

    def know(self, captions: Sequence[Caption]) -> None:
        """Mark captions as labelled; they are not asked about."""
        self._remember(captions)
        self._asker.know(caption.key for caption in captions)

    def collect(self) -> list[Label]:
        """Return the labels that have arrived since the last call."""
        return self._asker.collect()

    def close(self) -> None:
        """Stop the threads without waiting for answers in progress."""
        self._asker.close()

    def _remember(self, captions: Sequence[Caption]) -> None:
        with self._lock:
            self._labelled.update((caption.key, caption) for caption in captions)

    def _answer(self, taken: Sequence[tuple[Caption, float]]) -> list[Label]:
        captions = [caption for caption, _ in taken]
        groups: list[tuple[Caption, ...]]
        if self._pairs:
            pairs = [(caption, self._opponent(caption, captions)) for caption in captions]
            groups, values = [*pairs], self._labeller.compare(pairs)
        else:
            groups, values = [(caption,) for caption in captions], self._labeller.label(captions)
        arrived = time.monotonic()
        self._remember(captions)
        return [Label(g, v, asked, arrived) for g, v, (_, asked) in zip(groups, values, taken, strict=True)]

    def _opponent(self, caption: Caption, batch: Sequence[Caption]) -> Caption:
        """Draw another caption of this or an earlier batch uniformly; the same caption if there is no other."""
        with self._lock:
            others = [c for c in batch if c.key != caption.key]
            others += [c for c in self._labelled.values() if c.key != caption.key]
            return others[int(self._rng.integers(len(others)))] if others else caption


class StoredLabels:
    """Labels of a file, returned at the rollouts at which the earlier trial received them. Asks no labeller."""

    stopped: str | None = None
    waiting = 0
    calls = 0

    def __init__(self, path: Path) -> None:
        self._labels = read_labels(path)
        self._rollout = -1

    def offer(self, captions: Sequence[Caption]) -> None:
        """Do nothing: the labels are known already."""

    def know(self, captions: Sequence[Caption]) -> None:
        """Do nothing: no caption is asked about."""

    def collect(self) -> list[Label]:
        """Return the labels of the next rollout; the first call is for rollout 0."""
        self._rollout += 1
        return [label for rollout, label in self._labels if rollout == self._rollout]

    def close(self) -> None:
        """Do nothing: there are no threads."""
