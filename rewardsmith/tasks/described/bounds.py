"""Whether the bounds that a description gives hold: compared with the spaces, and with random play."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described.description import Description, Variable
from rewardsmith.tasks.described.reading import Flattening, NoValue
from rewardsmith.tasks.described.spaces import random_play
from rewardsmith.tasks.described.variables import locate
from rewardsmith.tasks.observations import ObservationSpace

_PROBE_STEPS = 1_000
_ROUNDING = 1e-3  # of a variable's range: a bound written with three digits, or rounded to float32, is meant


def require_bounds(description: Description, space: ObservationSpace) -> None:
    """Raises UsageError where a space allows finite values outside of what the description says."""
    ends = np.array([(low, high) for _, low, high in space.entries()]).T
    _require(description, space, ends[0], ends[1], "its observation_space allows")


def require_played_bounds(env: Any, description: Description, space: ObservationSpace, actions: ActionSpace) -> None:
    """Play at random and raise UsageError where an observation leaves the description's bounds."""
    bounded = [v for v in description.state if is_finite(v.low) or is_finite(v.high)]
    if not bounded:
        return
    flattening = Flattening([(part.path, part.size) for part in space.parts])
    row, low, high = np.zeros(space.size), np.full(space.size, np.inf), np.full(space.size, -np.inf)
    for observation, _, _ in random_play(env, actions, _PROBE_STEPS):
        try:
            flattening.write(observation, row)
        except (NoValue, ValueError, TypeError):
            break
        low, high = np.fmin(low, row), np.fmax(high, row)
    _require(description, space, low, high, f"{_PROBE_STEPS:,} random steps show")


def _require(
    description: Description, space: ObservationSpace, low: NDArray[Any], high: NDArray[Any], source: str
) -> None:
    """A difference of a thousandth of a variable's range is rounding. low, high: of each number [D]."""
    told = []
    for variable in description.state:
        if variable.source is None or not variable.source.startswith("observation"):
            continue
        _, indices = locate(space, variable.source)
        least, most = float(low[indices].min()), float(high[indices].max())
        for name, bound, value, outside in (
            ("low", variable.low, least, variable.low - least),
            ("high", variable.high, most, most - variable.high),
        ):
            if is_finite(bound) and is_finite(value) and outside > _ROUNDING * _range(variable, value):
                told.append(f"{source} {value:g} for {variable.name}, but the description has {name}: {bound:g}")
    if told:
        raise UsageError(
            f"The bounds of {description.id} exclude values that occur: {'; '.join(told)}.",
            "Widen `low` and `high` under `state`, or leave them out.",
        )


def _range(variable: Variable, value: float) -> float:
    ends = [end for end in (variable.low, variable.high, value) if is_finite(end)]
    return max(max(ends) - min(ends), max(map(abs, ends)))


def is_finite(bound: float) -> bool:
    """Whether a bound says something: many spaces say "unbounded" with the largest float32."""
    return abs(bound) < 1e30
