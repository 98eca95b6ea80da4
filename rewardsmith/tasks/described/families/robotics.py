"""Gymnasium-Robotics: Fetch, mazes, the Adroit hand and the Shadow hand."""

from __future__ import annotations

from typing import Any

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.description import Description

_XYZ = ["x", "y", "z"]


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
                "success": "info.is_success",
                "env_reward": "minus the distance to the goal" if dense else "0 at the goal, -1 elsewhere"}  # fmt: skip
    elif bare.startswith("PointMaze"):
        ball = [("place", 2, "m", "place of the ball"), ("velocity", 2, "m/s", "velocity of the ball")]
        data = {"goal": "Roll the ball through the maze to the goal.", "success": "info.success",
                "state": [*_GOALS[1:], *_slices(ball, "observation")], "actions": ["force_x", "force_y"],
                "env_reward": "exp(-distance)" if dense else "1 at the goal, 0 elsewhere"}  # fmt: skip
    elif bare.startswith("AntMaze"):
        data = {"goal": "Walk through the maze to the goal with four legs.", "success": "info.success",
                "state": [*_GOALS, {"name": "body", "from": "observation.observation", "doc": "joints of the ant"}],
                "env_reward": "exp(-distance)" if dense else "1 at the goal, 0 elsewhere"}  # fmt: skip
    elif bare.startswith("HandReach"):
        data = {"goal": "Bring the five fingertips to the goal.", "success": "info.is_success",
                "state": [*_GOALS, {"name": "hand", "from": "observation.observation", "doc": "joints and fingertips"}],
                "env_reward": "minus the distance to the goal" if dense else "0 at the goal, -1 elsewhere"}  # fmt: skip
    elif bare.startswith("AdroitHand"):
        what = bare.removeprefix("AdroitHand").removesuffix("Sparse").lower()
        data = {"goal": _ADROIT.get(what, f"Solve the task {what} with the hand."), "success": "info.success",
                "state": [{"name": "observation", "from": "observation", "doc": "joints of the arm and the hand, and "
                           "places of the objects (see Gymnasium-Robotics' documentation)"}]}  # fmt: skip
    if data is None or not environments.is_registered(task_id):
        return None
    limit = environments.step_limit(task_id, None) or 200
    if (reference := next((text for start, text in _REFERENCES.items() if bare.startswith(start)), None)) is not None:
        data["reference"] = reference
    return Description.model_validate({"id": task_id, "max_steps": limit, **data})


_ADROIT = {
    "door": "Undo the latch and open the door.",
    "hammer": "Drive the nail into the board with the hammer.",
    "pen": "Turn the pen in the hand until it points as the target does.",
    "relocate": "Move the ball to the target.",
}
