"""Gymnasium-Robotics: Fetch and the mazes; robot_hands.py describes the hands and the kitchen."""

from __future__ import annotations

from typing import Any

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.families import robot_hands


def _slices(parts: list[tuple[str, int, str, str]], key: str) -> list[dict[str, Any]]:
    """Vectors that follow each other in one part of the observation: (name, numbers, unit, doc)."""
    found, at = [], 0
    for name, count, unit, doc in parts:
        found.append({"name": name, "from": f"observation.{key}[{at}:{at + count}]", "unit": unit, "doc": doc})
        at += count
    return found


_GOALS = [
    {"name": "achieved_goal", "from": "observation.achieved_goal", "unit": "m", "doc": "what must come to the goal"},
    {"name": "desired_goal", "from": "observation.desired_goal", "unit": "m", "doc": "the goal of this episode"},
]
_GRIPPER = ("gripper", 3, "m", "place of the gripper")
_REACH = [
    _GRIPPER,
    ("fingers", 2, "m", "opening of the two fingers"),
    ("gripper_velocity", 3, "m/step", "velocity of the gripper"),
    ("finger_velocity", 2, "m/step", "velocity of the fingers"),
]
_OBJECT = [
    _GRIPPER,
    ("object", 3, "m", "place of the object"),
    ("object_from_gripper", 3, "m", "place of the object relative to the gripper"),
    ("fingers", 2, "m", "opening of the two fingers"),
    ("object_rotation", 3, "rad", "rotation of the object"),
    ("object_velocity", 3, "m/step", "velocity of the object relative to the gripper"),
    ("object_angular_velocity", 3, "rad/step", "angular velocity of the object"),
    ("gripper_velocity", 3, "m/step", "velocity of the gripper"),
    ("finger_velocity", 2, "m/step", "velocity of the fingers"),
]
_FETCH = {
    "FetchReach": ("Bring the gripper to the goal.", _REACH),
    "FetchPush": ("Push the object over the table to the goal.", _OBJECT),
    "FetchSlide": ("Hit the puck so that it slides to the goal, which is out of reach.", _OBJECT),
    "FetchPickAndPlace": ("Bring the object to the goal, which may be above the table.", _OBJECT),
}
_ARM = [
    {"name": "dx", "doc": "motion of the gripper along x"},
    {"name": "dy", "doc": "motion along y"},
    {"name": "dz", "doc": "motion along z"},
    {"name": "grip", "doc": "below 0 closes the fingers, above 0 opens them"},
]
_CONTROLLERS = "rewardsmith.tasks.described.controllers.robotics"
_REFERENCES = {"FetchReach": f"{_CONTROLLERS}:reach", "PointMaze": f"{_CONTROLLERS}:RollThroughMaze"}


def describe(task_id: str) -> Description | None:
    """The description of an id of Gymnasium-Robotics; None for other ids."""
    name = task_id.partition("-v")[0]
    bare, dense = name.removesuffix("Dense"), name.endswith("Dense")
    data: dict[str, Any] | None = None
    if bare in _FETCH:
        goal, parts = _FETCH[bare]
        data = {"goal": goal, "state": [*_GOALS, *_slices(parts, "observation")], "actions": _ARM,
                "success": "info.is_success", "goal_success": "distance(achieved_goal, desired_goal) < 0.05",
                "env_reward": "minus the distance to the goal" if dense else "0 at the goal, -1 elsewhere"}  # fmt: skip
    elif bare.startswith("PointMaze"):
        ball = [("place", 2, "m", "place of the ball"), ("velocity", 2, "m/s", "velocity of the ball")]
        data = {"goal": "Roll the ball through the maze to the goal.", "success": "info.success",
                "goal_success": f"distance(achieved_goal, desired_goal) <= {_REACHED}",
                "state": [*_GOALS[1:], *_slices(ball, "observation")], "actions": ["force_x", "force_y"],
                "env_reward": "exp(-distance)" if dense else "1 at the goal, 0 elsewhere"}  # fmt: skip
    elif bare.startswith("AntMaze"):
        data = _ant(task_id, dense)
    else:
        data = robot_hands.parts_of(bare, dense)
    if data is None or not environments.is_registered(task_id):
        return None
    limit = environments.step_limit(task_id, None) or 200
    if (reference := next((text for start, text in _REFERENCES.items() if bare.startswith(start)), None)) is not None:
        data["reference"] = reference
    return Description.model_validate({"id": task_id, "max_steps": limit, **data})


_LEGS = ["hip_1", "ankle_1", "hip_2", "ankle_2", "hip_3", "ankle_3", "hip_4", "ankle_4"]
_REACHED = 0.45  # metres from the goal at which a maze counts as solved, as in Gymnasium-Robotics


def _ant(task_id: str, dense: bool) -> dict[str, Any]:
    body: list[dict[str, Any]] = [
        {"name": "height", "from": "observation.observation[0]", "unit": "m", "doc": "height of the torso"},
        {"name": "rotation", "from": "observation.observation[1:5]", "entries": ["qw", "qx", "qy", "qz"],
         "doc": "rotation of the torso"},
        {"name": "joints", "from": "observation.observation[5:13]", "entries": _LEGS, "unit": "rad",
         "doc": "angles of the legs' joints"},
        {"name": "velocity", "from": "observation.observation[13:16]", "unit": "m/s", "doc": "velocity of the torso"},
        {"name": "angular_velocity", "from": "observation.observation[16:19]", "unit": "rad/s",
         "doc": "angular velocity of the torso"},
        {"name": "joint_velocities", "from": "observation.observation[19:27]", "entries": _LEGS, "unit": "rad/s",
         "doc": "angular velocities of the legs' joints"},
    ]  # fmt: skip
    version = int(task_id.rpartition("-v")[2])
    if version >= 5:
        forces = {"name": "contact_forces", "from": "observation.observation[27:105]", "doc": "forces and torques of "
                  "contacts, 6 numbers for each body part"}  # fmt: skip
        body.append(forces)
    return {
        "goal": "Walk through the maze to the goal with four legs.",
        # Versions 3 and 4 do not tell of success in their infos.
        "goal_success": f"distance(achieved_goal, desired_goal) <= {_REACHED}",
        "success": "info.success" if version >= 5 else f"distance(achieved_goal, desired_goal) <= {_REACHED}",
        "state": [*_GOALS, *body],
        "actions": [{"name": f"{leg}_torque", "doc": "torque of this joint"} for leg in (*_LEGS[6:], *_LEGS[:6])],
        "env_reward": "exp(-distance)" if dense else "1 at the goal, 0 elsewhere",
    }
