"""What a reference returns, as an action of reward code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.actions import ActionSpace


def accepted(value: Any, space: ActionSpace) -> Any:
    """Return what a reference chose as an action: an int, or float64 [A].

    A discrete action may be given by number or by name. Entries of a box are limited to its bounds, because a
    controller's output often exceeds them.

    Raises:
        ValueError: If it is no action, with the reason.
    """
    if space.discrete:
        return _discrete(value, space)
    try:
        numbers = np.array(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise ValueError(f"{_shown(value)} is no list of {space.width} numbers") from None
    if len(numbers) != space.width:
        raise ValueError(f"{_shown(value)} has {len(numbers)} numbers instead of {space.width}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{_shown(value)} contains NaN or infinity")
    if space.kind == "box":
        return space.rounded(np.clip(numbers, space.low, space.high))
    counts = np.array(space.counts or (2,) * space.width)
    if ((numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= counts)).any():
        raise ValueError(f"{_shown(value)} lies outside of {' x '.join(f'0..{n - 1}' for n in counts)}")
    return numbers


def _discrete(value: Any, space: ActionSpace) -> int:
    if isinstance(value, str):
        names = [name.lower() for name in space.names]
        if value.lower() not in names:
            raise ValueError(f"there is no action {value!r}; there are {', '.join(space.names)}")
        return names.index(value.lower())
    try:
        number = float(np.asarray(value).item())
    except (TypeError, ValueError):
        raise ValueError(f"{_shown(value)} is no number of an action") from None
    if not math.isfinite(number) or number != int(number) or not 0 <= number < len(space):
        raise ValueError(f"{_shown(value)} is no action: they are 0 to {len(space) - 1}")
    return int(number)


def idle(space: ActionSpace) -> Any:
    """Return the action that does least: an int, or float64 [A] of zeros, or of the values nearest to zero."""
    if space.discrete:
        return len(space) - 1 if space.idle is None else space.idle
    zeros = np.zeros(space.width)
    return space.rounded(np.clip(zeros, space.low, space.high)) if space.kind == "box" else zeros


def room(space: ActionSpace, count: int) -> NDArray[Any]:
    """Return an array for the actions of `count` environments."""
    return space.rows(count)


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:60]}..."
