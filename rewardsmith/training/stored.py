"""Read a trial's replay buffer from its files: transitions in the order of time, rewards, channels and components.

```python
stored = open_replay(folder)  # .rewardsmith/artifacts/JOB/CANDIDATE-search-SEED
stored["rewards"], stored.component("distance"), stored.total({"env": 1.0, "reward": 0.1})
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks.base import Tables
from rewardsmith.training.replay import FLAGS, FOLDER, INDEX


@dataclass(frozen=True)
class StoredReplay:
    """The transitions of a trial up to its last checkpoint, T steps of N environments, the oldest first.

    Attributes:
        folder: The folder of the files.
        rows: int64 [T], the files' rows in the order of time.
        channels: Names of the reward's channels.
        components: Names of the program's components.
        recorded: Whether the transitions themselves are stored, so that another program can be scored on them.
    """

    folder: Path
    rows: NDArray[np.int64]
    channels: tuple[str, ...]
    components: tuple[str, ...]
    recorded: bool

    def __len__(self) -> int:
        return len(self.rows)

    def mapped(self, name: str) -> NDArray[Any]:
        """Return a whole file, whose rows are not in the order of time. Raises UsageError if there is no such file."""
        path = self.folder / f"{name}.npy"
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            known = ", ".join(sorted(p.stem for p in self.folder.glob("*.npy")))
            raise UsageError(
                f"The replay buffer in {self.folder} has no array {name!r}.", f"It contains {known or 'nothing'}."
            ) from error

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return an array of the buffer in the order of time, [T, N, ...], such as "rewards" or "env_rewards"."""
        return self.mapped(name)[self.rows]

    def component(self, name: str) -> NDArray[np.float32]:
        """Return the values of one component, float32 [T, N]. Raises UsageError for another name."""
        if name not in self.components:
            raise UsageError(
                f"The program has no component {name!r}.", f"It has {', '.join(self.components) or 'no components'}."
            )
        return self[f"component-{self.components.index(name)}"]

    def channel(self, name: str) -> NDArray[np.float32]:
        """Return what one channel contributed, weight included, float32 [T, N]. Raises UsageError for another name."""
        if name not in self.channels:
            raise UsageError(f"The reward has no channel {name!r}.", f"It has {', '.join(self.channels)}.")
        return self["parts"][:, :, self.channels.index(name)]

    def total(self, factors: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the reward float64 [T, N] with each channel's weight multiplied by its factor, by default 1.

        Raises UsageError for a name that is no channel.
        """
        for name in factors:
            if name not in self.channels:
                raise UsageError(f"The reward has no channel {name!r}.", f"It has {', '.join(self.channels)}.")
        scale = np.array([factors.get(name, 1.0) for name in self.channels])
        return self["parts"].astype(np.float64) @ scale

    def rollout(self, first: int, last: int, tables: Tables) -> Rollout:
        """Return steps first to last - 1 as a rollout. Raises UsageError if the transitions are not stored."""
        rows = self.rows[first:last]
        flags = self.mapped("flags")[rows]
        ends = {name: (flags >> bit & 1).astype(bool) for bit, name in enumerate(FLAGS)}
        states = {name: self.mapped(name)[rows] for name in ("before", "after")}
        return Rollout(
            actions=self.mapped("taken")[rows], rewards=self.mapped("env_rewards")[rows], tables=tables,
            **states, **ends,
        )  # fmt: skip


def open_replay(folder: Path) -> StoredReplay:
    """Open the replay buffer in a trial's folder.

    Raises:
        UsageError: There is no buffer. A trial without `reuse` deletes it when it is complete, and a job when it ends.
    """
    place = folder / FOLDER
    try:
        index = json.loads((place / INDEX).read_text(encoding="utf-8"))
        size = len(np.load(place / "rewards.npy", mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder} contains no replay buffer.",
            "Open the folder of an off-policy trial that is running, or of a job with `training.reuse`.",
        ) from error
    pos = int(index["pos"])
    rows = np.arange(pos, pos + size) % size if index["full"] else np.arange(pos)
    return StoredReplay(place, rows, tuple(index["channels"]), tuple(index["components"]), bool(index["recorded"]))
