"""References that are recorded episodes, and the files that hold them.

A file is JSON: `{"format": 1, "task": ID, "episodes": [{"seed": 7, "actions": [...]}, ...]}`. The seed is the one that
`reset` was given; an action is a number from 0, or a list of numbers, as reward code reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.files import RECORD_BYTES, read_text
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.described.batch import FIRST_SEEDS
from rewardsmith.tasks.described.references.actions import accepted, idle, room
from rewardsmith.tasks.described.references.playing import PlayedReference, measure
from rewardsmith.tasks.reference import Reference, ReferencePlayer
from rewardsmith.tasks.schema import Schema

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup

_FORMAT = 1
_WRITE = "`rewardsmith tasks record TASK --out FILE` writes such a file; docs/tasks.md shows its form."


@dataclass(frozen=True)
class Episode:
    """One recorded episode: the seed of its reset, and its actions, int or float64 [A] each."""

    seed: int
    actions: tuple[Any, ...]


class RecordedReference(PlayedReference):
    """A reference that repeats recorded episodes from their seeds; after their last action it idles."""

    def __init__(self, name: str, setup: Setup, episodes: Sequence[Episode]) -> None:
        super().__init__(name, setup)
        self._episodes = {episode.seed - FIRST_SEEDS["train"]: episode for episode in episodes}

    def layouts(self, count: int) -> Sequence[int]:
        """Return at most `count` starts that were recorded, in the order of the file."""
        return list(self._episodes)[:count]

    def player(self, batch: BatchEnv) -> ReferencePlayer:
        """Return the recorded episodes at play in a batch that `batch` returned."""
        return _Player(self._episodes, batch, self.setup.form.actions)


class _Player:
    def __init__(self, episodes: Mapping[int, Episode], batch: BatchEnv, space: ActionSpace) -> None:
        self._episodes, self._batch, self._space = episodes, batch, space
        self._steps = np.zeros(batch.num_envs, np.int64)

    def actions(self, rows: NDArray[Any], starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the recorded actions of this step: int64 [N], or float64 [N, A]."""
        del rows
        self._steps[starts] = 0
        chosen = room(self._space, self._batch.num_envs)
        for n, step in enumerate(self._steps):
            episode = self._episodes.get(int(self._batch.layout[n]))
            left = () if episode is None else episode.actions[step:]
            chosen[n] = left[0] if left else idle(self._space)
        self._steps += 1
        return chosen


def read_episodes(path: Path, space: ActionSpace) -> tuple[Episode, ...]:
    """Read recorded episodes.

    Args:
        path: The file.
        space: The actions of the task.

    Raises:
        UsageError: If there is no such file, or it holds something else; the message names the episode and the step.
    """
    try:
        read = json.loads(read_text(path, RECORD_BYTES))
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.", "Correct `reference` in the description.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} holds no recorded episodes: {' '.join(str(error).split())}.", _WRITE) from error
    listed = read.get("episodes") if isinstance(read, Mapping) else None
    if not isinstance(listed, list) or not listed:
        raise UsageError(f"{path} holds no recorded episodes: it has no list `episodes`.", _WRITE)
    return tuple(_episode(path, number, each, space) for number, each in enumerate(listed, start=1))


def _episode(path: Path, number: int, read: Any, space: ActionSpace) -> Episode:
    if not isinstance(read, Mapping) or type(read.get("seed")) is not int or read["seed"] < 0:
        raise UsageError(f"Episode {number} of {path} has no `seed` that is a number from 0.", _WRITE)
    if not isinstance(read.get("actions"), list) or not read["actions"]:
        raise UsageError(f"Episode {number} of {path} has no list `actions`.", _WRITE)
    actions = []
    for step, action in enumerate(read["actions"], start=1):
        try:
            actions.append(accepted(action, space))
        except ValueError as error:
            raise UsageError(f"Step {step} of episode {number} of {path}: {error}.", _WRITE) from None
    return Episode(read["seed"], tuple(actions))


def write_episodes(path: Path, task_id: str, episodes: Sequence[Episode]) -> None:
    """Write recorded episodes as a file that `reference:` of a description may name."""
    listed = [{"seed": each.seed, "actions": [np.asarray(a).tolist() for a in each.actions]} for each in episodes]
    text = json.dumps({"format": _FORMAT, "task": task_id, "episodes": listed})
    path.write_text(text + "\n", encoding="utf-8")


def record_episodes(reference: Reference, schema: Schema, count: int) -> tuple[Episode, ...]:
    """Play `count` training layouts with a reference, and return those of its episodes that succeed. Raises TaskError.

    schema: The schema of the task's state rows.
    """
    batch = reference.batch(1)
    found: list[Episode] = []
    try:
        for layout in reference.layouts(count):
            taken: list[Any] = []
            if measure(batch, _Recorder(reference.player(batch), taken), (layout,), schema).successes:
                found.append(Episode(FIRST_SEEDS["train"] + layout, tuple(taken)))
    finally:
        batch.close()
    return tuple(found)


class _Recorder:
    """A player of one environment whose actions are kept."""

    def __init__(self, player: ReferencePlayer, taken: list[Any]) -> None:
        self._player, self._taken = player, taken

    def actions(self, rows: NDArray[Any], starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose the next actions."""
        chosen = self._player.actions(rows, starts)
        self._taken.append(chosen[0].copy())
        return chosen
