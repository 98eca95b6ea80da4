"""A task's actions: one of a few named ones, or a vector of numbers whose entries have names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["discrete", "box", "multi-discrete", "multi-binary"]


@dataclass(frozen=True)
class ActionSpace:
    """What a policy chooses from, in the form of reward code: discrete actions count from 0, all others are vectors.

    Attributes:
        names: Of a discrete space, the constant of each action; of any other, the name of each entry.
        kind: Gymnasium's space: Discrete, Box, MultiDiscrete or MultiBinary.
        low: Smallest value of each entry of a box; empty for the other kinds.
        high: Largest value of each entry of a box; empty for the other kinds.
        counts: Number of choices of each entry of a multi-discrete space; empty for the other kinds.
        first: What the environment calls the first choice: of the action, or of each entry of a multi-discrete space.
        shape: Shape of an action in the environment; () for a discrete one.
        dtype: Numpy's name of the type of an action in the environment.
        idle: The discrete action that changes nothing except the step count, or the least; None if unknown.
        detour: Discrete actions that end where they began, such as a full turn; empty if unknown.
        docs: One line of documentation for each name; empty if there are none.
    """

    names: tuple[str, ...]
    kind: Kind = "discrete"
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    first: tuple[int, ...] = (0,)
    shape: tuple[int, ...] = ()
    dtype: str = "int64"
    idle: int | None = None
    detour: tuple[int, ...] = ()
    docs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def discrete(self) -> bool:
        """Whether an action is one of `len(self)` numbers."""
        return self.kind == "discrete"

    @property
    def width(self) -> int:
        """Numbers of an action; 0 for a discrete space, whose actions are not vectors."""
        return 0 if self.discrete else len(self.names)

    @property
    def whole(self) -> bool:
        """Whether the numbers of an action are ints."""
        return self.kind != "box"

    def rows(self, *shape: int) -> NDArray[Any]:
        """Room for actions: int64 [*shape] for a discrete space, else float64 [*shape, width]."""
        return np.zeros(shape, np.int64) if self.discrete else np.zeros((*shape, self.width))

    def space(self) -> Any:
        """The Gymnasium space of a policy: flat, and counted from 0."""
        from gymnasium import spaces

        if self.kind == "discrete":
            return spaces.Discrete(len(self.names))
        if self.kind == "multi-discrete":
            return spaces.MultiDiscrete(list(self.counts))
        if self.kind == "multi-binary":
            return spaces.MultiBinary(len(self.names))
        return spaces.Box(np.array(self.low, np.float32), np.array(self.high, np.float32), dtype=np.float32)

    def in_environment(self, action: Any) -> Any:
        """What the environment's `step` is given for one action: an int, or an array of its shape and type."""
        if self.discrete:
            return self.first[0] + int(action)
        numbers = np.asarray(action, np.float64)
        if self.kind == "multi-discrete":
            numbers = numbers + np.array(self.first)
        elif np.dtype(self.dtype).kind in "iu":
            numbers = np.rint(numbers)
        return numbers.astype(self.dtype).reshape(self.shape)

    def all_in_environment(self, actions: NDArray[Any]) -> Sequence[Any]:
        """What the `step` of each environment is given for actions [N] or [N, width].

        They are what the space itself would draw: numpy integers of its type, or arrays of its shape and type.
        """
        return [*self.batch_in_environment(actions)]

    def batch_in_environment(self, actions: NDArray[Any]) -> NDArray[Any]:
        """The same as one array [N] or [N, *shape]."""
        if self.discrete:
            counted = np.asarray(actions)
            return (counted + self.first[0] if self.first[0] else counted).astype(self.dtype, copy=False)
        numbers = np.asarray(actions, np.float64)
        if self.kind == "multi-discrete":
            numbers = numbers + np.array(self.first)
        elif np.dtype(self.dtype).kind in "iu":
            numbers = np.rint(numbers)
        return numbers.astype(self.dtype).reshape(len(numbers), *self.shape)

    def rounded(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Actions of a box as the environment's type holds them, so that rewards read what the environment is given."""
        if np.dtype(self.dtype).kind in "iu":
            actions = np.rint(actions)
        return actions.astype(self.dtype).astype(np.float64)

    def sample(self, rng: np.random.Generator, *shape: int, allowed: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Actions drawn uniformly, shaped as `rows(*shape)`; unbounded entries of a box are normal.

        allowed: Of a discrete space, which actions may be drawn, bool [*shape, number of actions]; None for all.
        """
        if allowed is not None:
            return np.where(allowed, rng.random(np.shape(allowed)), -1.0).argmax(axis=-1)
        if self.discrete:
            return rng.integers(len(self.names), size=shape)
        if self.kind == "box":
            low, high = np.array(self.low), np.array(self.high)
            bounded = np.isfinite(low) & np.isfinite(high)
            within = rng.uniform(np.where(bounded, low, 0.0), np.where(bounded, high, 1.0), (*shape, self.width))
            return self.rounded(np.where(bounded, within, np.clip(rng.normal(size=within.shape), low, high)))
        counts = np.array(self.counts) if self.counts else np.full(self.width, 2)
        return rng.integers(counts, size=(*shape, self.width)).astype(np.float64)

    def describe(self, action: Any) -> str:
        """One action in words: its name, or its entries with three digits."""
        if self.discrete:
            return self.names[int(action)]
        pairs = zip(self.names, np.ravel(action).tolist(), strict=True)
        return ", ".join(f"{name}={int(x) if self.whole else format(x, '.3g')}" for name, x in pairs)


def vector_names(count: int) -> tuple[str, ...]:
    """Names for the entries of a vector that have none: a0, a1 and so on."""
    return tuple(f"a{k}" for k in range(count))


def space_of(space: Any, names: Sequence[str] = (), docs: Sequence[str] = ()) -> ActionSpace:
    """The actions of a Gymnasium space, with `names` or else with numbered ones.

    Raises:
        ValueError: If the space is of another kind than Discrete, Box, MultiDiscrete and MultiBinary, or has another
            number of entries than there are names.
    """
    from gymnasium import spaces

    match space:
        case spaces.Discrete():
            found = ActionSpace(
                tuple(names) or tuple(f"action_{k}" for k in range(int(space.n))),
                first=(int(space.start),),
                dtype=space.dtype.name,
            )
            count = int(space.n)
        case spaces.Box():
            count = int(np.prod(space.shape))
            low, high = (tuple(np.ravel(end).astype(float).tolist()) for end in (space.low, space.high))
            found = ActionSpace(tuple(names) or vector_names(count), "box", low, high)
        case spaces.MultiDiscrete():
            count = int(np.prod(space.shape))
            first = tuple(np.ravel(space.start).astype(int).tolist())
            counts = tuple(np.ravel(space.nvec).astype(int).tolist())
            found = ActionSpace(tuple(names) or vector_names(count), "multi-discrete", counts=counts, first=first)
        case spaces.MultiBinary():
            count = int(np.prod(space.shape))
            found = ActionSpace(tuple(names) or vector_names(count), "multi-binary")
        case _:
            raise ValueError(f"actions of the kind {type(space).__name__} are not supported")
    if len(found.names) != count:
        raise ValueError(f"the environment has {count} {'actions' if found.discrete else 'entries of an action'}")
    from dataclasses import replace

    shape = () if found.discrete else tuple(space.shape or ())
    return replace(found, shape=shape, dtype=space.dtype.name, docs=tuple(docs))
