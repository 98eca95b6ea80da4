"""Gymnasium's MuJoCo environments: names of joints and motors as the model has them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.description import Description

_GOALS = {
    "Ant": "Run forward (in the direction of x) with four legs, without falling over.",
    "HalfCheetah": "Run forward (in the direction of x) as fast as possible.",
    "Hopper": "Hop forward (in the direction of x) on one leg without falling.",
    "Humanoid": "Walk forward (in the direction of x) on two legs without falling.",
    "HumanoidStandup": "Stand up from lying on the ground.",
    "InvertedDoublePendulum": "Keep two poles, one on the other, upright on a cart.",
    "InvertedPendulum": "Keep a pole upright on a cart.",
    "Pusher": "Push the object to the goal with a robot arm.",
    "Reacher": "Bring the fingertip of a two-link arm to the target.",
    "Swimmer": "Swim forward (in the direction of x) as fast as possible.",
    "Walker2d": "Walk forward (in the direction of x) on two legs without falling.",
}
_STEPS = 5
_AXES = {7: ("x", "y", "z", "qw", "qx", "qy", "qz"), 6: ("vx", "vy", "vz", "wx", "wy", "wz")}


def describe(task_id: str) -> Description | None:
    """The description of a MuJoCo id of Gymnasium; None for other ids.

    Raises:
        UsageError: If mujoco is not installed.
    """
    name = re.sub(r"-v\d+\Z", "", task_id)
    if name not in _GOALS or not environments.is_registered(task_id):
        return None
    limit = environments.step_limit(task_id, None) or 1000
    bare = Description(id=task_id, goal=_GOALS[name], score="return", max_steps=limit)
    env = environments.make_environment(bare, None)
    try:
        threshold = env.spec.reward_threshold if env.spec is not None else None
        data: dict[str, Any] = {
            "id": task_id,
            "goal": _GOALS[name],
            "env_reward": "progress or nearness to the goal, minus a cost of control (see Gymnasium's documentation)",
            "state": [*_variables(env), *_positions(env)],
            "actions": [
                {"name": each, "doc": "torque or force of this motor"} for each in _motors(env.unwrapped.model)
            ],
            "score": "return",
            "max_steps": limit,
        }
        if threshold:
            data["threshold"] = float(threshold)
        size = int(np.prod(env.observation_space.shape or ()))
        if name == "Reacher" and size in _REACHER:
            data |= _reacher(size)
    finally:
        environments.close(env)
    return Description.model_validate(data)


_REACHER = {10: 2, 11: 3}
"""Numbers of an observation of Reacher, and how many of them are the way to the target; the last one is always 0."""


def _reacher(size: int) -> dict[str, Any]:
    """What replaces the names, and the return as a success, of Reacher: its numbers are no joints for the most part.

    Its threshold is meant for the mean over episodes; a single one depends on how far away the target is.
    """
    joints, plane = ["joint0", "joint1"], ["x", "y"]
    state = [
        {"name": "cosines", "from": "observation[0:2]", "entries": joints, "doc": "cosines of the joints' angles"},
        {"name": "sines", "from": "observation[2:4]", "entries": joints, "doc": "sines of the joints' angles"},
        {"name": "target", "from": "observation[4:6]", "unit": "m", "entries": plane, "doc": "place of the target"},
        {"name": "velocity", "from": "observation[6:8]", "unit": "rad/s", "entries": joints,
         "doc": "angular velocities of the joints"},
        {"name": "to_target", "from": f"observation[8:{8 + _REACHER[size]}]", "unit": "m",
         "doc": "place of the fingertip minus place of the target"},
    ]  # fmt: skip
    return {
        "state": state, "score": None, "threshold": None, "success": "held(5, norm(to_target) < 0.02)",
        "reference": "rewardsmith.tasks.described.controllers.robotics:reach_with_two_links",
    }  # fmt: skip


def _variables(env: Any) -> list[dict[str, Any]]:
    """A variable for each number of the observation that is a joint's position or velocity; vectors for the rest."""
    bare = env.unwrapped
    speeds = [each if each.endswith(_AXES[6]) else f"{each}_velocity" for each in _joints(bare.model, 6)]
    names = {"qpos": _joints(bare.model, 7), "qvel": speeds}
    seen, states = [], {"qpos": [], "qvel": []}
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    for _ in range(_STEPS):
        observation, *_ = env.step(env.action_space.sample())
        seen.append(np.array(observation, dtype=np.float64))
        for key, kept in states.items():
            kept.append(np.array(getattr(bare.data, key)))
    rows = np.array(seen)
    found: list[dict[str, Any]] = []
    at = 0
    while at < rows.shape[1]:
        place = _place(rows[:, at], {key: np.array(kept) for key, kept in states.items()})
        if place is not None:
            key, index = place
            unit = "position" if key == "qpos" else "velocity"
            found.append(
                {"name": names[key][index], "from": f"observation[{at}]",
                 "doc": f"{unit} of this joint (m or rad{'/s' if key == 'qvel' else ''})"}
            )  # fmt: skip
            at += 1
            continue
        first = at
        while at < rows.shape[1] and _place(rows[:, at], {key: np.array(kept) for key, kept in states.items()}) is None:
            at += 1
        number = sum("rest" in each["name"] for each in found)
        name = "rest" if number == 0 else f"rest_{number + 1}"
        found.append({"name": name, "from": f"observation[{first}:{at}]", "doc": "further numbers of the observation"})
    return _unique(found)


def _place(values: Any, states: dict[str, Any]) -> tuple[str, int] | None:
    if not np.abs(values).max() > 0:
        return None
    for key, kept in states.items():
        same = np.flatnonzero((np.abs(kept - values[:, None]) < 1e-9).all(axis=0))
        if len(same):
            return key, int(same[0])
    return None


def _joints(model: Any, free: int) -> list[str]:
    """A name for each entry of qpos (free joints have 7) or qvel (6)."""
    names: list[str] = []
    for index in range(model.njnt):
        name = _plain(model.joint(index).name or f"joint_{index}")
        count = {0: free, 1: free - 3}.get(int(model.jnt_type[index]), 1)  # free, ball; slide and hinge have one
        names += [name] if count == 1 else [f"{name}_{axis}" for axis in (_AXES.get(count) or range(count))]
    return names


def _motors(model: Any) -> list[str]:
    names = []
    for index in range(model.nu):
        joint = int(model.actuator_trnid[index][0])
        names.append(
            _plain(model.actuator(index).name or (model.joint(joint).name if joint >= 0 else f"motor_{index}"))
        )
    return names if len(set(names)) == len(names) else [f"{name}_{index}" for index, name in enumerate(names)]


def _positions(env: Any) -> list[dict[str, Any]]:
    """What infos say of the place and the speed of the body, where they say it."""
    env.reset(seed=0)
    *_, info = env.step(env.action_space.sample())
    docs = {"x_position": ("m", "place along x"), "x_velocity": ("m/s", "velocity along x over the last step"),
            "y_position": ("m", "place along y"), "y_velocity": ("m/s", "velocity along y over the last step"),
            "distance_from_origin": ("m", "distance from the start")}  # fmt: skip
    return [
        {"name": key, "from": f"info.{key}", "kind": "float", "unit": unit, "doc": doc}
        for key, (unit, doc) in docs.items()
        if key in info
    ]


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_").lower()[:24] or "joint"


def _unique(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: dict[str, int] = {}
    for each in found:
        count = seen.get(each["name"], 0)
        seen[each["name"]] = count + 1
        if count:
            each["name"] = f"{each['name']}_{count + 1}"
    return found
