"""Captions and their labels; and the labels of a trial on disk, with the rollout at which each was taken: rewards can
be computed again from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Caption:
    """A transition in words. key: 64 bits, equal where the words are. progress: the simulator's truth, which only a
    simulated labeller may read: whether it first occurred on a step that the planner's solutions pass."""

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


class LabelFile:
    """`labels.jsonl` in a trial's folder: one label per line, in the order in which training took them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "labels.jsonl"
        self.count = 0
        self._begun = False

    def append(self, labels: Sequence[Label], rollout: int, version: int) -> None:
        """Write labels taken at rollout number `rollout`; `version`: the first of the reward model that knows them."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # What a trial wrote that was killed before its first checkpoint is not this trial's.
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
        """Go on after the first `count` labels; what was written after the checkpoint is dropped. Returns them."""
        kept = self.path.read_text(encoding="utf-8").splitlines(keepends=True)[:count] if count else []
        if self.path.exists():
            self.path.write_text("".join(kept), encoding="utf-8")
        self.count, self._begun = len(kept), True
        return [label for _, label in map(_read, kept)]


def read_labels(path: Path) -> list[tuple[int, Label]]:
    """(rollout, label) of every line; empty without a file."""
    if not path.exists():
        return []
    return [_read(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _read(line: str) -> tuple[int, Label]:
    values = json.loads(line)
    captions = tuple(Caption(int(key), text, bool(progress)) for key, text, progress in values["captions"])
    return values["rollout"], Label(captions, values["value"], 0.0, values["waited_s"])
