"""SB3's replay buffers with reward channels, kept in files that the operating system maps into memory.

1. SB3 adds each transition with the reward 0 (see training.vecenv).
2. `fill` writes their composed rewards before a batch contains them (see training.pending).
3. Each sampled batch of rewards is multiplied by `factor`, so that a running scale applies to old transitions, too.

Beside each transition lie the environment's own reward, the channels' parts and the program's components. With
`recorded` also what the transition was: the states that a program reads, the action, and the ends of episodes. Another
program can be scored on these (training.relabel), and `training.stored` reads them.

A checkpoint marks the transitions that the buffer contained. Transitions that are added afterwards lie behind the mark,
or, once the buffer is full, replace the oldest ones. The rows that will be replaced before the next checkpoint are
therefore copied into a file of their own, from which `resume` restores them.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer

from rewardsmith.errors import DiskFull
from rewardsmith.programs.composition import Composition
from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks.base import Task
from sandbox.client import Scores

FOLDER = "replay"
INDEX = "index.json"
FLAGS = ("starts", "terminated", "truncated", "success", "cut")
"""The bits of `flags`, from the lowest: the fields of a Rollout with these names."""

_COPIED = 4096  # rows copied at a time
_SPARE_BYTES = 2**28  # of a disk, left to others


class ShapedReplayBuffer(ReplayBuffer):
    """A replay buffer whose arrays are mapped files.

    Attributes:
        env_rewards: float64 [size, N], the environment's own rewards.
        parts: float32 [size, N, C], the contributions of the C channels, in the order of the reward's channels.
        components: float32 [size, N] by name, the values of the program's components; 0 where one was missing.
        before: [size, N, W], the states before the actions; only with `recorded`, like the next three.
        after: [size, N, W], the states after them and before any reset.
        taken: The actions as the environment received them, as in a Rollout.
        flags: uint8 [size, N], see FLAGS.
        factor: The factor of sampled rewards.
        pending: Rows, of those added last, whose rewards are not written yet.
        settle: Writes these rewards. The trial sets it.
        folder: The folder of the files.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        folder: Path,
        channels: tuple[str, ...],
        recorded: Task | None = None,
        **options: Any,
    ) -> None:
        """Allocate the arrays; `map_files` moves them into files.

        Args:
            buffer_size: Transitions.
            observation_space: As for SB3's buffer.
            action_space: As for SB3's buffer.
            folder: The trial's folder.
            channels: Names of the reward's channels.
            recorded: The task, if the transitions are to be scored again with other programs.
            options: Further arguments of SB3's buffer.
        """
        with warnings.catch_warnings():  # the arrays need no memory, because they are moved into files
            warnings.filterwarnings("ignore", message="This system does not have apparently enough memory")
            super().__init__(buffer_size, observation_space, action_space, **options)
        self.folder = folder / FOLDER
        self._channels = channels
        self.recorded = recorded is not None
        shape = (self.buffer_size, self.n_envs)
        if recorded is not None:
            self.before, self.after = (recorded.schema.rows(*shape) for _ in range(2))
            self.taken = recorded.actions.rows(*shape)
            self.flags = np.zeros(shape, np.uint8)
        self.components: dict[str, NDArray[np.float32]] = {}
        self.env_rewards = np.zeros(shape, np.float64)
        self.parts = np.zeros((self.buffer_size, self.n_envs, len(channels)), np.float32)
        self.factor = 1.0
        self.pending = 0
        self.settle: Callable[[], None] = lambda: None

    def fill(self, rollout: Rollout, composed: Composition, scores: Scores | None = None) -> None:
        """Write the rewards of the transitions that were added last, which `rollout` [T, N] has recorded.

        Args:
            rollout: The transitions.
            composed: Their rewards.
            scores: The program's components; None without a program.

        Raises:
            DiskFull: There is no space for a component that the program returns for the first time.
        """
        rows = self.last_rows(len(rollout.starts))
        if self.recorded:
            self.before[rows], self.after[rows], self.taken[rows] = rollout.before, rollout.after, rollout.actions
            bits = [getattr(rollout, name).astype(np.uint8) << bit for bit, name in enumerate(FLAGS)]
            self.flags[rows] = np.bitwise_or.reduce(bits)
        self.write_rewards(rows, rollout, composed, scores)

    def write_rewards(
        self, rows: NDArray[Any], rollout: Rollout, composed: Composition, scores: Scores | None = None
    ) -> None:
        """Write the rewards of the transitions in `rows`; arguments and errors as for `fill`."""
        self.rewards[rows] = composed.total
        self.env_rewards[rows] = rollout.rewards
        for index, name in enumerate(self._channels):
            self.parts[rows, :, index] = composed.parts[name]
        found = () if scores is None else scores.names
        for index, name in enumerate(found):
            if name not in self.components:
                self._add_component(name)
            assert scores is not None
            self.components[name][rows] = scores.values[:, :, index]
        for name in self.components.keys() - set(found):
            self.components[name][rows] = 0.0

    def _add_component(self, name: str) -> None:
        """Allocate the array of a component; it is 0 for the transitions before."""
        values = np.zeros((self.buffer_size, self.n_envs), np.float32)
        if self.folder.exists():
            values = self._mapped(f"component-{len(self.components)}", values)
        self.components[name] = values

    def last_rows(self, steps: int) -> NDArray[np.int64]:
        """Return the rows of the last `steps` that were added, oldest first."""
        return np.arange(self.pos - steps, self.pos) % self.buffer_size

    def scaled(self, samples: Any) -> Any:
        """Return samples with their rewards multiplied by `factor`."""
        return samples if self.factor == 1.0 else samples._replace(rewards=samples.rewards * self.factor)

    def _get_samples(self, batch_inds: NDArray[Any], env: Any = None) -> Any:
        if self.pending and ((batch_inds - self.pos) % self.buffer_size >= self.buffer_size - self.pending).any():
            self.settle()
        return self.scaled(super()._get_samples(batch_inds, env))

    def _arrays(self) -> Iterator[tuple[str, Any, Any]]:
        """(name of the file, owner, key) of each array; the owner is this buffer, or a dict of observations."""
        for name in ("observations", "next_observations"):
            value = getattr(self, name)
            if isinstance(value, dict):
                yield from ((f"{name}-{index}", value, key) for index, key in enumerate(value))
            else:
                yield name, self, name
        more = ("before", "after", "taken", "flags") if self.recorded else ()
        for name in ("actions", "rewards", "dones", "timeouts", "env_rewards", "parts", *more):
            yield name, self, name
        yield from ((f"component-{index}", self.components, key) for index, key in enumerate(self.components))

    def map_files(self) -> None:
        """Move the arrays into new files, with their space reserved. Raises DiskFull if the disk is too small."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        needed = sum(_get(owner, key).nbytes for _, owner, key in self._arrays())
        free = shutil.disk_usage(self.folder).free
        if needed + _SPARE_BYTES > free:
            raise DiskFull(
                f"The replay buffer needs {needed / 1e9:.1f} GB on disk, but {free / 1e9:.1f} GB are free.",
                f"Set `training.buffer_size` below {self.buffer_size * self.n_envs:,}, or free disk space.",
            )
        for name, owner, key in self._arrays():
            _put(owner, key, self._mapped(name, _get(owner, key)))
        self._write_index()

    def _mapped(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """Return zeros like `array` in a new file, with its space reserved. Raises DiskFull."""
        path = self.folder / f"{name}.npy"
        mapped = np.lib.format.open_memmap(path, "w+", array.dtype, array.shape)
        try:
            with path.open("r+b") as file:  # a disk that fills up later would end the process with a signal
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            raise DiskFull(
                f"The replay buffer needs {array.nbytes / 1e9:.1f} GB more on disk: {error.strerror}.",
                f"Set `training.buffer_size` below {self.buffer_size * self.n_envs:,}, or free disk space.",
            ) from error
        return mapped

    def _write_index(self) -> None:
        """Write which transitions the files contain, and the names of channels and components, for readers."""
        index = {
            "pos": self.pos, "full": self.full, "channels": self._channels, "components": list(self.components),
            "recorded": self.recorded,
        }  # fmt: skip
        partial = self.folder / f"{INDEX}.partial"
        partial.write_text(json.dumps(index), encoding="utf-8")
        partial.replace(self.folder / INDEX)

    def copy(self, chosen: NDArray[np.int64], file: Callable[[str], NDArray[Any]]) -> None:
        """Copy another trial's transitions into this empty buffer, without their rewards.

        Args:
            chosen: The rows of the other buffer, in the order of time.
            file: Returns an array of the other buffer by its name.
        """
        count = len(chosen)
        rewards = ("rewards", "env_rewards", "parts")
        for name, owner, key in self._arrays():
            if owner is self.components or name in rewards:
                continue
            source, target = file(name), _get(owner, key)
            for first in range(0, count, _COPIED):
                rows = chosen[first : first + _COPIED]
                target[first : first + len(rows)] = source[rows]
        self.pos, self.full = count % self.buffer_size, count == self.buffer_size

    def discard(self) -> None:
        """Delete the files, once the trial is complete. The arrays can be read until the process ends."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def checkpoint(self, step: int, coming: int) -> dict[str, Any]:
        """Write what `resume` needs, and return the mark for the checkpoint.

        Args:
            step: Environment steps of the trial, which name the checkpoint.
            coming: Rows that are added before the next checkpoint; 0 at the trial's end.
        """
        replaced = (self.pos + np.arange(min(coming, self.buffer_size))) % self.buffer_size
        kept = replaced if self.full else replaced[replaced < self.pos]
        if len(kept):
            rows = {name: _get(owner, key)[kept] for name, owner, key in self._arrays()}
            np.savez(self.folder / f"replaced-{step}.npz", allow_pickle=False, rows=kept, **rows)
        for _, owner, key in self._arrays():
            mapped = _get(owner, key)
            assert isinstance(mapped, np.memmap)
            mapped.flush()
        self._write_index()
        mark = {"pos": self.pos, "full": self.full, "step": step, "last": coming == 0}
        return {**mark, "components": list(self.components)}

    def forget(self, step: int) -> None:
        """Delete the copies of rows for checkpoints other than the one at `step`."""
        for path in self.folder.glob("replaced-*.npz"):
            if path.name not in (f"replaced-{step}.npz", f"replaced-{step}-episodes.npz"):
                path.unlink()

    def resume(self, mark: dict[str, Any]) -> bool:
        """Map the files of the checkpoint with this mark; return whether they are there and fit."""
        self.components = {
            name: np.zeros((self.buffer_size, self.n_envs), np.float32) for name in mark.get("components", ())
        }
        mapped = []
        for name, owner, key in self._arrays():
            array = _get(owner, key)
            try:
                found = np.lib.format.open_memmap(self.folder / f"{name}.npy", "r+")
            except (OSError, ValueError):
                return False
            if found.shape != array.shape or found.dtype != array.dtype:
                return False
            mapped.append((name, owner, key, found))
        path = self.folder / f"replaced-{mark['step']}.npz"
        if path.exists():
            with np.load(path) as saved:
                for name, _, _, found in mapped:
                    found[saved["rows"]] = saved[name]
        for _, owner, key, found in mapped:
            _put(owner, key, found)
        self.pos, self.full = int(mark["pos"]), bool(mark["full"])
        return True


class ShapedDictReplayBuffer(ShapedReplayBuffer, DictReplayBuffer):
    """The buffer of policies that observe a Dict."""


def _get(owner: Any, key: str) -> NDArray[Any]:
    return owner[key] if isinstance(owner, dict) else getattr(owner, key)


def _put(owner: Any, key: str, array: NDArray[Any]) -> None:
    if isinstance(owner, dict):
        owner[key] = array
    else:
        setattr(owner, key, array)
