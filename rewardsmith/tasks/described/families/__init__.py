"""Shipped descriptions of families of environments, whose names and units follow from the id or the model."""

from __future__ import annotations

from importlib.util import find_spec

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description

_NEEDS = {"MetaWorld/": ("metaworld", "metaworld"), "Crafter/": ("crafter", "crafter")}
"""The package and the extra that ids of our own naming need, by how they begin."""


def family_description(task_id: str) -> Description | None:
    """The description of an id of a known family; None if no family has it. Raises UsageError if it cannot be made."""
    from rewardsmith.tasks.described.families import crafter, highway, metaworld, minihack, mujoco, robotics, toy_text

    for family in (toy_text, mujoco, robotics, metaworld, crafter, highway, minihack):
        if (found := family.describe(task_id)) is not None:
            _require_package(task_id)
            return found
    return None


def listed_ids() -> tuple[str, ...]:
    """Ids of the families that are named here and not by Gymnasium, whether their packages are installed or not."""
    from rewardsmith.tasks.described.families import crafter, metaworld

    return (*crafter.ids(), *metaworld.ids())


def _require_package(task_id: str) -> None:
    for beginning, (package, extra) in _NEEDS.items():
        if task_id.startswith(beginning) and find_spec(package) is None:
            raise UsageError(
                f"{task_id} needs the package {package}, which is not installed.",
                f"Install it: pip install 'rewardsmith[{extra}]'.",
            )


def extra_of_family(task_id: str) -> str | None:
    """The extra that an id of our own naming needs; None for all other ids."""
    return next((extra for beginning, (_, extra) in _NEEDS.items() if task_id.startswith(beginning)), None)
