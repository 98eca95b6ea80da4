"""A fault of a user's environment, and the comparison of what it returns with what its spaces say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fault:
    """A fault of an environment.

    Attributes:
        what: The fault in words.
        remedy: How to correct it, as one sentence.
        severe: Whether results of a job on this environment would be wrong or missing.
    """

    what: str
    remedy: str
    severe: bool = True


def is_number(value: Any) -> bool:
    """Return whether a reward is one number: a Python or numpy number, or an array without dimensions."""
    with suppress(Exception):
        return not isinstance(value, str | bytes) and np.ndim(value) == 0 and isinstance(float(value), float)
    return False


def kind_of(value: Any) -> str:
    """Return the type of an unexpected value in a few words, with an article."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if value is None:
        return "None"
    article = "an" if type(value).__name__[0] in "aeiou" else "a"
    return f"{article} {type(value).__name__}"


def outside(space: Any, observation: Any, path: str = "the observation") -> Iterator[Fault]:
    """Yield the faults of an observation that its space does not contain; `path` is how messages name it."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        for key, part in parts:
            try:
                inner = observation[key]
            except (KeyError, IndexError, TypeError):
                yield Fault(f"{path} has no {key!r}, which observation_space has", "Return what the space says.")
                continue
            yield from outside(part, inner, f"{path}[{key!r}]")
        if isinstance(space, spaces.Dict) and isinstance(observation, dict):
            for key in [each for each in observation if each not in space.spaces]:
                what = f"{path} has {key!r}, which observation_space has not: it is left out"
                yield Fault(what, "Add it to observation_space, or do not return it.", severe=False)
        return
    array = np.asarray(observation)
    if space.shape is None or space.contains(observation):
        return
    if array.shape != space.shape:
        yield Fault(f"{path} has shape {array.shape}, its space {space.shape}", "Make them agree.")
    elif not np.can_cast(array.dtype, space.dtype, "same_kind"):
        yield Fault(f"{path} is of type {array.dtype}, its space of {space.dtype}", "Make the types agree.")
    elif isinstance(space, spaces.Box) and ((array < space.low) | (array > space.high)).any():
        worst = int(np.argmax(np.ravel(np.maximum(space.low - array, array - space.high))))
        value, low, high = (float(np.ravel(each)[worst]) for each in (array, space.low, space.high))
        yield Fault(
            f"{path} leaves its space: [{worst}] can be {value:.3g}, outside of [{low:.3g}, {high:.3g}]",
            "Widen observation_space, or clip what is returned.",
        )
    elif array.dtype != space.dtype and isinstance(space, spaces.Box):
        what = f"{path} is of type {array.dtype}, its space of {space.dtype}"
        yield Fault(what, "Make the types agree.", severe=False)
    elif not isinstance(space, spaces.Box):
        yield Fault(f"{path} is {observation!r}, which is outside of {space}", "Return a value of the space.")


def copied(observation: Any) -> Any:
    """Return an observation with copies of its arrays, which an environment may reuse."""
    if isinstance(observation, dict):
        return {key: copied(value) for key, value in observation.items()}
    if isinstance(observation, tuple):
        return tuple(copied(value) for value in observation)
    return observation.copy() if isinstance(observation, np.ndarray) else observation


def flat(observation: Any) -> NDArray[np.float64] | None:
    """Return the numbers of an observation as one vector; None if it contains anything else."""
    if isinstance(observation, dict):
        parts = [flat(value) for value in observation.values()]
    elif isinstance(observation, tuple):
        parts = [flat(value) for value in observation]
    else:
        array = np.asarray(observation)
        return array.astype(np.float64).ravel() if array.dtype.kind in "biuf" else None
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) and known else None


def same_values(mine: Any, theirs: Any) -> bool:
    """Return whether two observations are equal; nan equals nan."""
    a, b = flat(mine), flat(theirs)
    if a is None or b is None or a.shape != b.shape:
        return a is None and b is None
    return bool(np.array_equal(a, b, equal_nan=True))
