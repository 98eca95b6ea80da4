"""Rewards that a designer specifies as JSON: a goal in stages, or a reward machine. Both become reward programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsmith.programs.specified.goal import read_goal
from rewardsmith.programs.specified.machine import read_machine

__all__ = ["program_of_json", "read_goal", "read_machine"]


def program_of_json(text: str, facts: Mapping[str, Any]) -> str:
    """Return the program of a goal or a reward machine, told apart by the key "transitions".

    Args:
        text: The JSON.
        facts: Facts of the task's interface.

    Raises:
        UnreadableAnswer: With every fault, each with its JSON path.
    """
    read = read_machine if '"transitions"' in text else read_goal
    return read(text, facts).source
