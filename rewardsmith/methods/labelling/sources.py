"""Where a trial's labels come from: a labeller that is asked while training goes on, or an earlier trial's file."""

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
    """Labels of captions; nothing here makes the caller wait."""

    @property
    def waiting(self) -> int:
        """Captions that are to be labelled, or are being labelled; 0 = all that were offered have a label."""
        ...

    @property
    def calls(self) -> int:
        """Requests to a language model so far."""
        ...

    @property
    def stopped(self) -> str | None:
        """Why nothing more is labelled, if so."""
        ...

    def offer(self, captions: Sequence[Caption]) -> None:
        """Ask for labels of captions, the last first, except those labelled or under way."""
        ...

    def know(self, captions: Sequence[Caption]) -> None:
        """Take captions for labelled: a resumed trial has their labels on disk."""
        ...

    def collect(self) -> list[Label]:
        """Labels that have arrived since the last call, which is made once per rollout."""
        ...

    def close(self) -> None:
        """Ask no more."""
        ...


@dataclass(frozen=True)
class Asking:
    """How a labeller is asked. batch: captions at once; capacity: captions that wait, the oldest fall out; pairs:
    compare each caption with another one instead of labelling it; seed: of which one."""

    batch: int = 100
    capacity: int = 10_000
    threads: int = 1
    pairs: bool = False
    seed: int = 0


class LiveLabels:
    """Threads ask a labeller, the newest captions first, each once (the released ONI code queues the same caption
    twice)."""

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
        """Captions on the stack or under way."""
        return self._asker.outstanding

    @property
    def calls(self) -> int:
        """The labeller's."""
        return self._labeller.calls

    @property
    def stopped(self) -> str | None:
        """What the labeller raised: a spent budget, or a model that cannot be had."""
        failure = self._asker.failure
        return None if failure is None else str(failure)

    def offer(self, captions: Sequence[Caption]) -> None:
        """Put captions on the stack, the last on top."""
        self._asker.offer(captions)

    def know(self, captions: Sequence[Caption]) -> None:
        """Ask about none of these."""
        self._remember(captions)
        self._asker.know(caption.key for caption in captions)

    def collect(self) -> list[Label]:
        """Labels that have arrived since the last call."""
        return self._asker.collect()

    def close(self) -> None:
        """Let the threads end; one that waits for an answer is left to itself."""
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
        """Another caption of this batch or an earlier one, each as likely; the same one if there is no other."""
        with self._lock:
            others = [c for c in batch if c.key != caption.key]
            others += [c for c in self._labelled.values() if c.key != caption.key]
            return others[int(self._rng.integers(len(others)))] if others else caption


class StoredLabels:
    """The labels of a file, given out at the rollouts at which training took them. Nobody is asked."""

    stopped: str | None = None
    waiting = 0
    calls = 0

    def __init__(self, path: Path) -> None:
        self._labels = read_labels(path)
        self._rollout = -1

    def offer(self, captions: Sequence[Caption]) -> None:
        """Nobody is asked."""

    def know(self, captions: Sequence[Caption]) -> None:
        """Nobody is asked."""

    def collect(self) -> list[Label]:
        """The labels of the next rollout; the first call is for rollout 0."""
        self._rollout += 1
        return [label for rollout, label in self._labels if rollout == self._rollout]

    def close(self) -> None:
        """Nothing to end."""
