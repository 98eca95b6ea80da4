"""The user's own functions of a description, called with what they ask for by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.actions import ActionSpace


class FunctionCondition:
    """A success test that is a function of any of env, observation, info, state, reward, terminated, truncated,
    episode_return and length, given by name."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        parameters = inspect.signature(function).parameters.values()
        self._all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._asked = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
        self._state = self._all or "state" in self._asked
        self.names = None if self._state else tuple(self._asked)  # which variables it may read

    @property
    def wanted(self) -> list[str] | None:
        """The values that the function asks for by name; None for all."""
        return None if self._all else self._asked

    def start(self) -> list[int]:
        """Return what is counted over an episode: nothing."""
        return []

    def holds(self, values: Mapping[str, Any], held: list[int]) -> bool:
        """What the function says after a step."""
        del held
        given = {**values, "env": getattr(values["env"], "unwrapped", values["env"])}
        if self._state:
            given["state"] = SimpleNamespace(**values)
        return bool(self._function(**(given if self._all else {name: given[name] for name in self._asked})))


def allowed(env: Any, info: Any, actions: ActionSpace) -> NDArray[np.bool_] | None:
    """Which actions an environment allows now, bool [number of actions]; None if it does not say."""
    if not actions.discrete:
        return None
    if callable(getattr(env.unwrapped, "action_masks", None)):
        return np.asarray(env.unwrapped.action_masks(), dtype=bool)
    found: Any = info.get("action_mask") if isinstance(info, Mapping) else None
    return np.asarray(found, dtype=bool) if found is not None and np.shape(found) == (len(actions),) else None


def action_mask(env: Any, actions: ActionSpace) -> Callable[[Any, Mapping[str, Any]], NDArray[np.bool_]] | None:
    """What reads the allowed actions: action_masks() of the environment, or `action_mask` of its infos, if any."""
    _, info = env.reset(seed=0)
    if allowed(env, info, actions) is None:
        return None

    def read(env: Any, info: Mapping[str, Any]) -> NDArray[np.bool_]:
        found = allowed(env, info, actions)
        # An info may lack it on the last step, when no action follows.
        return np.ones(len(actions), dtype=bool) if found is None else found

    return read
