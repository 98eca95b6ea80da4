"""highway-env: vehicles by row and feature, the names of the manoeuvres, and what counts as arriving."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.description import Description

_GOALS = {
    "highway": ("Drive on a highway with other vehicles to the end without a crash, fast and on the right.", "survive"),
    "highway-fast": ("Drive on a highway with other vehicles to the end without a crash.", "survive"),
    "merge": ("Drive past a ramp, and let other vehicles merge without a crash.", "arrive"),
    "merge-generic": ("Drive past a ramp, and let other vehicles merge without a crash.", "arrive"),
    "roundabout": ("Pass a roundabout with other vehicles without a crash.", "survive"),
    "roundabout-generic": ("Pass a roundabout with other vehicles without a crash.", "survive"),
    "two-way": ("Overtake slower vehicles on a road with oncoming traffic without a crash.", "survive"),
    "u-turn": ("Make a U-turn among other vehicles without a crash.", "survive"),
    "intersection": ("Turn left at a crossing with other vehicles without a crash.", "arrive"),
    "exit": ("Leave the highway at the exit.", "told"),
    "parking": ("Park in the given spot, in the given direction.", "told"),
    "parking-ActionRepeat": ("Park in the given spot, in the given direction.", "told"),
    "parking-parked": ("Park in the given spot between parked vehicles.", "told"),
    "racetrack": ("Follow the racetrack to the end of the time without a crash.", "survive"),
    "racetrack-large": ("Follow the racetrack to the end of the time without a crash.", "survive"),
    "racetrack-oval": ("Follow the racetrack to the end of the time without a crash.", "survive"),
    "lane-keeping": ("Keep to the middle of a winding lane.", "keep"),
}
_SUCCESS = {
    "survive": "truncated and not info.crashed",
    "arrive": "terminated and not info.crashed and on_road",
    "told": "info.is_success",
    "keep": "held(100, reward > 0.9)",
}
_LIMIT = 100  # steps of an episode where the environment itself has no limit
_FEATURES = {
    "presence": "1 if there is such a vehicle", "x": "place along the road", "y": "place across the road",
    "vx": "velocity along the road", "vy": "velocity across the road", "cos_h": "cosine of the heading",
    "sin_h": "sine of the heading", "long_off": "offset along the lane", "lat_off": "offset across the lane",
    "ang_off": "angle to the lane",
}  # fmt: skip
_TRUE = [
    {"name": "speed", "from": "env.vehicle.speed", "unit": "m/s", "doc": "speed of the ego vehicle"},
    {"name": "heading", "from": "env.vehicle.heading", "unit": "rad", "doc": "heading of the ego vehicle"},
    {"name": "position", "from": "env.vehicle.position", "unit": "m", "doc": "place of the ego vehicle"},
    {"name": "lane", "from": "env.vehicle.lane_index[2]", "kind": "int", "doc": "its lane, 0 is the leftmost"},
    {"name": "on_road", "from": "env.vehicle.on_road", "kind": "bool", "doc": "whether it is on the road"},
    {"name": "crashed", "from": "env.vehicle.crashed", "kind": "bool", "doc": "whether it has crashed"},
]


def describe(task_id: str) -> Description | None:
    """The description of an id of highway-env for one vehicle; None for other ids."""
    name = task_id.partition("-v")[0]
    if name not in _GOALS or not environments.is_registered(task_id):
        return None
    goal, aim = _GOALS[name]
    limit = environments.step_limit(task_id, None)
    env = environments.make_environment(
        Description(id=task_id, goal=goal, score="return", max_steps=limit or _LIMIT), None
    )
    try:
        config = env.unwrapped.config
        limit = limit or round((config.get("duration") or 0) * config["policy_frequency"]) or _LIMIT
        observed = config["observation"]
        return Description.model_validate(
            {
                "id": task_id,
                "goal": goal,
                "env_reward": "speed and lane, minus a crash (see highway-env's documentation)",
                "state": [*_observed(env.observation_space, observed, env.unwrapped.observation_type), *_TRUE],
                "actions": _actions(env.unwrapped.action_type, config["action"]),
                "success": _SUCCESS[aim],
                "max_steps": limit,
                "mechanics": [*_scales(env.unwrapped, observed), *_ends(aim)],
            }
        )
    finally:
        environments.close(env)


def _observed(space: Any, settings: Mapping[str, Any], observing: Any) -> Iterator[dict[str, Any]]:
    """Variables for each kind of observation, whose layout follows from the environment's own configuration."""
    kind = settings["type"]
    if kind in ("Kinematics", "ExitObservation") and len(space.shape) == 2:
        features = list(observing.features)
        yield {"name": "ego", "from": "observation[0]", "entries": features, "doc": _words(features)}
        whose = "in the world" if observing.absolute else "relative to the ego vehicle"
        for row in range(1, space.shape[0]):
            yield {"name": f"vehicle_{row}", "from": f"observation[{row}]", "entries": features,
                   "doc": f"vehicle number {row} by distance, {whose}; all 0 if there is none"}  # fmt: skip
    elif kind == "KinematicsGoal":
        for key, doc in (("achieved_goal", "the ego vehicle"), ("desired_goal", "the spot")):
            yield {"name": key, "from": f"observation.{key}", "entries": list(settings["features"]), "doc": doc}
    elif kind == "OccupancyGrid":
        for index, feature in enumerate(settings["features"]):
            yield {"name": f"grid_{feature}", "from": f"observation[{index}]",
                   "doc": f"{feature} by cell around the ego vehicle, row by row"}  # fmt: skip
    elif kind == "AttributesObservation":
        entries = ["y", "heading", "lateral_speed", "yaw_rate"]
        for key in settings["attributes"]:
            yield {"name": key, "from": f"observation.{key}", "entries": entries, "doc": f"{key} of the vehicle"}
    else:
        yield {
            "name": "time_to_collision", "from": "observation",
            "doc": "1 where a collision is predicted, by speed (slower, same, faster), lane and seconds",
        }  # fmt: skip


def _words(features: Sequence[str]) -> str:
    return "the ego vehicle: " + "; ".join(f"{each}, {_FEATURES.get(each, each)}" for each in features)


def _actions(acting: Any, settings: Mapping[str, Any]) -> list[str]:
    if (names := getattr(acting, "actions", None)) is not None:
        return [str(names[k]).lower() for k in sorted(names)]
    entries = {"acceleration": settings.get("longitudinal", True), "steering": settings.get("lateral", True)}
    return [name for name, present in entries.items() if present]


def _scales(bare: Any, settings: Mapping[str, Any]) -> list[str]:
    """What the numbers of an observation are divided by."""
    if settings["type"] == "KinematicsGoal":
        pairs = zip(settings["features"], settings["scales"], strict=True)
        return [f"Numbers of the goals are divided by: {', '.join(f'{name} by {scale:g}' for name, scale in pairs)}."]
    ranges = getattr(bare.observation_type, "features_range", None)
    if not ranges or not getattr(bare.observation_type, "normalize", False):
        return []
    spans = ", ".join(f"{name} from [{low:g}, {high:g}]" for name, (low, high) in ranges.items())
    return [f"Features of vehicles are scaled to [-1, 1]: {spans}, in m and m/s. y grows to the right."]


def _ends(aim: str) -> list[str]:
    if aim == "keep":
        return ["The reward is 1 in the middle of the lane and 0 at its edge."]
    arrives = {"arrive": " It also ends on arrival.", "told": " It also ends on success."}
    return [f"A crash ends an episode.{arrives.get(aim, '')}"]
