"""From what a caller holds (an id, a class, a function, an instance) to a function that makes new environments."""

from __future__ import annotations

import copy
import inspect
import itertools
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import gymnasium as gym

from rewardsmith.errors import UsageError, words_of
from rewardsmith.tasks.given.layers import NEUTRAL

_NUMBERS = itertools.count(1)
_LONGEST = 200  # characters of an exception's own message
_MAKER = "Pass a function without arguments that makes a new one, such as `lambda: MyEnv(size=9)`."


@dataclass(frozen=True)
class Given:
    """An environment as a caller gave it.

    Attributes:
        make: Makes a new one.
        name: What messages call it.
        spec: The specification that Gymnasium made it from; None if it has none.
    """

    make: Callable[[], Any]
    name: str
    spec: Any = None


def given(environment: Any, name: str | None = None) -> Given:
    """Return how to make the environment that a caller gave.

    Args:
        environment: A class or function that makes one, or an environment, which is copied and itself never played.
        name: What messages call it; by default the name of its class or function, or its id.

    Raises:
        UsageError: If it is none of these, raises, or cannot be copied.
    """
    if isinstance(environment, gym.Env):
        spec = getattr(environment.unwrapped, "spec", None)
        called = name or (type(environment.unwrapped).__name__ if spec is None else spec.id)
        return Given(_copier(environment, called), called, spec)
    if not callable(environment):
        raise UsageError(f"The environment is a {type(environment).__name__}, not a gymnasium.Env.", _MAKER)
    called = name or _name_of(environment)
    made = _made(environment, called)
    if not isinstance(made, gym.Env):
        raise UsageError(f"{called} makes a {type(made).__name__}, not a gymnasium.Env.", _MAKER)
    spec, shown = getattr(made.unwrapped, "spec", None), called
    if name is None and not called.isidentifier():
        shown = type(made.unwrapped).__name__ if spec is None else spec.id
    made.close()
    return Given(environment, shown, spec)


def outer_layer(environment: Any) -> tuple[Any, Any] | None:
    """Return (the outermost wrapper that may change rewards, the environment inside it); None without one."""
    layer = environment
    while isinstance(layer, gym.Wrapper):
        if not _keeps_rewards(layer):
            return layer, layer.env
        layer = layer.env
    return None


def _keeps_rewards(layer: gym.Wrapper) -> bool:
    if isinstance(layer, (gym.ObservationWrapper, gym.ActionWrapper, *NEUTRAL)):
        return True
    kind = type(layer)
    gymnasiums = kind.__module__.startswith("gymnasium.wrappers.") and "reward" not in kind.__module__
    return gymnasiums and not isinstance(layer, gym.RewardWrapper)


@dataclass(frozen=True)
class Apart:
    """An environment taken apart at a wrapper.

    Attributes:
        inside: The environment inside the wrapper.
        wrap: Puts the wrapper, and all that is around it, around what stands for the environment inside.
    """

    inside: Given
    wrap: Callable[[Any], Any]


def taken_apart(environment: Any, name: str | None = None) -> Apart:
    """Take an environment apart at its outermost wrapper that may change rewards, which it must have.

    Raises:
        UsageError: If it cannot be copied.
    """
    whole = given(environment, name)

    def wrap(base: Any) -> Any:
        made = whole.make()
        layer, inner = outer_layer(made) or (made, made)
        base.env, layer.env = inner, base  # what the wrapper knows of the environment stays true
        return made

    def inside() -> Any:
        layers = outer_layer(whole.make())
        return None if layers is None else layers[1]

    return Apart(Given(inside, whole.name, whole.spec), wrap)


def _name_of(make: Any) -> str:
    return str(getattr(make, "__name__", type(make).__name__))


def _made(make: Callable[[], Any], name: str) -> Any:
    try:
        return make()
    except UsageError:
        raise
    except Exception as error:
        text = words_of(error, _LONGEST)
        needs = [
            p.name
            for p in _parameters(make)
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        if isinstance(error, TypeError) and needs:
            raise UsageError(f"{name} needs arguments: {', '.join(needs)}.", _MAKER) from error
        raise UsageError(
            f"{name} failed while it was made: {type(error).__name__}{': ' if text else ''}{text}.",
            "Fix its constructor, or pass a function that makes it.",
        ) from error


def _parameters(make: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(make).parameters.values())
    except (TypeError, ValueError):
        return []


def _copier(environment: Any, name: str) -> Callable[[], Any]:
    """Return a function that copies an environment; the first copy shows whether it can be."""
    try:
        copy.deepcopy(environment)
    except Exception as error:
        if (remade := _remade(environment)) is not None:
            return remade
        raise UsageError(
            f"{name} cannot be copied: {type(error).__name__}: {words_of(error, _LONGEST)}.", _MAKER
        ) from error
    return lambda: copy.deepcopy(environment)


def _remade(environment: Any) -> Callable[[], Any] | None:
    """Return a function that makes an environment of Gymnasium anew; None if a wrapper was put around it by hand."""
    layer, spec = environment, getattr(environment.unwrapped, "spec", None)
    while isinstance(layer, NEUTRAL):
        layer = layer.env
    if spec is None or layer is not environment.unwrapped:
        return None
    return lambda: gym.make(spec, disable_env_checker=True)


def published(**attributes: Any) -> str:
    """Put objects into a module of their own, so that a description can name them; return the module's name."""
    name = f"rewardsmith_given_{next(_NUMBERS)}"
    module = ModuleType(name)
    vars(module).update(attributes)
    sys.modules[name] = module
    return name


def attribute_of(name: str) -> str:
    """Return a name as a Python identifier."""
    found = re.sub(r"\W+", "_", name).strip("_") or "environment"
    return found if not found[0].isdigit() else f"_{found}"
