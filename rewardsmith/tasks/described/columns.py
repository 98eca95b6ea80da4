"""State rows and observations of the environments of a batch, written column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.described.guard import LARGEST, GuardedEnv
from rewardsmith.tasks.described.reading import NoValue, Variable
from rewardsmith.tasks.observations import ObservationSpace

_PLAIN = frozenset({float, int, bool})
INTS = frozenset({int, np.int64, np.int32})
"""Types of an observation that is one int."""


class Columns:
    """The observations and state rows of N environments.

    Where a row begins with all numbers of the observation, in order, as it mostly does, both are the same memory, so
    that nothing is copied.

    Attributes:
        rows: float64 [N, W], the state rows.
        row: The same, one by one: [W] each.
        observed: [N, D], the numbers of the observations; uint8 for images, else float64.
        dtype: The type of arrays that `targets` take.
        targets: For each environment where an observation that is one array of this type and of `size` numbers is
            written; empty if observations are no such arrays.
        choices: Where observations that are one int each are written; None if they are not.
        size: D.
        reads_more: Whether the state holds more than numbers of the observation, which `read` must put there.
        copied: Whether rows hold numbers of the observations elsewhere, so that `copy` must put them there.
    """

    def __init__(
        self,
        envs: Sequence[GuardedEnv],
        space: ObservationSpace,
        width: int,
        variables: Sequence[Variable],
        function: Callable[..., Mapping[str, Any]] | None,
    ) -> None:
        """function: the user's own state(env, observation, info), for variables without a source."""
        self._envs, self._function = envs, function
        self.size = space.size
        self.rows = np.zeros((len(envs), width))
        self.row = list(self.rows)
        seen = [v for v in variables if v.flat is not None]
        others = [v for v in variables if v.flat is None]
        # Single numbers of infos are the most frequent, and need no path.
        self._infos = [(v.first, v.steps[0]) for v in others if _is_number_of_info(v)]
        self._sourced = [v for v in others if v.source and not _is_number_of_info(v)]
        texts = {v.name: {text: index for index, text in enumerate(v.values or ())} for v in others}
        self._given = [
            (v.name, v.first, not v.vector and v.values is None, texts[v.name]) for v in others if not v.source
        ]
        self._by_column = {v.first: v for v in others}
        self.reads_more = bool(others)
        self._columns = as_slice([v.first + k for v in seen for k in range(v.length)])
        self._flat = as_slice([(v.flat or 0) + k for v in seen for k in range(v.length)])
        whole = slice(0, space.size)
        self._shared = all(isinstance(each, slice) and each == whole for each in (self._columns, self._flat))
        kind = np.uint8 if space.dtype == "uint8" else np.float64
        self.observed: NDArray[Any] = (
            self.rows[:, : space.size] if self._shared else np.zeros((len(envs), space.size), kind)
        )
        self.copied = bool(seen) and not self._shared
        self._checked = (
            None if self.observed.dtype == np.uint8 else (self.rows if self._shared else self.observed).ravel()
        )
        leaf = space.parts[0].leaf if len(space.parts) == 1 and not space.parts[0].path else None
        self.dtype: Any = None if leaf is None else leaf.dtype
        self._shape: Any = getattr(leaf, "shape", None)
        self.targets = [] if not getattr(leaf, "shape", ()) else [row.reshape(self._shape) for row in self.observed]
        self._number = leaf is not None and not self.targets
        self.choices = quick(self.observed[:, 0]) if self._number and self.size == 1 else None
        for env, row in zip(envs, self.observed, strict=True):
            env.flat = row
        self._leaves = [_leaves(row, space) for row in self.observed]
        self._bare = [getattr(env.env, "unwrapped", env.env) for env in envs]

    def write(self, n: int, observation: Any, where: str) -> None:
        """Write what environment n observes, whatever its form; `check` looks at it. Raises TaskError."""
        if self._number and type(observation) in INTS:
            self.observed[n, 0] = observation
            return
        if self.targets and type(observation) is np.ndarray and observation.shape == self._shape:
            kind = observation.dtype  # an environment need not keep to its space's type; a byte would cut others unseen
            if kind == np.uint8 or (self._checked is not None and kind.kind in "fiub"):
                self.targets[n][...] = observation
                self.dtype = kind
                return
        if not (type(observation) is dict and _written(self._leaves[n], observation)):
            self._envs[n].flatten(where, observation)

    def check(self, where: str, guard: Callable[[int], GuardedEnv]) -> None:
        """Raise TaskError for NaN and infinity in an observation; `guard` returns the guard of environment n."""
        # One sum of squares is the cheapest test of them all; what it cannot decide is looked at one by one.
        if self._checked is None or self._checked.dot(self._checked) < LARGEST:
            return
        wrong = ~(np.abs(self.observed) < LARGEST).all(axis=1)
        for n in np.flatnonzero(wrong).tolist():
            guard(n).check_finite(where, self.observed[n])

    def copy(self) -> None:
        """Put the observations' numbers into the rows."""
        self.rows[:, self._columns] = self.observed[:, self._flat]

    def read(self, n: int, observation: Any, info: Any) -> None:
        """Put what is not in the numbers of an observation into row n. Raises NoValue, and whatever `state` raises."""
        bare, row = self._bare[n], self.row[n]
        for first, key in self._infos:
            value = info.get(key, 0.0)  # infos come and go: one that is missing counts as 0
            if type(value) is float:
                row[first] = value
            else:
                self._by_column[first].write(value, row)
        if self._sourced:
            roots = {"observation": observation, "info": info, "env": bare}
            for variable in self._sourced:
                variable.fill(roots, {}, row)
        if self._function is not None:
            given = self._function(env=bare, observation=observation, info=info)
            for name, first, single, texts in self._given:
                if name not in given:
                    raise NoValue(f"state() returns no {name!r}")
                value = given[name]
                if single and type(value) in _PLAIN:
                    row[first] = value
                elif texts and type(value) is str:
                    row[first] = texts.get(value, -1)
                else:
                    self._by_column[first].write(value, row)

    def start(self, n: int, observation: Any, info: Any) -> None:
        """Fill row n with the start of an episode, whose observation has been written. Raises as `read` does."""
        if self.copied:
            self.rows[n, self._columns] = self.observed[n, self._flat]
        if self.reads_more:
            self.read(n, observation, info)
        self.row[n][-3:] = 0.0


def _is_number_of_info(v: Variable) -> bool:
    return v.root == "info" and len(v.steps) == 1 and isinstance(v.steps[0], str) and not v.vector and v.values is None


def _leaves(row: NDArray[Any], space: ObservationSpace) -> list[tuple[Any, NDArray[Any]]]:
    """Key and place of each array of a Dict of arrays; empty for all other spaces."""
    parts = space.parts
    if not all(len(part.path) == 1 and getattr(part.leaf, "shape", ()) for part in parts):
        return []
    return [(p.path[0], row[p.start : p.start + p.size].reshape(p.leaf.shape)) for p in parts]


def _written(leaves: list[tuple[Any, NDArray[Any]]], observation: dict[Any, Any]) -> bool:
    """Whether a Dict's arrays have been written, each in its place; False for whatever needs a closer look."""
    for key, place in leaves:
        leaf = observation.get(key)
        if type(leaf) is not np.ndarray or leaf.shape != place.shape or leaf.dtype.kind not in "fiub":
            return False
        place[...] = leaf
    return bool(leaves)


def quick(array: Any) -> Any:
    """The same memory, for writing one number in a fifth of the time that an array takes."""
    return memoryview(array)


def as_slice(indices: list[int]) -> Any:
    """Indices that follow each other as a slice, which is quicker than a list."""
    if indices and indices == list(range(indices[0], indices[0] + len(indices))):
        return slice(indices[0], indices[0] + len(indices))
    return np.array(indices, dtype=np.int64)
