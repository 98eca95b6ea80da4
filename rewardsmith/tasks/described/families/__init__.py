"""Shipped descriptions of families of environments, whose names and units follow from the id or the model."""

from __future__ import annotations

from rewardsmith.tasks.described.description import Description


def family_description(task_id: str) -> Description | None:
    """The description of an id of a known family; None if no family has it. Raises UsageError if it cannot be made."""
    from rewardsmith.tasks.described.families import mujoco, robotics, toy_text

    for family in (toy_text, mujoco, robotics):
        if (found := family.describe(task_id)) is not None:
            return found
    return None
