"""What a policy observes of a user's own MiniGrid environment, whatever wrappers and view size it has.

Cells come first, so that policies read them as categories. What no category has, such as a type of the user's own, is
written one-hot. Images of pixels are kept apart, for a CNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rewardsmith.errors import UsageError

from ..observations import ObservationSpace, Part, leaves_of, vector
from .families import Family, mission_code, mission_width
from .real import IMAGE_SCALE

_AGENT = 10  # MiniGrid's type of the agent's cell, whose state is the direction
_MINIGRIDS = (11, 6, 3)
_MOST_ONE_HOT = 512  # numbers of a leaf's one-hot form; a larger one is given as numbers

Write = Callable[[Any], NDArray[np.float32]]


@dataclass(frozen=True)
class _Leaf:
    """One leaf of the observation: where it is, how many numbers a policy sees of it, and how they are made."""

    path: tuple[str | int, ...]
    size: int
    write: Write


class OwnView:
    """Turns an environment's observations into rows.

    Attributes:
        space: The observation space of policies.
        cells: Cells at the start of a row, three numbers each; 0 if there are none in MiniGrid's codes.
        side: Cells of a side of the agent's own view, if the row begins with it; 0 otherwise.
    """

    def __init__(self, space: Any, observed: Sequence[Any], family: Family, codes: tuple[int, int, int]) -> None:
        """Look at a space and at some observations of it.

        Args:
            space: The environment's observation space.
            observed: Observations that it has returned.
            family: The family, whose vocabulary missions are counted by.
            codes: Number of MiniGrid's types, colours and states in its cells.

        Raises:
            UsageError: If it observes a space that no policy can read.
        """
        self._missions: dict[str, NDArray[np.float32]] = {}
        self._family, self._codes = family, codes
        cells: list[_Leaf] = []
        pixels: list[tuple[tuple[str | int, ...], Any]] = []
        rest: list[_Leaf] = []
        refused: list[str] = []
        self.cells = self.side = 0
        for path, leaf in leaves_of(space):
            values = [_at(each, path) for each in observed]
            if Part(path, leaf, 0, 0).is_image if isinstance(leaf, spaces.Box) else False:
                pixels.append((path, leaf))
            elif not cells and _are_cells(leaf, values, codes):
                cells.append(self._cells(path, leaf))
            elif all(isinstance(value, str) for value in values):
                rest.append(_Leaf(path, mission_width(family), self._mission))
            elif (found := _numbers(path, leaf, values)) is not None:
                rest.append(found)
            else:
                refused.append(f"{'.'.join(map(str, path)) or 'the observation'} ({type(leaf).__name__})")
        if refused:
            raise UsageError(
                f"{family.name} observes what no policy can read: {', '.join(refused)}.",
                "Wrap the environment in an ObservationWrapper that returns Box, Discrete, MultiDiscrete or Dict.",
            )
        self._pixels, self._leaves = pixels, [*cells, *rest]
        self._numbers = sum(leaf.size for leaf in self._leaves)
        self.space = self._space()

    def _space(self) -> ObservationSpace:
        if not self._pixels:
            return vector(self._numbers)
        parts: list[Part] = []
        start = 0
        for path, leaf in self._pixels:
            size = int(np.prod(leaf.shape))
            parts.append(Part(path if self._leaves or len(self._pixels) > 1 else (), leaf, start, size))
            start += size
        if self._leaves:
            box = spaces.Box(-np.inf, np.inf, (self._numbers,), np.float32)
            parts.append(Part(("numbers",), box, start, self._numbers))
        return ObservationSpace(parts)

    def write(self, observation: Any, out: NDArray[Any]) -> None:
        """Fill out [D] with what a policy sees of an observation. Raises ValueError if it is of another form."""
        at = 0
        for path, leaf in self._pixels:
            size = int(np.prod(leaf.shape))
            out[at : at + size] = np.ravel(_at(observation, path))
            at += size
        for leaf in self._leaves:
            numbers = leaf.write(_at(observation, leaf.path))
            if numbers.size != leaf.size:
                where = ".".join(map(str, leaf.path)) or "the observation"
                raise ValueError(f"{where} has {numbers.size} numbers instead of {leaf.size}")
            out[at : at + leaf.size] = numbers
            at += leaf.size

    def _cells(self, path: tuple[str | int, ...], leaf: Any) -> _Leaf:
        width, height = leaf.shape[:2]
        count = int(width * height)
        if self._codes == _MINIGRIDS:
            self.cells = count
            self.side = int(width) if width == height and width % 2 else 0
            return _Leaf(path, 3 * count, lambda image: (_canonical(image).astype(np.float32) / IMAGE_SCALE).ravel())
        first = np.cumsum([0, *self._codes])[:3]
        width_of_cell, most = sum(self._codes), np.array(self._codes) - 1
        places = np.arange(count)[:, None] * width_of_cell + first

        def one_hot(image: NDArray[Any]) -> NDArray[np.float32]:
            out = np.zeros(count * width_of_cell, np.float32)
            codes = np.minimum(_canonical(image).reshape(count, 3), most)  # what is new counts as the last
            out[(places + codes).ravel()] = 1.0
            return out

        return _Leaf(path, count * width_of_cell, one_hot)

    def _mission(self, mission: str) -> NDArray[np.float32]:
        found = self._missions.get(mission)
        if found is None:
            found = self._missions[mission] = np.array(mission_code(self._family, mission), np.float32)
        return found


def _at(observation: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        observation = observation[key]
    return observation


def _canonical(image: Any) -> NDArray[np.int64]:
    """Cells whose agent, in a view of the whole grid, has its direction as colour: there are four, but three states."""
    codes = np.array(image, np.int64)
    agent = codes[..., 0] == _AGENT
    if agent.any():
        codes[agent, 1], codes[agent, 2] = codes[agent, 2], 0
    return codes


def _are_cells(leaf: Any, values: Sequence[Any], codes: tuple[int, int, int]) -> bool:
    """Whether a leaf holds MiniGrid's codes of cells rather than pixels or something else."""
    if not isinstance(leaf, spaces.Box) or len(leaf.shape) != 3 or leaf.shape[2] != 3 or leaf.dtype != np.uint8:
        return False
    seen = np.array(values)
    if seen.shape[1:] != leaf.shape:
        return False
    seen = _canonical(seen).reshape(-1, 3)
    return bool((seen.max(axis=0) < codes).all() and seen[:, 0].any())


def _numbers(path: tuple[str | int, ...], leaf: Any, values: Sequence[Any]) -> _Leaf | None:
    """A leaf as numbers: choices one-hot, a box divided by its bound; None for a space that has no numbers."""
    match leaf:
        case spaces.Discrete():
            return _choices(path, np.array([int(leaf.n)]), np.array([int(leaf.start)]))
        case spaces.MultiDiscrete():
            return _choices(path, np.ravel(leaf.nvec), np.ravel(leaf.start))
        case spaces.MultiBinary():
            return _Leaf(path, int(np.prod(leaf.shape)), lambda value: np.ravel(value).astype(np.float32))
        case spaces.Box():
            return _box(path, leaf, values)
    return None


def _choices(path: tuple[str | int, ...], counts: NDArray[Any], starts: NDArray[Any]) -> _Leaf:
    total = int(counts.sum())
    if total > _MOST_ONE_HOT:
        return _Leaf(path, len(counts), lambda value: ((np.ravel(value) - starts) / counts).astype(np.float32))
    first = np.cumsum([0, *counts])[:-1] - starts

    def one_hot(value: Any) -> NDArray[np.float32]:
        out = np.zeros(total, np.float32)
        out[first + np.ravel(value)] = 1.0
        return out

    return _Leaf(path, total, one_hot)


def _box(path: tuple[str | int, ...], leaf: Any, values: Sequence[Any]) -> _Leaf:
    bound = float(np.max(np.maximum(np.abs(leaf.low), np.abs(leaf.high)), initial=0.0))
    seen = np.array([np.ravel(value) for value in values], np.float64)
    largest = float(np.max(np.abs(seen[np.isfinite(seen)]), initial=0.0))
    # Flags and codes are declared as bytes; divided by 255 they would be lost.
    divisor = largest if not np.isfinite(bound) or leaf.dtype.kind in "ui" else bound
    divisor = divisor if divisor > 0 else 1.0
    # A slope may be infinite; a policy sees it as the steepest finite one.
    return _Leaf(
        path,
        int(np.prod(leaf.shape)),
        lambda value: np.clip(np.ravel(value) / divisor, -10.0, 10.0).astype(np.float32),
    )
