"""Drafts a description of an environment that Gymnasium can make: what its spaces and random play say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described import environments, spaces
from rewardsmith.tasks.described.bounds import is_finite
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.flattening import places_of
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.play import Shown, watch
from rewardsmith.tasks.observations import ObservationSpace, Part

PLAYED = 400
"""Steps of random play that a draft rests on."""

_LIMIT = 1_000  # steps of an episode, where the environment itself has no limit
_MOST_VARIABLES = 64  # numbers of a flat observation that become a variable each; more become one vector
_SUCCESS = ("is_success", "success", "solved", "won", "goal_reached")
_HEAD = """\
# A description of {name}, drafted from its spaces and {steps} steps of random play. It runs as it is.
# Better: give the variables names, units and one line each, and say in `goal` what is to be achieved.
"""


@dataclass(frozen=True)
class Draft:
    """A drafted description. text: the YAML file. why: how success was guessed, in a sentence."""

    text: str
    why: str


def draft(name: str, folder: Path) -> Draft:
    """Make an environment, play it at random, and write down what that shows.

    Args:
        name: Gymnasium's id, or MODULE:ID of a module that is looked for in `folder`, too.
        folder: Where modules are looked for after Python's path.

    Raises:
        UsageError: If the environment cannot be made, or has spaces that no policy can read.
        TaskError: If it fails while it is played.
    """
    limit = environments.step_limit(name, folder) or _LIMIT
    bare = Description(id=name, goal="", state=[], score="return", max_steps=limit)
    env = environments.make_environment(bare, folder)
    try:
        observation, actions = spaces.fit(env, bare)
        with environments.generators_kept():
            guarded = GuardedEnv(lambda: env, name, observation)
            shown = watch(guarded, observation, actions, PLAYED, limit)
        success, why = _aim(env, shown)
        lines = [*_first(name, env, shown), *_state(observation, shown, places_of(env)), *_actions(actions)]
        lines += [*success, f"max_steps: {limit}"]
        if shown.one_start:
            lines.append("one_start: true  # every episode began in the same state")
        lines += _infos(shown)
    finally:
        environments.close(env)
    return Draft(_HEAD.format(name=name, steps=PLAYED) + "\n".join(lines) + "\n", why)


def _first(name: str, env: Any, shown: Shown) -> list[str]:
    module, colon, task_id = name.rpartition(":")
    about = " ".join((type(env.unwrapped).__doc__ or "").split())
    sentence = re.split(r"(?<=\.)\s", re.sub(r"^#+\s*Description\s*", "", about.strip()))[0][:200]
    returns = f", {np.mean(shown.returns):.3g} an episode in random play" if shown.returns else ""
    return [
        f"id: {task_id}",
        *([f"env_id: {module}{colon}{task_id}"] if colon else []),
        f"goal: {_quoted(sentence or 'Say in a sentence what is to be achieved.')}",
        f"env_reward: {_quoted(f'from {min(shown.rewards):.3g} to {max(shown.rewards):.3g} a step{returns}')}",
    ]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _state(space: ObservationSpace, shown: Shown, places: tuple[str, ...]) -> list[str]:
    lines = ["state:"]
    for part in space.parts:
        if part.is_image:
            lines.append(f"  # {part.source} is an image {tuple(part.leaf.shape)}: the policy sees it, rewards do not")
            continue
        at = slice(part.start, part.start + part.size)
        low, high = shown.low[at], shown.high[at]
        if not part.path and len(part.leaf.shape) == 1 and part.size <= _MOST_VARIABLES:
            for k in range(part.size):
                place = f", {places[k]}" if len(places) == part.size else ""
                lines.append(f"  - {{name: x{k}{_bounds(part, k)}}}  # seen: {low[k]:.3g} to {high[k]:.3g}{place}")
            continue
        name = "_".join(re.sub(r"\W+", "_", str(key)).lower() for key in part.path) or "observation"
        name = name if name[0].isalpha() else f"observation_{name}"
        lines.append(f"  - {{name: {name}, from: {part.source}}}  # seen: {low.min():.3g} to {high.max():.3g}")
    return lines if len(lines) > 1 and any(line.startswith("  -") for line in lines) else [*lines[1:], "state: []"]


def _bounds(part: Part, k: int) -> str:
    low, high = (np.broadcast_to(np.ravel(getattr(part.leaf, end, np.inf)), part.size)[k] for end in ("low", "high"))
    return "".join(
        f", {end}: {float(str(value)):.9g}" for end, value in (("low", low), ("high", high)) if is_finite(float(value))
    )


def _actions(actions: ActionSpace) -> list[str]:
    if len(actions) > _MOST_VARIABLES:
        return [f"# actions are numbered: {actions.names[0]} to {actions.names[-1]}"]
    what = "" if actions.discrete else f"  # entries of an action ({actions.kind})"
    return [f"actions: [{', '.join(actions.names)}]{what}"]


def _aim(env: Any, shown: Shown) -> tuple[list[str], str]:
    """Lines that say when an episode succeeds, and why they were chosen."""
    for key in _SUCCESS:
        values = shown.infos.get(key, [])
        if values and all(np.ndim(v) == 0 and float(v) in (0.0, 1.0) for v in values):
            return [f"success: info.{key}"], f"success is info.{key}, which every step returns"
    threshold = getattr(env.spec, "reward_threshold", None) if env.spec is not None else None
    if threshold is not None:
        lines = ["score: return", f"threshold: {float(threshold):g}  # Gymnasium's reward_threshold"]
        return lines, f"success is a return of {float(threshold):g}, which Gymnasium calls solved"
    paid_at_ends = len(shown.last_rewards) >= sum(reward > 0 for reward in shown.rewards) > 0
    if paid_at_ends and set(np.sign(shown.rewards)) == {0.0, 1.0}:
        return ["success: reward > 0"], "success is a positive reward, which only last steps had in random play"
    if set(shown.rewards) == {0.0}:
        return ["success: reward > 0"], "success is a positive reward: random play met only 0"
    return ["score: return"], "no sign of success was found: candidates are compared by their return"


def _infos(shown: Shown) -> list[str]:
    if not shown.infos:
        return []
    named = ", ".join(f"info.{key}" if key.isidentifier() else f'info["{key}"]' for key in shown.infos)
    return [f"# A variable or `success` may also read: {named}; env.ATTRIBUTE of the unwrapped environment."]
