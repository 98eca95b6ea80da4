"""Labelled rewards for five tasks: those that the checks before training should reject, and those they should accept.

`entries()` returns them. About half were written by hand by an author who had not read the checks (blind_keys.py,
blind_lava.py); the others are drawn from families of good rewards and from their mutations (families.py). A third of
each task, chosen by hash, is held out: no check may be adjusted to it. label.py computes the labels with an
implementation that shares no code with rewardsmith (exact.py).
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import blind_keys, blind_lava, families

LABELS = Path(__file__).with_name("labels.json")
SCALES = {
    "MiniGrid-DoorKey-8x8-v0": 1.0,
    "MiniGrid-UnlockPickup-v0": 0.7,
    "MiniGrid-KeyCorridorS3R3-v0": 1.4,
    "MiniGrid-DoorKey-16x16-v0": 0.4,
    "MiniGrid-LavaCrossingS9N2-v0": 1.0,
}
"""The value of SCALE in the programs written by hand, by task."""
TASKS = tuple(SCALES)
TARGET_CAN_GO = ("MiniGrid-UnlockPickup-v0",)
GOOD_PER_STYLE = {True: 2, False: 3}  # with and without keys


@dataclass(frozen=True)
class Entry:
    """One reward of the set.

    Attributes:
        task: id of the task.
        name: name within the task.
        category: the author's opinion: "good", or a kind of flaw.
        origin: "blind", "family" or "mutant".
        source: text of the program.
    """

    task: str
    name: str
    category: str
    origin: str
    source: str

    @property
    def key(self) -> str:
        """Unique key of the reward within the set."""
        return f"{self.task} {self.name}"

    @property
    def held_out(self) -> bool:
        """Whether the reward belongs to the third that no check is adjusted to."""
        return int(hashlib.sha256(self.key.encode()).hexdigest(), 16) % 3 == 0


def entries(task: str | None = None) -> list[Entry]:
    """All rewards, or those of one task; the same on every call."""
    return [entry for name in TASKS if task in (None, name) for entry in _of(name)]


def labels() -> dict[str, dict[str, Any]]:
    """The rows of labels.json by key of the entry; empty before label.py has run."""
    return json.loads(LABELS.read_text(encoding="utf-8")) if LABELS.exists() else {}


def _of(task: str) -> list[Entry]:
    keys = "Lava" not in task
    found = []
    for name, (category, text) in (blind_keys if keys else blind_lava).PROGRAMS.items():
        scaled = re.sub(r"^SCALE = .*$", f"SCALE = {SCALES[task]}", text.lstrip("\n"), flags=re.MULTILINE)
        found.append(Entry(task, name, category, "blind", scaled))
    styles = families.GOOD_KEY if keys else families.GOOD_LAVA
    for style in styles:
        for k in range(GOOD_PER_STYLE[keys]):
            name = f"{style} {k + 1}"
            found.append(Entry(task, name, "good", "family", families.good(style, _draw(task, name), keys)))
    for style in families.CAREFUL if task in TARGET_CAN_GO else ():
        for k in range(3):
            name = f"{style}, target may go {k + 1}"
            found.append(Entry(task, name, "good", "family", families.careful(style, _draw(task, name))))
    mutations = families.MUTANTS_KEY if keys else families.MUTANTS_LAVA
    for k, mutation in enumerate(mutations):
        name = f"mutant {mutation}"
        text = families.mutant(mutation, styles[k % len(styles)], _draw(task, name), keys)
        found.append(Entry(task, name, families.MUTATIONS[mutation], "mutant", text))
    return found


def _draw(task: str, name: str) -> random.Random:
    return random.Random(f"{task} {name}")
