"""Compare an environment's spaces with its description, and name the wrapper to use if they do not fit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description, Variable
from rewardsmith.tasks.described.flattening import flattened_places, places_of

_REGISTER = 'Register the wrapped environment under a new id: docs/tasks.md, "Spaces that need a wrapper".'
_MOST_NAMED = 64  # entries; naming more of them by hand is unreasonable
_PROBE_STEPS = 1_000
_ROUNDING = 1e-3  # of a variable's range: tolerates bounds written with three digits or rounded to float32


def require_fit(env: Any, description: Description) -> None:
    """Raises UsageError with every difference between an environment's spaces and its description."""
    if found := differences(env, description):
        raise UsageError(*found)
    require_bounds(description, env.observation_space.low, env.observation_space.high, "its observation_space allows")


def differences(env: Any, description: Description) -> tuple[str, str] | None:
    """Return (cause, remedy) of all misfits of spaces and step limit; None if they fit the description."""
    found = [*_observation(env, description), *_actions(env.action_space, description), *_step_limit(env, description)]
    if not found:
        return None
    causes, remedies = zip(*found, strict=True)
    told = " ".join(dict.fromkeys(remedies))
    if (count := told.count(_REGISTER)) > 1:
        told = told.replace(f"{_REGISTER} ", "", count - 1)
    return f"{description.id} {'; it '.join(causes)}.", told


def first_action(env: Any) -> int:
    """Return the number of the first action of a Discrete space; Gymnasium allows any integer."""
    return int(env.action_space.start)


def _observation(env: Any, description: Description) -> list[tuple[str, str]]:
    from gymnasium import spaces

    space = env.observation_space
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        return [(f"has no flat Box observation but {_short(space)}", _flattening(env))]
    if space.shape[0] != len(description.state):
        order = places_of(env)
        names = f" Their order is {', '.join(order)}." if 0 < len(order) <= _MOST_NAMED else ""
        cause = f"observes {space.shape[0]} numbers, but the description names {len(description.state)}"
        return [(cause, f"Name every entry of the observation, in order, under `state`.{names}")]
    return []


def _flattening(env: Any) -> str:
    """The remedy for an observation that is not a flat Box: how to turn it into a short vector of numbers."""
    from gymnasium import spaces

    space = env.observation_space
    if _is_minigrid(env):
        return _own_minigrid(env)
    match space:
        case spaces.Discrete():
            return (
                f"An index from 0 to {space.n - 1} does not show which states are close: write an ObservationWrapper "
                f"that turns it into numbers, such as row and column of a grid. {_REGISTER}"
            )
        case spaces.MultiDiscrete() | spaces.MultiBinary():
            entries = int(np.prod(space.shape))
            return f"Wrap it with TransformObservation into a Box of its {entries} numbers. {_REGISTER}"
        case spaces.Dict() if space.is_np_flattenable and spaces.flatdim(space) <= _MOST_NAMED:
            order = ", ".join(flattened_places(space))
            return f"Wrap it with FlattenObservation, and name its entries in this order: {order}. {_REGISTER}"
        case spaces.Box() if spaces.flatdim(space) <= _MOST_NAMED:
            return (
                f"Wrap it with FlattenObservation, and name its {spaces.flatdim(space)} entries row by row. {_REGISTER}"
            )
        case _:
            why = (
                f"Flattened it would be {spaces.flatdim(space):,} numbers to name"
                if space.is_np_flattenable
                else "FlattenObservation cannot flatten it"
            )
            return f"{why}: write an ObservationWrapper that returns the few numbers that a reward reads. {_REGISTER}"


def _own_minigrid(env: Any) -> str:
    from rewardsmith.tasks.minigrid import list_ids

    task_id = env.spec.id if env.spec is not None else ""
    wrapper = f"write an ObservationWrapper that returns the few numbers that a reward reads. {_REGISTER}"
    if task_id in dict(list_ids()):
        by_id = f"MiniGrid's and BabyAI's own environments are tasks by id, without arguments: `--task {task_id}`."
        return f"{by_id} To set env_kwargs, {wrapper}"
    custom = "`rewardsmith.check` checks rewards on your own MiniGrid environment without training (docs/check.md)."
    return f"{custom} To train on it, {wrapper}"


def _actions(space: Any, description: Description) -> list[tuple[str, str]]:
    from gymnasium import spaces

    count = len(description.actions)
    match space:
        case spaces.Discrete() if int(space.n) == count:
            return []
        case spaces.Discrete():
            cause = f"has {space.n} actions, but the description names {count}"
            return [(cause, "Name every action, in order, under `actions`.")]
        case spaces.Box():
            cause = f"has continuous actions ({_short(space)}), which are not supported yet"
            return [(cause, f"Choose a few of them and wrap it with TransformAction, one number each. {_REGISTER}")]
        case spaces.MultiDiscrete() | spaces.MultiBinary():
            several = math.prod(int(n) for n in np.ravel(getattr(space, "nvec", 2 * np.ones(space.shape))))
            cause = f"takes several discrete choices at once ({_short(space)}), which is not supported yet"
            how = f"Wrap it with TransformAction so that each of the {several:,} combinations is one discrete action."
            return [(cause, f"{how} {_REGISTER}")]
        case _:
            cause = f"has actions of a kind that is not supported ({_short(space)})"
            return [(cause, f"Wrap it with TransformAction into one of a few discrete actions. {_REGISTER}")]


def _step_limit(env: Any, description: Description) -> list[tuple[str, str]]:
    most = env.spec.max_episode_steps if env.spec is not None else None
    if most is None or most >= description.max_steps:
        return []
    return [
        (
            f"ends its episodes after {most} steps, but the description has max_steps: {description.max_steps}",
            f"Set max_steps to {most} or less, or raise max_episode_steps where the environment is registered.",
        )
    ]


def require_bounds(description: Description, low: NDArray[Any], high: NDArray[Any], source: str) -> None:
    """Raises UsageError if observed or allowed values lie outside the description's bounds.

    Differences up to a thousandth of a variable's range count as rounding.

    Args:
        description: The description with the bounds.
        low: Smallest value of each variable, [D]; infinite values are ignored.
        high: Largest value of each variable, [D]; infinite values are ignored.
        source: The origin of the values, as the start of a message: "its observation_space allows".
    """
    told = []
    for variable, least, most in zip(description.state, low, high, strict=True):
        for name, bound, value, outside in (
            ("low", variable.low, float(least), variable.low - float(least)),
            ("high", variable.high, float(most), float(most) - variable.high),
        ):
            if _is_finite(bound) and _is_finite(value) and outside > _ROUNDING * _range(variable, value):
                told.append(f"{source} {value:g} for {variable.name}, but the description has {name}: {bound:g}")
    if told:
        raise UsageError(
            f"The bounds of {description.id} exclude values that occur: {'; '.join(told)}.",
            "Widen `low` and `high` under `state`, or leave them out.",
        )


def _range(variable: Variable, value: float) -> float:
    ends = [end for end in (variable.low, variable.high, value) if _is_finite(end)]
    return max(max(ends) - min(ends), max(map(abs, ends)))


def _is_finite(bound: float) -> bool:
    # Many spaces use the largest float32 for "unbounded".
    return abs(bound) < 1e30


def require_played_bounds(env: Any, description: Description) -> None:
    """Play at random and raise UsageError if an observation leaves the description's bounds.

    If the environment raises, the probe ends without an error: the trial reports it.
    """
    if not any(_is_finite(bound) for v in description.state for bound in (v.low, v.high)):
        return
    low, high = np.full(len(description.state), np.inf), np.full(len(description.state), -np.inf)
    # An error on a later step is not about bounds; the trial that meets it reports it.
    with suppress(Exception, SystemExit):
        for observation in _random_play(env, len(description.actions)):
            if np.shape(observation) != low.shape:
                break
            low, high = np.fmin(low, observation), np.fmax(high, observation)
    require_bounds(description, low, high, f"{_PROBE_STEPS:,} random steps show")


def _random_play(env: Any, actions: int) -> Iterator[Any]:
    """Observations of random play, the first observation of each episode included."""
    rng, start = np.random.default_rng(0), first_action(env)
    over, episode = True, 0
    for _ in range(_PROBE_STEPS):
        if over:
            observation, _ = env.reset(seed=episode)
            yield observation
            episode += 1
        observation, _, terminated, truncated, _ = env.step(start + int(rng.integers(actions)))
        yield observation
        over = terminated or truncated


def _is_minigrid(env: Any) -> bool:
    return any(base.__module__ == "minigrid.minigrid_env" for base in type(env.unwrapped).__mro__)


def _short(space: Any) -> str:
    text = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(space).split()))
    return text if len(text) <= 200 else f"{text[:200]} ..."
