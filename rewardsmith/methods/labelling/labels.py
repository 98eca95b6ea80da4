"""Captions, labels, and the file of a trial's labels, from which its rewards can be recomputed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Caption:
    """A transition in words.

    Attributes:
        key: 64-bit hash; equal texts have equal keys.
        text: The words.
        progress: The simulator's truth, for the oracle labeller only: whether the caption first occurred on a step that
            the planner's solutions contain.
    """

    key: int
    text: str
    progress: bool = False


@dataclass(frozen=True)
class Label:
    """The label of one caption, or of a pair.

    Attributes:
        captions: One caption, or two.
        value: In [0, 1]. One caption: 1 is helpful. Two: 1 means that the first is more helpful, 0.5 that neither is.
        asked: Time of the question, in seconds on the monotonic clock.
        arrived: Time of the answer, in seconds on the monotonic clock.
    """

    captions: tuple[Caption, ...]
    value: float
    asked: float
    arrived: float


class LabelFile:
    """The file `labels.jsonl` in a trial's folder: one label per line, in the order in which training received them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "labels.jsonl"
        self.count = 0
        self._begun = False

    def append(self, labels: Sequence[Label], rollout: int, version: int) -> None:
        """Append labels.

        Args:
            labels: The labels.
            rollout: Number of the rollout at which training received them, from 0.
            version: The first version of the reward model that is trained on them.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A file from an attempt that was killed before its first checkpoint is overwritten.
        with self.path.open("a" if self._begun else "w", encoding="utf-8") as file:
            for label in labels:
                line = {
                    "rollout": rollout,
                    "version": version,
                    "value": label.value,
                    "waited_s": round(label.arrived - label.asked, 6),
                    "captions": [[c.key, c.text, c.progress] for c in label.captions],
                }
                file.write(json.dumps(line) + "\n")
        self._begun = True
        self.count += len(labels)

    def resume(self, count: int) -> list[Label]:
        """Keep the first `count` labels, drop those written after the checkpoint, and return the kept ones."""
        kept = self.path.read_text(encoding="utf-8").splitlines(keepends=True)[:count] if count else []
        if self.path.exists():
            self.path.write_text("".join(kept), encoding="utf-8")
        self.count, self._begun = len(kept), True
        return [label for _, label in map(_read, kept)]


def read_labels(path: Path) -> list[tuple[int, Label]]:
    """Return (rollout, label) of every line; [] if there is no file."""
    if not path.exists():
        return []
    return [_read(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _read(line: str) -> tuple[int, Label]:
    values = json.loads(line)
    captions = tuple(Caption(int(key), text, bool(progress)) for key, text, progress in values["captions"])
    return values["rollout"], Label(captions, values["value"], 0.0, values["waited_s"])
