"""Write a YAML description to fill in, from the spaces of an environment that Gymnasium can make."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described import environments, spaces
from rewardsmith.tasks.described.description import Description, Variable
from rewardsmith.tasks.described.flattening import places_of

_HEAD = """\
# A description of {name} to fill in: names and texts of the state, names of the actions, the goal, success.
# Put texts that contain a comma or a colon in quotes. docs/tasks.md explains each line.
"""
_STEPS = 1_000  # the step limit if the environment has none


def is_registered(name: str) -> bool:
    """Return whether an environment of this id is registered with Gymnasium."""
    import gymnasium as gym

    return name in gym.registry


def registered_version(name: str) -> str | None:
    """Return the newest registered id of the same name in another version; None if there is none."""
    import gymnasium as gym

    bare = re.sub(r"-v\d+\Z", "", name)
    found = [spec for key, spec in gym.registry.items() if key != name and re.sub(r"-v\d+\Z", "", key) == bare]
    return max(found, key=lambda spec: spec.version or 0).id if found else None


def skeleton(name: str, folder: Path) -> str:
    """Return the YAML text of a description to fill in.

    Args:
        name: Gymnasium's id, or MODULE:ID.
        folder: A folder in which the module is searched after all of Python's path.

    Raises:
        UsageError: If the environment cannot be made, or its spaces need a wrapper first.
    """
    bare = Description(id=name, goal="", state=[], actions=[], success="terminated", max_steps=1)
    env = environments.make_environment(bare, folder)
    try:
        limit = env.spec.max_episode_steps if env.spec is not None else None
        described = bare.model_copy(
            update={
                "state": _entries(env.observation_space),
                "actions": [f"action_{k}" for k in range(int(getattr(env.action_space, "n", 0)))],
                "max_steps": limit or _STEPS,
            }
        )
        if found := spaces.differences(env, described):
            raise UsageError(*found)
        return _text(env, described)
    finally:
        environments.close(env)


def _entries(space: Any) -> list[Variable]:
    """A variable for each number of a flat Box, with the space's bounds; empty for other spaces."""
    if len(getattr(space, "shape", None) or ()) != 1 or not hasattr(space, "low"):
        return []
    ends = zip(space.low, space.high, strict=True)
    return [Variable(name=f"x{k}", low=_plain(low), high=_plain(high)) for k, (low, high) in enumerate(ends)]


def _plain(bound: Any) -> float:
    """A bound as the shortest decimal that is equal in the space's precision."""
    return float(str(bound)) if abs(float(bound)) < 1e30 else float(np.sign(bound)) * float("inf")


def _text(env: Any, d: Description) -> str:
    module, colon, task_id = d.id.rpartition(":")
    places = places_of(env)
    lines = [f"id: {task_id}"]
    lines += [f"env_id: {module}{colon}{task_id}"] if colon else []
    lines += ["goal: State the goal in one sentence.", "env_reward: describe the environment's own reward", "state:"]
    for k, variable in enumerate(d.state):
        bounds = "".join(
            f", {end}: {value:.9g}"
            for end, value in (("low", variable.low), ("high", variable.high))
            if np.isfinite(value)
        )
        place = f"  # {places[k]}" if places else ""
        lines.append(f'  - {{name: {variable.name}{bounds}, doc: "describe it"}}{place}')
    lines.append(f"actions: [{', '.join(d.actions)}]")
    lines.append("success: terminated  # the step that solves the task, such as: terminated and x0 >= 0.5")
    lines.append(f"max_steps: {d.max_steps}")
    return _HEAD.format(name=d.id) + "\n".join(lines) + "\n"
