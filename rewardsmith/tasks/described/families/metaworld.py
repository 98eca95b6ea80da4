"""MetaWorld's 50 tasks of a robot arm on a table: one schema for all of them."""

from __future__ import annotations

from typing import Any

from rewardsmith.tasks.described.description import Description

PREFIX = "MetaWorld/"
"""What the ids of these tasks begin with; MetaWorld's name of the task follows."""

_GOALS = {
    "assembly-v3": "Pick up the nut and put it onto the peg.",
    "basketball-v3": "Put the basketball into the basket.",
    "bin-picking-v3": "Move the puck from one bin to the other.",
    "box-close-v3": "Grasp the cover and close the box with it.",
    "button-press-topdown-v3": "Press the button from above.",
    "button-press-topdown-wall-v3": "Press the button from above, past a wall.",
    "button-press-v3": "Press the button.",
    "button-press-wall-v3": "Press the button, past a wall.",
    "coffee-button-v3": "Press the button of the coffee machine.",
    "coffee-pull-v3": "Pull the mug away from the coffee machine.",
    "coffee-push-v3": "Push the mug under the coffee machine.",
    "dial-turn-v3": "Turn the dial by 180 degrees.",
    "disassemble-v3": "Take the nut off the peg.",
    "door-close-v3": "Close the door.",
    "door-lock-v3": "Lock the door by turning the lock clockwise.",
    "door-open-v3": "Open the door.",
    "door-unlock-v3": "Unlock the door by turning the lock counter-clockwise.",
    "drawer-close-v3": "Push the drawer closed.",
    "drawer-open-v3": "Open the drawer.",
    "faucet-close-v3": "Turn the faucet clockwise.",
    "faucet-open-v3": "Turn the faucet counter-clockwise.",
    "hammer-v3": "Drive the screw into the wall with the hammer.",
    "hand-insert-v3": "Insert the gripper into the hole.",
    "handle-press-side-v3": "Press the handle down, sideways.",
    "handle-press-v3": "Press the handle down.",
    "handle-pull-side-v3": "Pull the handle up, sideways.",
    "handle-pull-v3": "Pull the handle up.",
    "lever-pull-v3": "Pull the lever down by 90 degrees.",
    "peg-insert-side-v3": "Insert the peg into the hole, sideways.",
    "peg-unplug-side-v3": "Unplug the peg, sideways.",
    "pick-out-of-hole-v3": "Pick the puck out of the hole.",
    "pick-place-v3": "Pick up the puck and bring it to the goal.",
    "pick-place-wall-v3": "Pick up the puck and bring it to the goal, over a wall.",
    "plate-slide-back-side-v3": "Slide the plate out of the cabinet, sideways.",
    "plate-slide-back-v3": "Slide the plate out of the cabinet.",
    "plate-slide-side-v3": "Slide the plate into the cabinet, sideways.",
    "plate-slide-v3": "Slide the plate into the cabinet.",
    "push-back-v3": "Pull the puck back to the goal.",
    "push-v3": "Push the puck to the goal.",
    "push-wall-v3": "Push the puck to the goal, past a wall.",
    "reach-v3": "Bring the gripper to the goal.",
    "reach-wall-v3": "Bring the gripper to the goal, past a wall.",
    "shelf-place-v3": "Pick up the puck and place it on the shelf.",
    "soccer-v3": "Push the ball into the net.",
    "stick-pull-v3": "Grasp the stick and pull the box with it.",
    "stick-push-v3": "Grasp the stick and push the box with it.",
    "sweep-into-v3": "Sweep the puck into the hole.",
    "sweep-v3": "Sweep the puck off the table.",
    "window-close-v3": "Push the window closed.",
    "window-open-v3": "Push the window open.",
}
_QUATERNION = ["qx", "qy", "qz", "qw"]
_STATE: list[dict[str, Any]] = [
    {"name": "hand", "from": "observation[0:3]", "unit": "m", "doc": "place of the gripper"},
    {"name": "gripper", "from": "observation[3]", "low": -1, "high": 1, "doc": "opening; 0 is closed, 1 open"},
    {"name": "object_1", "from": "observation[4:7]", "unit": "m", "doc": "place of the object, or of its handle"},
    {"name": "object_1_rotation", "from": "observation[7:11]", "entries": _QUATERNION, "doc": "rotation of object_1"},
    {"name": "object_2", "from": "observation[11:14]", "unit": "m", "doc": "place of the second object; 0 without one"},
    {"name": "object_2_rotation", "from": "observation[14:18]", "entries": _QUATERNION, "doc": "rotation of object_2"},
    {"name": "goal", "from": "observation[36:39]", "unit": "m", "doc": "the goal of this episode"},
    {"name": "object_to_goal", "from": "info.obj_to_target", "kind": "float", "unit": "m",
     "doc": "what the success test measures: usually the distance of the object to the goal"},
    {"name": "near_object", "from": "info.near_object", "kind": "float",
     "doc": "whether the gripper is near the object; in some tasks its distance"},
    {"name": "grasped", "from": "info.grasp_success", "kind": "float",
     "doc": "1 if the object is grasped, in tasks that need it"},
]  # fmt: skip
_ARM = [
    {"name": "dx", "doc": "motion of the gripper to the right"},
    {"name": "dy", "doc": "motion of the gripper away from the robot"},
    {"name": "dz", "doc": "motion of the gripper upwards"},
    {"name": "grip", "doc": "above 0 closes the gripper, below 0 opens it"},
]
_LIMIT = 500  # steps of an episode; MetaWorld refuses more


def ids() -> tuple[str, ...]:
    """The ids of all 50 tasks."""
    return tuple(f"{PREFIX}{name}" for name in _GOALS)


def describe(task_id: str) -> Description | None:
    """The description of MetaWorld/TASK, such as MetaWorld/button-press-v3; None for other ids."""
    name = task_id.removeprefix(PREFIX)
    if not task_id.startswith(PREFIX) or name not in _GOALS:
        return None
    return Description.model_validate(
        {
            "id": task_id,
            "env_id": "Meta-World/goal_observable",
            "env_kwargs": {"env_name": name, "seed": 0},
            "wrappers": ["rewardsmith.tasks.described.families.metaworld_goals:SeededGoals"],
            "goal": _GOALS[name],
            "env_reward": "0 to 10 a step, the more the nearer to success; 10 where the task is solved",
            "state": _STATE,
            "actions": _ARM,
            "success": "info.success",
            "max_steps": _LIMIT,
            "mechanics": [
                "Places are in metres: x to the right, y away from the robot, z upwards.",
                "The seed of an episode decides where objects and goal are. Success does not end an episode.",
            ],
        }
    )
