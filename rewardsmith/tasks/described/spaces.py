"""Whether an environment's spaces fit a description, and what can be done where they do not."""

from __future__ import annotations

import keyword
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from rewardsmith.errors import UsageError
from rewardsmith.tasks import actions, observations
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described.description import Description, Entry
from rewardsmith.tasks.described.flattening import places_of
from rewardsmith.tasks.described.functions import allowed
from rewardsmith.tasks.observations import ObservationSpace

_MOST_NAMED = 64  # entries whose order a message lists
_LEAST = 10  # steps of random play in any case
_LONGEST = 10.0  # seconds after which random play stops: some environments make three steps a second
_ALLOWED = "Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of these"


def fit(env: Any, description: Description) -> tuple[ObservationSpace, ActionSpace]:
    """The spaces of an environment as its description names them. Raises UsageError with every difference."""
    if found := differences(env, description):
        raise UsageError(*found)
    observation, _ = observations.space_of(env.observation_space, description.observe)
    return observation, _action_space(env.action_space, description)


def differences(env: Any, description: Description) -> tuple[str, str] | None:
    """Cause and remedy of all that keeps an environment's spaces from fitting; None if they fit."""
    found = [*_observation(env, description), *_actions(env.action_space, description)]
    if not found:
        return None
    causes, remedies = zip(*found, strict=True)
    return f"{description.id} {'; it '.join(causes)}.", " ".join(dict.fromkeys(remedies))


def _observation(env: Any, description: Description) -> Iterator[tuple[str, str]]:
    from gymnasium import spaces

    space = env.observation_space
    if description.observe:
        keys = list(map(str, space.spaces)) if isinstance(space, spaces.Dict) else []
        if unknown := [key for key in description.observe if key not in keys]:
            has = f"has the keys {', '.join(keys)}" if keys else "is no Dict"
            yield (
                f"observes no {', '.join(unknown)}: its observation {has}",
                "Correct `observe`, or leave it out.",
            )
            return
    found, refused = observations.space_of(space, description.observe)
    if refused:
        remedy = f"Spaces that a policy can read are {_ALLOWED}."
        if found.parts and isinstance(space, spaces.Dict):
            keys = ", ".join(dict.fromkeys(str(part.path[0]) for part in found.parts))
            remedy += f" Give `observe: [{keys}]` to leave the rest out, or wrap it."
        else:
            remedy += " Wrap the environment in an ObservationWrapper that returns one of these."
        yield f"observes what no policy can read: {', '.join(refused)}", remedy
        return
    if found.size == 0:
        yield "observes nothing: its observation space has no numbers", "Let the environment observe something."
        return
    yield from _named_entries(env, description, found)


def _named_entries(env: Any, description: Description, found: ObservationSpace) -> Iterator[tuple[str, str]]:
    """Variables without a source name the numbers of a flat observation one by one, so that none is mixed up."""
    by_order = [v for v in description.state if v.source is None]
    if description.state_function or description.python or not by_order or len(by_order) < len(description.state):
        return
    named = sum(len(v.entries) or v.length or 1 for v in by_order)
    if named == found.size:
        return
    order = places_of(env) or tuple(entry for entry, *_ in found.entries())
    names = f" Their order is {', '.join(order)}." if 0 < len(order) <= _MOST_NAMED and len(found.parts) > 1 else ""
    cause = f"observes {found.size} numbers, the description names {named}"
    yield (
        cause,
        f"Name every entry of the observation, in order, under `state`, or give each its source (`from:`).{names}",
    )


def _actions(space: Any, description: Description) -> Iterator[tuple[str, str]]:
    try:
        found = actions.space_of(space)
    except ValueError as error:
        yield f"has {error}", f"Actions may be {_ALLOWED.split(', and')[0]}. Wrap the environment in an ActionWrapper."
        return
    names = description.action_names
    if len(set(names)) < len(names):
        yield "has two actions of one name", "Give each action its own name under `actions`."
    if not found.discrete and (words := [name for name in names if keyword.iskeyword(name)]):
        yield f"names an entry of its actions {words[0]!r}, a word of Python's own", "Rename it under `actions`."
    if names and len(names) != len(found):
        what = "actions" if found.discrete else "numbers in an action"
        cause = f"has {len(found)} {what}, the description names {len(names)}"
        yield cause, "Name every one, in order, under `actions`, or leave `actions` out."
    if description.idle is not None and (not found.discrete or description.idle not in (names or found.names)):
        yield f"has no discrete action {description.idle!r}, which `idle` names", "Name one of `actions`."


def _action_space(space: Any, description: Description) -> ActionSpace:
    from dataclasses import replace

    docs = [
        " ".join(filter(None, (each.doc, f"({each.unit})" if each.unit else ""))) if isinstance(each, Entry) else ""
        for each in description.actions
    ]
    found = actions.space_of(space, description.action_names, docs)
    return found if description.idle is None else replace(found, idle=found.names.index(description.idle))


def random_play(env: Any, space: ActionSpace, steps: int, seed: int = 0) -> Iterator[tuple[Any, dict[str, Any], bool]]:
    """(observation, info, whether an episode starts there) of random steps and of the episodes' starts.

    An environment that raises ends it: a trial shows the exception. One that is slow is played for fewer steps.
    """
    rng = np.random.default_rng(seed)
    over, episode, info = True, seed, {}
    until = time.monotonic() + _LONGEST
    with suppress(Exception, SystemExit):
        for step in range(steps):
            if step >= _LEAST and time.monotonic() > until:
                return
            if over:
                observation, info = env.reset(seed=episode)
                yield observation, info, True
                episode += 1
            action = space.sample(rng, allowed=allowed(env, info, space))
            observation, _, terminated, truncated, info = env.step(space.in_environment(action))
            yield observation, info, False
            over = terminated or truncated
