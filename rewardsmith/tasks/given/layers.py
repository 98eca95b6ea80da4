"""Wrappers between an environment and its reward: what the bare environment paid, and what state wrappers keep.

A reward that a wrapper computes must not decide what a success is. So the innermost layer records what the environment
itself paid, and the outermost one tells it.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from rewardsmith.errors import UsageError

BASE_REWARD, BASE_RETURN = "base_reward", "base_return"
"""Entries of the infos: what the environment without the wrapper paid on a step, and since its reset."""

NEUTRAL = (OrderEnforcing, PassiveEnvChecker, TimeLimit)
"""Wrappers of Gymnasium that count steps or look at what passes, and change no reward."""

_EVERY_WRAPPERS = frozenset(
    {"env", "_action_space", "_observation_space", "_metadata", "_cached_spec", "_saved_kwargs", "_np_random"}
)
"""Attributes of every wrapper that no step changes."""

Score: TypeAlias = Callable[[Any, Any, Any, Mapping[str, Any]], float]
"""A reward function: score(observation, action, next observation, info)."""


class BaseReward(gym.Wrapper):
    """Records what the environment inside paid; it stands directly around the environment.

    Attributes:
        paid: Its reward of the last step.
        total: The sum of its rewards since the reset.
        over: Whether it ended the episode by the last step.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.paid, self.total, self.over = 0.0, 0.0, False

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset the environment; nothing has been paid yet."""
        self.paid, self.total, self.over = 0.0, 0.0, False
        return self.env.reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step, and record its reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.paid, self.over = float(reward), bool(terminated)
        self.total += self.paid
        return observation, reward, terminated, truncated, info


class Outermost(gym.Wrapper):
    """Tells in the infos what the innermost layer recorded; the reward is that of the layers between."""

    def __init__(self, env: Any, base: BaseReward) -> None:
        super().__init__(env)
        self.base = base

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset the environment, and say that nothing was paid."""
        observation, info = self.env.reset(**options)
        return observation, self._told(info)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step, and say what the environment alone paid."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, self._told(info)

    def _told(self, info: Mapping[str, Any]) -> dict[str, Any]:
        return {**info, BASE_REWARD: self.base.paid, BASE_RETURN: self.base.total}


class FunctionReward(gym.Wrapper):
    """Replaces the reward of a step by what a function of (observation, action, next observation, info) returns."""

    def __init__(self, env: Any, score: Score) -> None:
        super().__init__(env)
        self.score, self.seen = score, None

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset the environment, and remember what it observes."""
        observation, info = self.env.reset(**options)
        self.seen = copied(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step, and score it."""
        observation, _, terminated, truncated, info = self.env.step(action)
        seen = copied(observation)  # environments may return the same array again
        reward, self.seen = self.score(self.seen, action, seen, info), seen
        return observation, reward, terminated, truncated, info


def wrapped(env: Any, wrap: Callable[[Any], Any]) -> Outermost:
    """Return `env` in a caller's wrapper, with what the environment alone paid recorded.

    Raises UsageError if `wrap` returns no environment.
    """
    base = BaseReward(env)
    made = wrap(base)
    if not isinstance(made, gym.Env):
        raise UsageError(
            f"The wrapper returned a {type(made).__name__}, not an environment.",
            "Pass a subclass of gymnasium.Wrapper, or a function that returns one around its argument.",
        )
    return Outermost(made, base)


def layers_of(env: Any) -> Iterator[Any]:
    """Yield the wrappers whose attributes belong to the state, the outermost first."""
    while isinstance(env, gym.Wrapper):
        if not isinstance(env, (Outermost, BaseReward, *NEUTRAL)):
            yield env
        env = env.env


def base_of(env: Any) -> BaseReward | None:
    """Return the layer that records what the environment alone paid, or None."""
    return env.base if isinstance(env, Outermost) else None


def succeeds(base: BaseReward | None, over: bool, paid: float) -> bool:
    """Whether a step succeeds by MiniGrid's rule: the environment itself ended the episode with a positive reward.

    Args:
        base: The layer that recorded what the environment paid; None without a wrapper.
        over: Whether the step terminated the episode, as the outermost layer returned it.
        paid: The reward, as the outermost layer returned it.
    """
    return over and paid > 0 if base is None else base.over and base.paid > 0


def base_reward(env: Any, paid: float) -> float:
    """Return what the environment itself paid on a step whose reward, as the outermost layer returned it, is `paid`."""
    base = base_of(env)
    return paid if base is None else base.paid


class LayerState:
    """What the wrappers of one environment keep from step to step: saved, compared and restored.

    Containers and arrays are copied and compared by their contents, other objects by identity.
    """

    def __init__(self, env: Any) -> None:
        self._layers = list(layers_of(env))

    def save(self) -> tuple[Any, tuple[dict[str, Any], ...]]:
        """Return (a key that is equal for equal states, what `restore` needs)."""
        kept = tuple(_own(layer) for layer in self._layers)
        keys = tuple(
            # What a FunctionReward has seen follows from the rest of the state.
            () if isinstance(layer, FunctionReward) else frozen(own)
            for layer, own in zip(self._layers, kept, strict=True)
        )
        return keys, tuple(copied(own) for own in kept)

    def restore(self, kept: tuple[dict[str, Any], ...]) -> None:
        """Give every wrapper the attributes that `save` returned."""
        for layer, own in zip(self._layers, kept, strict=True):
            for name in _own(layer).keys() - own.keys():
                delattr(layer, name)
            vars(layer).update(copied(own))


def _own(layer: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(layer).items() if name not in _EVERY_WRAPPERS}


def copied(value: Any) -> Any:
    """Return a copy of containers and arrays; other objects stay the same."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(copied(each) for each in value)
    if isinstance(value, deque):
        return deque((copied(each) for each in value), value.maxlen)
    if isinstance(value, dict):
        made = copy.copy(value)  # a defaultdict stays one
        made.update({key: copied(each) for key, each in value.items()})
        return made
    return value


def frozen(value: Any) -> Any:
    """Return a key that is equal for equal contents of containers and arrays, and for the same other objects."""
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        return type(value).__name__, value
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, list | tuple | deque):
        return type(value).__name__, tuple(frozen(each) for each in value)
    if isinstance(value, set | frozenset):
        return "set", frozenset(frozen(each) for each in value)
    if isinstance(value, dict):
        return "dict", frozenset((frozen(key), frozen(each)) for key, each in value.items())
    return "object", id(value)
