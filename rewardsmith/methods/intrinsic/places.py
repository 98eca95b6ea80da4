"""Which transitions of a rollout lead to the same place, and how often a place was reached. numpy only."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.schema import Field, Schema
from rewardsmith.tasks.transitions import multilinear_hash
from rewardsmith.training.learner import Experience

Sight = Literal["view", "state"]
"""What tells two places apart: what the policy sees, or the symbolic state, which only training sees."""

_IGNORED = ("step", "max_steps", "event", "event_object", "front", "front_x", "front_y")


class Places:
    """Hashes of what each step of a rollout leads to."""

    def __init__(self, schema: Schema, sight: Sight) -> None:
        self._sight = sight
        self._columns = state_columns(schema)

    def __call__(self, seen: Experience) -> NDArray[np.int64]:
        """int64 [T, N]; equal places have equal hashes, others almost surely not."""
        if self._sight == "view":
            return multilinear_hash(seen.following)
        return multilinear_hash(seen.rollout.after[:, :, self._columns])


def state_columns(schema: Schema) -> list[int]:
    """Columns of a state row that say where things are: not the time, nor what happened last."""
    ignored = {column for field in schema for column in _columns_of(field)}
    return [column for column in range(schema.width) if column not in ignored]


def _columns_of(field: Field) -> list[int]:
    if field.kind == "record":
        return [column for inner in field.fields for column in _columns_of(inner)]
    return field.columns() if field.name in _IGNORED else []


class Visits:
    """How often each place was reached in the whole trial."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def reach(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Visits [T, N] of each place, this one included, in time order; within one step, in the environments'."""
        counts, flat = self.counts, places.ravel().tolist()
        reached = np.empty(len(flat), dtype=np.int64)
        for index, place in enumerate(flat):
            reached[index] = counts[place] = counts.get(place, 0) + 1
        return reached.reshape(places.shape)

    def state(self) -> dict[str, NDArray[np.int64]]:
        """The table as two arrays."""
        size = len(self.counts)
        return {
            "places": np.fromiter(self.counts.keys(), np.int64, size),
            "counts": np.fromiter(self.counts.values(), np.int64, size),
        }

    def load(self, state: dict[str, NDArray[np.int64]]) -> None:
        """Take back what `state` returned."""
        self.counts = dict(zip(state["places"].tolist(), state["counts"].tolist(), strict=True))


class FirstVisits:
    """Whether a place is new in its episode; episodes that span rollouts are followed."""

    def __init__(self, envs: int) -> None:
        self._seen: list[set[int]] = [set() for _ in range(envs)]

    def __call__(self, places: NDArray[np.int64], before: NDArray[np.int64], starts: NDArray[Any]) -> NDArray[np.bool_]:
        """bool [T, N]; `before` are the places that steps begin at: an episode's first place is not new."""
        first = np.empty(places.shape, dtype=bool)
        for n, seen in enumerate(self._seen):
            for t, place in enumerate(places[:, n].tolist()):
                if starts[t, n]:
                    seen.clear()
                    seen.add(int(before[t, n]))
                first[t, n] = place not in seen
                seen.add(place)
        return first
