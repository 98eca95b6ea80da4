"""Gymnasium-Robotics' hands and its kitchen: joints by finger, fingertips, things to be moved, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_FINGERS = (
    ("wrist", ["wrj1", "wrj0"]),
    ("forefinger", ["ffj3", "ffj2", "ffj1", "ffj0"]),
    ("middle_finger", ["mfj3", "mfj2", "mfj1", "mfj0"]),
    ("ring_finger", ["rfj3", "rfj2", "rfj1", "rfj0"]),
    ("little_finger", ["lfj4", "lfj3", "lfj2", "lfj1", "lfj0"]),
    ("thumb", ["thj4", "thj3", "thj2", "thj1", "thj0"]),
)
"""Joints in their order, by part of the hand."""
_JOINTS = [joint for _, joints in _FINGERS for joint in joints]
_TIPS = ("forefinger", "middle_finger", "ring_finger", "little_finger", "thumb")
_MOVED = [joint for joint in _JOINTS if joint not in ("ffj0", "mfj0", "rfj0", "lfj0")]
"""Joints of the Shadow hand that have a motor; a tendon moves the others."""
_POSE = ["x", "y", "z", "qw", "qx", "qy", "qz"]

_Part = tuple[str, Sequence[str] | int, str, str]
"""Name, names of the entries or their number, unit, documentation."""


def parts_of(bare: str, dense: bool) -> dict[str, Any] | None:
    """State, actions, goal and success of a hand's or the kitchen's id without its version; None for other ids."""
    if bare.startswith("HandReach"):
        return _reach(dense)
    if bare.startswith("HandManipulate"):
        return _manipulate(bare, dense)
    if bare.startswith("AdroitHand"):
        return _adroit(bare.removeprefix("AdroitHand").removesuffix("Sparse"), bare.endswith("Sparse"))
    return _kitchen() if bare.startswith("FrankaKitchen") else None


def _variables(key: str, parts: Sequence[_Part]) -> Iterator[dict[str, Any]]:
    """Variables that follow each other in the part `key` of the observation."""
    at = 0
    for name, entries, unit, doc in parts:
        count = entries if isinstance(entries, int) else len(entries)
        place = f"[{at}]" if count == 1 else f"[{at}:{at + count}]"
        found: dict[str, Any] = {"name": name, "from": f"{key}{place}", "unit": unit, "doc": doc}
        yield found if isinstance(entries, int) else {**found, "entries": list(entries)}
        at += count


def _hand() -> list[_Part]:
    """Angles and angular velocities of the 24 joints of a hand."""
    angles = [(name, joints, "rad", f"angles of the {name}'s joints") for name, joints in _FINGERS]
    speeds = [
        (f"{name}_velocity", joints, "rad/s", f"angular velocities of the {name}'s joints") for name, joints in _FINGERS
    ]
    return [*angles, *speeds]


def _motors(joints: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": joint, "doc": "target angle of this joint, scaled to its range"} for joint in joints]


def _reach(dense: bool) -> dict[str, Any]:
    tips: list[_Part] = [(f"{tip}_tip", 3, "m", "place of this fingertip") for tip in _TIPS]
    goals: list[_Part] = [(f"{tip}_goal", 3, "m", "where this fingertip must go") for tip in _TIPS]
    return {
        "goal": "Bring the five fingertips to their goals.",
        "success": "info.is_success",
        "env_reward": "minus the distance to the goal" if dense else "0 at the goal, -1 elsewhere",
        "state": [
            *_variables("observation.achieved_goal", tips),
            *_variables("observation.desired_goal", goals),
            *_variables("observation.observation", _hand()),
        ],
        "actions": _motors(_MOVED),
        "mechanics": ["An episode succeeds if all fingertips together are within 0.01 m of their goals."],
    }


def _manipulate(bare: str, dense: bool) -> dict[str, Any]:
    thing = next((each for each in ("Block", "Egg", "Pen") if each in bare), "Block").lower()
    what = f"Turn the {thing} in the hand until its pose is the goal's."
    parts = [*_hand(), (f"{thing}_velocity", ["vx", "vy", "vz", "wx", "wy", "wz"], "m/s, rad/s", f"of the {thing}"),
             ("pose_again", 7, "", "the same as achieved_goal")]  # fmt: skip
    touch = [("touch", 92, "", "touch sensors of the hand")] if "TouchSensors" in bare else []
    return {
        "goal": what,
        "success": "info.is_success",
        "env_reward": "minus the distance to the goal" if dense else "0 at the goal, -1 elsewhere",
        "state": [
            {"name": thing, "from": "observation.achieved_goal", "entries": _POSE,
             "doc": f"place and rotation of the {thing}"},
            {"name": "goal", "from": "observation.desired_goal", "entries": _POSE,
             "doc": "place and rotation of the goal"},
            *(each for each in _variables("observation.observation", [*parts, *touch]) if each["name"] != "pose_again"),
        ],
        "actions": _motors(_MOVED),
        "mechanics": ["By the id, the goal asks for the rotation, for some of its axes, or also for the place."],
    }  # fmt: skip


_ADROIT: dict[str, tuple[str, list[_Part], list[str]]] = {
    "Door": (
        "Undo the latch and open the door.",
        [
            ("arm", ["arrx", "arry", "arrz"], "rad", "angles of the arm"),
            *((name, joints, "rad", f"angles of the {name}'s joints") for name, joints in _FINGERS),
            ("latch", 1, "rad", "angle of the latch"),
            ("door", 1, "rad", "angle of the door's hinge; the door counts as open from 1.35 on"),
            ("palm", 3, "m", "place of the palm"),
            ("handle", 3, "m", "place of the handle"),
            ("palm_from_handle", 3, "m", "place of the palm relative to the handle"),
            ("door_open", 1, "", "1 if the hinge is beyond 1 rad, -1 otherwise"),
        ],
        ["artz", "arrx", "arry", "arrz"],
    ),
    "Hammer": (
        "Drive the nail into the board with the hammer.",
        [
            ("arm", ["arrx", "arry"], "rad", "angles of the arm"),
            *((name, joints, "rad", f"angles of the {name}'s joints") for name, joints in _FINGERS),
            ("nail", 1, "m", "how far the nail has been driven in"),
            ("hammer_velocity", ["vx", "vy", "vz", "wx", "wy", "wz"], "m/s, rad/s", "of the hammer, cut to [-1, 1]"),
            ("palm", 3, "m", "place of the palm"),
            ("hammer", 3, "m", "place of the hammer"),
            ("hammer_rotation", 3, "rad", "rotation of the hammer, Euler angles"),
            ("nail_head", 3, "m", "place of the nail's head"),
            ("nail_impact", 1, "N", "force on the nail, cut to [-1, 1]"),
        ],
        ["arrx", "arry"],
    ),
    "Pen": (
        "Turn the pen in the hand until it points as the target does.",
        [
            *((name, joints, "rad", f"angles of the {name}'s joints") for name, joints in _FINGERS),
            ("pen", 3, "m", "place of the pen"),
            ("pen_velocity", ["vx", "vy", "vz", "wx", "wy", "wz"], "m/s, rad/s", "of the pen"),
            ("pen_direction", 3, "", "direction of the pen, a unit vector"),
            ("target_direction", 3, "", "direction of the target, a unit vector"),
            ("pen_from_target", 3, "m", "place of the pen relative to the target"),
            ("direction_error", 3, "", "direction of the pen minus that of the target"),
        ],
        [],
    ),
    "Relocate": (
        "Take the ball and move it to the target.",
        [
            ("arm_place", ["artx", "arty", "artz"], "m", "place of the arm"),
            ("arm", ["arrx", "arry", "arrz"], "rad", "angles of the arm"),
            *((name, joints, "rad", f"angles of the {name}'s joints") for name, joints in _FINGERS),
            ("palm_from_ball", 3, "m", "place of the palm relative to the ball"),
            ("palm_from_target", 3, "m", "place of the palm relative to the target"),
            ("ball_from_target", 3, "m", "place of the ball relative to the target"),
        ],
        ["artx", "arty", "artz", "arrx", "arry", "arrz"],
    ),
}


def _adroit(what: str, sparse: bool) -> dict[str, Any] | None:
    if what not in _ADROIT:
        return None
    goal, parts, arm = _ADROIT[what]
    return {
        "goal": goal,
        "success": "info.success",
        "env_reward": "10 if solved, -0.1 otherwise" if sparse else "nearness to success, step by step",
        "state": [*_variables("observation", parts)],
        "actions": _motors([*arm, *_JOINTS]),
    }


def _kitchen() -> dict[str, Any]:
    arm = [f"joint_{k}" for k in range(1, 8)]
    fingers = ["right_finger", "left_finger"]
    parts: list[_Part] = [
        ("arm", arm, "rad", "angles of the arm"), ("fingers", fingers, "m", "opening of the fingers"),
        ("arm_velocity", arm, "rad/s", "of the arm"), ("finger_velocity", fingers, "m/s", "of the fingers"),
        ("bottom_right_burner", ["knob", "burner"], "rad", "its knob and itself"),
        ("bottom_burner", ["knob", "burner"], "rad", "bottom left burner; its goal is (-0.88, -0.01)"),
        ("top_right_burner", ["knob", "burner"], "rad", "its knob and itself"),
        ("top_burner", ["knob", "burner"], "rad", "top left burner; its goal is (-0.92, -0.01)"),
        ("light_switch", ["switch", "light"], "rad", "its goal is (-0.69, -0.05)"),
        ("slide_cabinet", 1, "m", "its goal is 0.37"),
        ("hinge_cabinet", ["left", "right"], "rad", "its goal is (0, 1.45)"),
        ("microwave", 1, "rad", "angle of its door; its goal is -0.75"),
        ("kettle", _POSE, "", "its goal is (-0.23, 0.75, 1.62, 0.99, 0, 0, -0.06)"),
        ("object_velocities", 20, "", "velocities of the objects, in the same order"),
    ]  # fmt: skip
    return {
        "goal": "Bring all seven things of the kitchen into their goal positions.",
        "success": "terminated",
        "env_reward": "the number of things that come into their goal positions on this step",
        "observe": ["observation"],
        "state": [*_variables("observation.observation", parts)],
        "actions": [f"{name}_velocity" for name in (*arm, *fingers)],
        "mechanics": [
            "A thing is done when its distance to its goal is below 0.3. An episode ends when all seven are done.",
            "For fewer things, write a description with `env_kwargs: {tasks_to_complete: [kettle]}`.",
        ],
    }
