"""Infers the description of an environment from its spaces, documentation, code and random play."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.errors import UsageError
from rewardsmith.tasks import observations
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described import documentation, environments, names, spaces
from rewardsmith.tasks.described.bounds import is_finite
from rewardsmith.tasks.described.candidates import Signal, signals
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.flattening import places_of
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.inspection import require_no_faults
from rewardsmith.tasks.described.measured import span
from rewardsmith.tasks.described.modules import is_installed, module_of
from rewardsmith.tasks.described.play import Shown, watch
from rewardsmith.tasks.observations import ObservationSpace, Part

PLAYED = 400
"""Steps of random play that an inferred description rests on."""

SECONDS = 20.0
"""Seconds after which that play ends."""

_LIMIT = 1_000  # steps of an episode, where the environment itself has no limit
_MOST_VARIABLES = 64  # numbers of a flat observation that become a variable each; more become one vector
_LIMIT_NAMES = ("max_episode_steps", "_max_episode_steps", "max_steps", "_max_steps", "horizon", "episode_length")
_GOAL = "Say in a sentence what is to be achieved."
_PARTS = {
    "achieved_goal": "what must come to the goal",
    "desired_goal": "the goal of this episode",
    "action_mask": "which actions are allowed",
}


@dataclass(frozen=True)
class Inferred:
    """An inferred description, and the play that it was inferred from.

    Attributes:
        description: The description.
        shown: Random play.
        signals: Conditions that may mean success, the likeliest first; the first one was taken.
        notes: Remarks for whoever edits the description.
    """

    description: Description
    shown: Shown
    signals: tuple[Signal, ...]
    notes: tuple[str, ...]


def infer(name: str, folder: Path | None, *, inspect: bool = False) -> Inferred:
    """Make an environment, play it at random, and describe what that shows.

    Args:
        name: Gymnasium's id, or MODULE:ID or MODULE:CLASS of a module that is looked for in `folder`, too.
        folder: Where modules are looked for after Python's path.
        inspect: Whether to play it in a child process before, unless it comes with an installed package: it may be
            faulty, hang, or end the process.

    Raises:
        UsageError: If the environment cannot be made, has spaces that no policy can read, or has faults.
        TaskError: If it fails while it is played.
    """
    limit = environments.step_limit(name, folder)
    bare = Description(id=name, goal="", state=[], score="return", max_steps=limit or _LIMIT)
    module = module_of(name)
    if inspect and module is not None and not is_installed(module):
        require_no_faults(lambda: environments.make_environment(bare, folder), bare)
    env = environments.make_environment(bare, folder)
    try:
        observe, left_out = _observed(env)
        bare = bare.model_copy(update={"observe": observe})
        observation, actions = spaces.fit(env, bare)
        with environments.generators_kept():
            guarded = GuardedEnv(lambda: env, name, observation)
            shown = watch(guarded, observation, actions, PLAYED, limit or _LIMIT, SECONDS)
        limit = limit or _own_limit(env) or shown.own_limit  # some set it in reset()
        found = tuple(signals(env, shown))
        data = {
            **_first(name, env, shown),
            **({"observe": observe} if observe else {}),
            "state": _state(env, observation, shown),
            "actions": _actions(env, actions),
            **found[0].fields,
            "max_steps": limit or _LIMIT,
            **({"one_start": True} if shown.one_start else {}),
            **({"mechanics": told} if (told := documentation.endings_of(_documentation(env))) else {}),
        }
    finally:
        environments.close(env)
    notes = [*([] if limit else [f"max_steps: the environment has no limit of its own; {_LIMIT} is a guess"])]
    notes += [f"{each} is not observed: no policy can read it" for each in left_out]
    description = Description.model_validate({key: value for key, value in data.items() if value != []})
    return Inferred(description, shown, found, tuple(notes))


def _observed(env: Any) -> tuple[list[str], list[str]]:
    """The keys of a Dict observation that a policy can read, if it cannot read all; and what it cannot read."""
    from gymnasium import spaces as gym_spaces

    space = env.observation_space
    found, refused = observations.space_of(space)
    if not refused or not found.parts or not isinstance(space, gym_spaces.Dict):
        return [], []
    unread = {text.split(" (")[0].partition(".")[0] for text in refused}
    keys = [str(part.path[0]) for part in found.parts if str(part.path[0]) not in unread]
    return [*dict.fromkeys(keys)], refused if keys else []


def _own_limit(env: Any) -> int | None:
    """The step limit that the environment keeps in one of the usual attributes."""
    for name in _LIMIT_NAMES:
        found = getattr(env.unwrapped, name, None)
        if isinstance(found, int | np.integer) and not isinstance(found, bool) and 0 < found <= 1_000_000:
            return int(found)
    return None


def _documentation(env: Any) -> str:
    return documentation.documentation_of(type(env.unwrapped))


def _first(name: str, env: Any, shown: Shown) -> dict[str, Any]:
    _, colon, task_id = name.rpartition(":")
    returns = f", {np.mean(shown.returns):.3g} an episode" if shown.returns else ""
    return {
        "id": task_id,
        **({"env_id": name} if colon else {}),
        "goal": documentation.goal_of(_documentation(env)) or _GOAL,
        "env_reward": f"{span(min(shown.rewards), max(shown.rewards))} a step{returns} in random play",
    }


def _state(env: Any, space: ObservationSpace, shown: Shown) -> list[dict[str, Any]]:
    """The variables of the whole observation, each with a name of its own."""
    found = [each for part in space.parts for each in _variables(env, part, space, shown)]
    own = names.distinct([names.variable_name(each["name"]) for each in found])
    return [{**each, "name": name} for each, name in zip(found, own, strict=True)]


def _variables(env: Any, part: Part, space: ObservationSpace, shown: Shown) -> Iterator[dict[str, Any]]:
    """The variables of one part of the observation; none for an image."""
    if part.is_image:
        return
    alone = len(space.parts) == 1
    told = documentation.meanings(_documentation(env), "observation", part.size) if alone else []
    if not part.path and len(part.leaf.shape or ()) == 1 and part.size <= _MOST_VARIABLES:
        places = places_of(env)
        yield from _numbers(part, shown, told, places if len(places) == part.size else ())
        return
    name = "_".join(str(key) for key in part.path) or "observation"
    doc = told[0] if part.size == 1 and told else _PARTS.get(str(part.path[-1]) if part.path else "", "")
    name = names.identifier(re.sub(r"^(\d)", r"observation_\1", name), "observation")
    yield {"name": name, "from": part.source, **({"doc": doc} if doc else {})}


def _numbers(part: Part, shown: Shown, told: list[str], places: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """A variable for each number of a flat vector, named by documentation, attributes, or else x0, x1 and so on."""
    own = shown.watched.names()
    for k in range(part.size):
        yield {"name": _number_name(k, told, places, own), **_bounds(part, k), **({"doc": told[k]} if told else {})}


def _number_name(k: int, told: list[str], places: tuple[str, ...], own: Mapping[int, str]) -> str:
    """Of an entry of a flattened Dict, its key and index: other names could contradict them."""
    if places:
        return names.identifier(re.sub(r"\W+", "_", places[k]), f"x{k}")
    return names.identifier(told[k], "") if told and names.identifier(told[k], "") else own.get(k) or f"x{k}"


def _bounds(part: Part, k: int) -> dict[str, float]:
    low, high = (np.broadcast_to(np.ravel(getattr(part.leaf, end, np.inf)), part.size)[k] for end in ("low", "high"))
    # Written as the type prints it, not with the digits that float32 adds.
    return {end: float(str(value)) for end, value in (("low", low), ("high", high)) if is_finite(float(value))}


def _actions(env: Any, actions: ActionSpace) -> list[Any]:
    """Names and meanings of the actions; empty where there are too many to name."""
    if len(actions) > _MOST_VARIABLES:
        return []
    first = actions.first[0] if actions.discrete else 0
    told = documentation.meanings(_documentation(env), "action", len(actions), first)
    if not told and first:
        told = documentation.meanings(_documentation(env), "action", len(actions))
    own = names.action_names(env, actions)
    if own and not told:
        return own
    if not told:
        return list(actions.names)
    named = own or names.distinct([names.identifier(text, actions.names[k]) for k, text in enumerate(told)])
    return [{"name": name, "doc": text} for name, text in zip(named, told, strict=True)]


def require_playable(shown: Shown, name: str) -> None:
    """Raises UsageError if not one step was played."""
    if not shown.rewards:
        raise UsageError(
            f"{name} did not play one step in {SECONDS:g} seconds.", "Make its constructor and reset faster."
        )
