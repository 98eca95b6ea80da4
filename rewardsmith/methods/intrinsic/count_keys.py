"""State keys and observation keys of a rollout, and counts of visits by key. Uses numpy only."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.schema import Field, Schema
from rewardsmith.tasks.transitions import multilinear_hash
from rewardsmith.training.learner import Experience

CountKey = Literal["view", "state"]
"""The kind of key: "view" hashes the policy's observation, "state" the symbolic state, which only training can read."""

_IGNORED = ("step", "max_steps", "event", "event_object", "front", "front_x", "front_y")


class CountKeys:
    """Computes the key of the state or observation that each step of a rollout leads to."""

    def __init__(self, schema: Schema, count_key: CountKey) -> None:
        self._count_key = count_key
        self._columns = state_columns(schema)

    def __call__(self, seen: Experience) -> NDArray[np.int64]:
        """Return keys, int64 [T, N].

        Equal inputs have equal 64-bit hashes; different ones collide with small probability.
        """
        if self._count_key == "view":
            return multilinear_hash(seen.following)
        return multilinear_hash(seen.rollout.after[:, :, self._columns])


def keys_of(seen: Experience, count_key: CountKey, columns: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys after and before each step, int64 [T, N] each; `columns` are those of `state_columns`."""
    if count_key == "view":
        return multilinear_hash(seen.following), multilinear_hash(seen.observations)
    after, before = seen.rollout.after[:, :, columns], seen.rollout.before[:, :, columns]
    return multilinear_hash(after), multilinear_hash(before)


def state_columns(schema: Schema) -> list[int]:
    """Return the columns of a state row that identify a state: all except the time and the last event."""
    ignored = {column for field in schema for column in _columns_of(field)}
    return [column for column in range(schema.width) if column not in ignored]


def _columns_of(field: Field) -> list[int]:
    if field.kind == "record":
        return [column for inner in field.fields for column in _columns_of(inner)]
    return field.columns() if field.name in _IGNORED else []


class Visits:
    """Counts visits by key over the whole trial."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def reach(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the visits in time order, and within a step in the order of the environments.

        Returns:
            The number of visits of each key up to and including this one, int64 [T, N].
        """
        counts, flat = self.counts, keys.ravel().tolist()
        reached = np.empty(len(flat), dtype=np.int64)
        for index, key in enumerate(flat):
            reached[index] = counts[key] = counts.get(key, 0) + 1
        return reached.reshape(keys.shape)

    def state(self) -> dict[str, NDArray[np.int64]]:
        """The table as two arrays, for a checkpoint."""
        size = len(self.counts)
        return {
            "keys": np.fromiter(self.counts.keys(), np.int64, size),
            "counts": np.fromiter(self.counts.values(), np.int64, size),
        }

    def load(self, state: dict[str, NDArray[np.int64]]) -> None:
        """Restore the value that `state` returned."""
        keys = state["keys"] if "keys" in state else state["places"]  # the name in checkpoints of an earlier version
        self.counts = dict(zip(keys.tolist(), state["counts"].tolist(), strict=True))


class EpisodeVisits:
    """Counts visits within an episode, also if the episode spans several rollouts."""

    def __init__(self, envs: int) -> None:
        self._counts: list[dict[int, int]] = [{} for _ in range(envs)]

    def __call__(self, keys: NDArray[np.int64], before: NDArray[np.int64], starts: NDArray[Any]) -> NDArray[np.int64]:
        """Return the visits of each key in its episode up to and including this one, int64 [T, N].

        Args:
            keys: Keys after the steps, int64 [T, N].
            before: Keys before the steps, int64 [T, N]; the first one of an episode is its first visit.
            starts: Whether a step begins an episode, bool [T, N].
        """
        visits = np.empty(keys.shape, dtype=np.int64)
        for n, counts in enumerate(self._counts):
            for t, key in enumerate(keys[:, n].tolist()):
                if starts[t, n]:
                    counts.clear()
                    counts[int(before[t, n])] = 1
                visits[t, n] = counts[key] = counts.get(key, 0) + 1
        return visits


class FirstVisits:
    """Finds first visits within an episode, also if the episode spans several rollouts."""

    def __init__(self, envs: int) -> None:
        self._seen: list[set[int]] = [set() for _ in range(envs)]

    def __call__(self, keys: NDArray[np.int64], before: NDArray[np.int64], starts: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether each step leads to a key that is new in its episode, bool [T, N].

        Args:
            keys: Keys after the steps, int64 [T, N].
            before: Keys before the steps, int64 [T, N]; the first one of an episode is not new.
            starts: Whether a step begins an episode, bool [T, N].
        """
        first = np.empty(keys.shape, dtype=bool)
        for n, seen in enumerate(self._seen):
            for t, key in enumerate(keys[:, n].tolist()):
                if starts[t, n]:
                    seen.clear()
                    seen.add(int(before[t, n]))
                first[t, n] = key not in seen
                seen.add(key)
        return first
