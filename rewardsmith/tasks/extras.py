"""Which extra of rewardsmith brings the environment of a task, and which extras are installed here."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

PACKAGES: Mapping[str, str] = {
    "bert": "transformers",
    "box2d": "Box2D",
    "crafter": "crafter",
    "envpool": "envpool",
    "highway": "highway_env",
    "metaworld": "metaworld",
    "minihack": "minihack",
    "mujoco": "mujoco",
    "robotics": "gymnasium_robotics",
}
"""The package by which each extra is recognised."""

_OF_GYMNASIUM = {"box2d": "box2d", "mujoco": "mujoco"}
"""Extras of Gymnasium's own environments, by a part of the module that defines them."""


def installed_extras() -> tuple[str, ...]:
    """Return the extras whose package is installed, sorted. Nothing of theirs is imported."""
    return tuple(extra for extra, package in PACKAGES.items() if importlib.util.find_spec(package) is not None)


def extra_of(task: str) -> str | None:
    """Return the extra that a task needs, by its id; None if rewardsmith alone is enough, or the task is unknown."""
    from rewardsmith.tasks.described.environments import package_of
    from rewardsmith.tasks.described.families import extra_of_family

    if (own := extra_of_family(task)) is not None:
        return own
    package = package_of(task)
    if package is not None:
        return "minihack" if package == "nle" else next((e for e, p in PACKAGES.items() if p == package), None)
    import gymnasium as gym

    known = gym.registry.get(task)
    place = str(known.entry_point) if known is not None else ""
    return next((extra for part, extra in _OF_GYMNASIUM.items() if f".{part}." in place or f".{part}:" in place), None)
