"""What a policy observes: any Gymnasium space as one row of numbers, and in the form that a policy is built for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST_IMAGE = 36
"""Pixels of the shorter side below which SB3's CNN (Mnih et al. 2015) has no output."""


_KEY = re.compile(r"[A-Za-z_]\w*|\d+")
"""Keys that a description writes without quotation marks."""


def _joined(path: Sequence[str | int]) -> str:
    return "_".join(map(str, path)).replace(".", "_")


def _step(key: str | int) -> str:
    text = str(key)
    if _KEY.fullmatch(text):
        return f".{text}"
    return f"['{text}']" if '"' in text else f'["{text}"]'


@dataclass(frozen=True)
class Part:
    """One leaf of an observation space: a Box, Discrete, MultiDiscrete or MultiBinary.

    Attributes:
        path: Keys of the Dicts and indices of the Tuples that lead to it; () for the whole observation.
        leaf: Its Gymnasium space.
        start: Its first number in the row.
        size: How many numbers it has.
        frames: How many values of the leaf these are, the oldest first (see tasks.stacking).
        label: Its name where the path alone gives none that is valid and its own; else "".
    """

    path: tuple[str | int, ...]
    leaf: Any
    start: int
    size: int
    frames: int = 1
    label: str = ""

    @property
    def name(self) -> str:
        """The path with underscores between, as policies name it: torch allows no dots."""
        return self.label or _joined(self.path)

    @property
    def source(self) -> str:
        """How a description names it: `observation`, `observation.achieved_goal`, or `observation["task id"]`."""
        return "observation" + "".join(map(_step, self.path))

    def find(self, observation: Any) -> Any:
        """The leaf's value in an observation. Raises KeyError, IndexError and TypeError if it is not there."""
        for key in self.path:
            observation = observation[key]
        return observation

    @property
    def is_image(self) -> bool:
        """Whether a policy reads it with a CNN: [height, width, channels] or the reverse order, in bytes."""
        shape = self.leaf.shape
        if self.leaf.dtype != np.uint8 or shape is None or len(shape) != 3 or self._channels_last is None:
            return False
        sides = shape[:2] if self._channels_last else shape[1:]
        return min(sides) >= SMALLEST_IMAGE

    @property
    def _channels_last(self) -> bool | None:
        shape = self.leaf.shape
        if shape[2] in (1, 3, 4):
            return True
        return False if shape[0] in (1, 3, 4) else None

    def space(self) -> Any:
        """The Gymnasium space that a policy is built for."""
        from gymnasium import spaces

        match self.leaf:
            case spaces.Discrete():
                return spaces.Discrete(int(self.leaf.n))
            case spaces.MultiDiscrete():
                return spaces.MultiDiscrete(np.ravel(self.leaf.nvec))
            case spaces.MultiBinary():
                return spaces.MultiBinary(self.size)
        if not self.is_image:
            return spaces.Box(-np.inf, np.inf, (self.size,), np.float32)
        height, width, channels = self.leaf.shape
        if not self._channels_last:
            channels, height, width = self.leaf.shape
        return spaces.Box(0, 255, (self.frames * channels, height, width), np.uint8)

    def structured(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Values [N, ...] of `space` out of rows [N, size of all parts]."""
        from gymnasium import spaces

        mine = rows[:, self.start : self.start + self.size]
        match self.leaf:
            case spaces.Discrete():
                return mine[:, 0].astype(np.int64)
            case spaces.MultiDiscrete():
                return mine.astype(np.int64)
            case spaces.MultiBinary():
                return mine.astype(np.int8)
        if not self.is_image:
            return mine
        image = mine.reshape(len(rows), self.frames, *self.leaf.shape).astype(np.uint8, copy=False)
        if self._channels_last:
            image = image.transpose(0, 1, 4, 2, 3)
        return np.ascontiguousarray(image.reshape(len(rows), -1, *image.shape[3:]))

    @property
    def discrete(self) -> bool:
        """Whether its numbers are choices."""
        from gymnasium import spaces

        return isinstance(self.leaf, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))

    @property
    def first(self) -> NDArray[np.int64]:
        """What the environment calls the smallest value of each number of a discrete leaf; zeros for the others."""
        start = getattr(self.leaf, "start", 0)
        return np.broadcast_to(np.ravel(start).astype(np.int64), (self.size,))


@dataclass(frozen=True)
class RawObservations:
    """How an environment's own observations become the rows that its policies read.

    Attributes:
        complete: Whether the rows contain every leaf of the environment's observation.
        offset: Subtracted from each number, [D].
        scale: What each number is divided by then, [D].
        code: Python text that defines `encoded(observation)`, a row; None if a row is the numbers in their order.
    """

    complete: bool
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    code: str | None = None


class ObservationSpace:
    """An observation space, each value of which is one row of numbers: its leaves in their order, flattened.

    A policy of SB3 is built for `space`: the leaf alone, or a Dict of one level with a key per leaf.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.size = sum(part.size for part in parts)
        # Images alone are kept as bytes: as float32 a rollout would take four times the memory.
        self.dtype = "uint8" if len(self.parts) == 1 and self.parts[0].is_image else "float32"

    @property
    def plain(self) -> bool:
        """Whether a policy is given the row itself: a vector of numbers."""
        return (
            len(self.parts) == 1 and not self.parts[0].path and self.space.shape == (self.size,) and not self.discrete
        )

    @property
    def discrete(self) -> bool:
        """Whether the numbers are choices that a policy reads as one-hot vectors."""
        return len(self.parts) == 1 and self.parts[0].discrete

    @cached_property
    def space(self) -> Any:
        """The Gymnasium space that a policy is built for."""
        from gymnasium import spaces

        if len(self.parts) == 1 and not self.parts[0].path:
            return self.parts[0].space()
        return spaces.Dict({part.name: part.space() for part in self.parts})

    def rows(self, *shape: int) -> NDArray[Any]:
        """Room for observations, [*shape, size]."""
        return np.zeros((*shape, self.size), self.dtype)

    def structured(self, rows: NDArray[Any]) -> Any:
        """What a policy is given for rows [N, size]: an array [N, ...], or a dict of arrays."""
        if len(self.parts) == 1 and not self.parts[0].path:
            return self.parts[0].structured(rows)
        return {part.name: part.structured(rows) for part in self.parts}

    def entries(self) -> Iterator[tuple[str, float, float]]:
        """For each number of a row: how a description names it, and its smallest and largest value."""
        for part in self.parts:
            low, high = _bounds(part)
            if part.size == 1 and part.leaf.shape in ((), None):
                yield part.source, float(low[0]), float(high[0])
                continue
            for index in range(part.size):
                place = "".join(f"[{i}]" for i in np.unravel_index(index, part.leaf.shape))
                yield f"{part.source}{place}", float(low[index]), float(high[index])


def _bounds(part: Part) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from gymnasium import spaces

    match part.leaf:
        case spaces.Box():
            return np.ravel(part.leaf.low).astype(np.float64), np.ravel(part.leaf.high).astype(np.float64)
        case spaces.Discrete():
            return np.array([float(part.leaf.start)]), np.array([float(part.leaf.start + part.leaf.n - 1)])
        case spaces.MultiDiscrete():
            first = np.ravel(part.leaf.start).astype(np.float64)
            return first, first + np.ravel(part.leaf.nvec) - 1
    return np.zeros(part.size), np.ones(part.size)


@lru_cache
def vector(size: int) -> ObservationSpace:
    """The observation space of a task whose policies read `size` numbers without bounds."""
    from gymnasium import spaces

    return ObservationSpace([Part((), spaces.Box(-np.inf, np.inf, (size,), np.float32), 0, size)])


def space_of(space: Any, keys: Sequence[str] = ()) -> tuple[ObservationSpace, list[str]]:
    """The observation space of a Gymnasium space, and what of it no policy can read, such as `mission (Text)`.

    keys: The keys of an outer Dict that a policy is to see; () for all.
    """
    found: list[Part] = []
    refused: list[str] = []
    start = 0
    for path, leaf in leaves_of(space):
        if keys and path and str(path[0]) not in keys:
            continue
        if (size := _size(leaf)) is None:
            refused.append(f"{'.'.join(map(str, path)) or 'the observation'} ({type(leaf).__name__})")
            continue
        found.append(Part(path, leaf, start, size, label=_label(path, [part.name for part in found])))
        start += size
    return ObservationSpace(found), refused


def _label(path: tuple[str | int, ...], taken: Sequence[str]) -> str:
    """A name where that of the path is empty or taken: {"a": {"b": ...}, "a_b": ...} has two leaves called a_b."""
    name = _joined(path)
    if not path or (name and name not in taken):
        return ""
    own = (f"{name or 'part'}_{number}" for number in itertools.count(2))
    return next(each for each in own if each not in taken)


def leaves_of(space: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Return (path, leaf) of each leaf of a Gymnasium space: the keys and indices of the Dicts and Tuples around it."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        inner: Mapping[Any, Any] | dict[int, Any] = space.spaces
    elif isinstance(space, spaces.Tuple):
        inner = dict(enumerate(space.spaces))
    else:
        yield path, space
        return
    for key, leaf in inner.items():
        yield from leaves_of(leaf, (*path, key))


def _size(leaf: Any) -> int | None:
    from gymnasium import spaces

    if isinstance(leaf, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return int(np.prod(leaf.shape or ()))
    return None
