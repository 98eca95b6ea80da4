"""Flattened Dict observations: the key and index that each number comes from, and whether the names agree."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description

_STEPS = 20  # steps of the episode by which the order of a user's own wrapper is found


def places_of(env: Any) -> tuple[str, ...]:
    """Return KEY[INDEX] of each number of a flattened Dict observation, in the order of the observation.

    The result is empty if no Dict is flattened, or if a wrapper of the user's own flattens it and one episode does not
    reveal the order.
    """
    from gymnasium import spaces
    from gymnasium.wrappers import FlattenObservation

    layer = env
    while layer is not env.unwrapped and not isinstance(layer, FlattenObservation):
        layer = layer.env
    by_gymnasium = isinstance(layer, FlattenObservation)
    inner = layer.env.observation_space if by_gymnasium else layer.observation_space
    if not isinstance(inner, spaces.Dict) or not _is_flattenable(inner):
        return ()
    found = flattened_places(inner)
    if (len(found),) != getattr(env.observation_space, "shape", None):
        return ()
    return found if by_gymnasium else _in_played_order(env, found)


def _is_flattenable(space: Any) -> bool:
    """Whether a Dict has numbers alone; spaces of a user's own, as MiniGrid's missions, need not know."""
    with suppress(NotImplementedError):
        return bool(space.is_np_flattenable)
    return False


def _in_played_order(env: Any, flattened: tuple[str, ...]) -> tuple[str, ...]:
    """KEY[INDEX] in the order of a user's own wrapper, found by comparing the observations on both sides of it."""
    from gymnasium import spaces

    bare = env.unwrapped
    outer, inner = [], []
    with suppress(Exception, SystemExit):  # rehearse() reports an environment that cannot play
        outer, inner = _episode(env, env), _episode(bare, env)
    shown = np.array([spaces.flatten(bare.observation_space, each) for each in inner])
    seen = np.array(outer)
    if seen.shape != shown.shape or not seen.size:
        return ()
    if np.allclose(seen, shown):
        return flattened
    same = [[j for j in range(shown.shape[1]) if np.allclose(seen[:, i], shown[:, j])] for i in range(seen.shape[1])]
    if any(len(places) != 1 for places in same):
        return ()
    return tuple(flattened[j] for (j,) in same)


def _episode(env: Any, played: Any) -> list[NDArray[Any] | dict[str, Any]]:
    """Observations of one seeded episode; only the first one if a wrapper also changes the actions."""
    observation, _ = env.reset(seed=0)
    found = [observation]
    space = played.action_space
    if space != played.unwrapped.action_space or not hasattr(space, "n"):
        return found
    for step in range(_STEPS):
        observation, _, terminated, truncated, _ = env.step(int(getattr(space, "start", 0)) + step % int(space.n))
        found.append(observation)
        if terminated or truncated:
            break
    return found


def flattened_places(space: Any, path: str = "") -> tuple[str, ...]:
    """Return KEY[INDEX] of each entry of a flattened Dict space; keys of inner Dicts are joined by dots."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        inner = ((f"{path}.{key}" if path else str(key), part) for key, part in space.spaces.items())
        return tuple(place for key, part in inner for place in flattened_places(part, key))
    return tuple(f"{path}[{index}]" for index in range(spaces.flatdim(space)))


def require_names(description: Description, places: Sequence[str]) -> None:
    """Raises UsageError if a variable's name contains a key that the variable is not an entry of."""
    keys = {key for place in places for key in _keys(place)}
    told = [
        f"{variable.name} is {place}, but its name contains {', '.join(others)}"
        for variable, place in zip(description.state, places, strict=False)
        if (others := _foreign(variable.name, keys, _keys(place)))
    ]
    if told:
        raise UsageError(
            f"Names in the description of {description.id} are in the wrong order: {'; '.join(told)}.",
            f"Name the entries under `state` in the flattened order: {', '.join(places)}.",
        )


def _keys(place: str) -> list[str]:
    return place.rpartition("[")[0].split(".")


def _foreign(name: str, keys: set[str], own: list[str]) -> list[str]:
    """Keys that a variable's name contains although it is not their entry.

    A key of one or two letters counts only as a whole word. If one key is part of another, as goal of desired_goal, the
    longer one is meant.
    """
    named = {key for key in keys if (key.lower() in name if len(key) > 2 else key.lower() in name.split("_"))}
    return sorted(key for key in named if key not in own and not any(key in mine for mine in named.intersection(own)))


def order_warning(env: Any, description: Description) -> str | None:
    """Return a warning to check the names of a flattened Dict observation; None for other observations."""
    from gymnasium import spaces

    if places := places_of(env):
        order = ", ".join(dict.fromkeys(place.rpartition("[")[0] for place in places))
        return (
            f"{description.id} observes a flattened Dict: its numbers come in the flattened order ({order}). "
            "Check each name under `state` against this order."
        )
    turned = not isinstance(env.observation_space, spaces.Dict)
    if turned and isinstance(env.unwrapped.observation_space, spaces.Dict):
        return (
            f"{description.id} observes a Dict that a custom wrapper turns into numbers: "
            "check each name under `state` against the order of that wrapper."
        )
    return None
