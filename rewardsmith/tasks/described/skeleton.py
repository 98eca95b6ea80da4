"""A description to fill in, for an environment that Gymnasium knows: everything that its spaces say."""

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
# Put a text that holds a comma or a colon in quotes. docs/tasks.md says what each line means.
"""
_STEPS = 1_000  # where the environment itself has no limit


def is_registered(name: str) -> bool:
    """Whether Gymnasium knows an environment of this id."""
    import gymnasium as gym

    return name in gym.registry


def registered_version(name: str) -> str | None:
    """The newest id that Gymnasium knows of the same name in another version; None if there is none."""
    import gymnasium as gym

    bare = re.sub(r"-v\d+\Z", "", name)
    found = [spec for key, spec in gym.registry.items() if key != name and re.sub(r"-v\d+\Z", "", key) == bare]
    return max(found, key=lambda spec: spec.version or 0).id if found else None


def skeleton(name: str, folder: Path) -> str:
    """The YAML text of a description of an id or MODULE:ID, whose module is looked for in `folder`, too.

    Raises UsageError where the environment cannot be made, or where its spaces first need a wrapper.
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
    """A variable for each number of a flat Box, bounded as the space is; none for other spaces."""
    if len(getattr(space, "shape", None) or ()) != 1 or not hasattr(space, "low"):
        return []
    ends = zip(space.low, space.high, strict=True)
    return [Variable(name=f"x{k}", low=_plain(low), high=_plain(high)) for k, (low, high) in enumerate(ends)]


def _plain(bound: Any) -> float:
    """A bound as a person would write it: the shortest decimal that is the same in the space's precision."""
    return float(str(bound)) if abs(float(bound)) < 1e30 else float(np.sign(bound)) * float("inf")


def _text(env: Any, d: Description) -> str:
    module, colon, task_id = d.id.rpartition(":")
    places = places_of(env)
    lines = [f"id: {task_id}"]
    lines += [f"env_id: {module}{colon}{task_id}"] if colon else []
    lines += ["goal: Say in a sentence what is to be achieved.", "env_reward: say what the environment pays", "state:"]
    for k, variable in enumerate(d.state):
        bounds = "".join(
            f", {end}: {value:.9g}"
            for end, value in (("low", variable.low), ("high", variable.high))
            if np.isfinite(value)
        )
        place = f"  # {places[k]}" if places else ""
        lines.append(f'  - {{name: {variable.name}{bounds}, doc: "say what it is"}}{place}')
    lines.append(f"actions: [{', '.join(d.actions)}]")
    lines.append("success: terminated  # the step that solves the task, such as: terminated and x0 >= 0.5")
    lines.append(f"max_steps: {d.max_steps}")
    return _HEAD.format(name=d.id) + "\n".join(lines) + "\n"
