"""More of what is wrong with a description that has one mistake already, so that one message names all of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described import environments, spaces
from rewardsmith.tasks.described.conditions import UNKNOWN, translate
from rewardsmith.tasks.described.description import Description


def differences(description: Description, folder: Path | None) -> tuple[str, str] | None:
    """Where the spaces do not fit; None too if no environment can be made, which is reported once the text is right."""
    with suppress(UsageError):
        return spaces.differences(environments.make_environment(description, folder), description)
    return None


def wrong_condition(description: Description) -> UsageError | None:
    """The mistake of a success condition that is wrong for every environment; None if there is none."""
    if description.condition is None or not description.state or description.state_function or description.python:
        return None
    names = {v.name: v.entries or (None if v.source is None else UNKNOWN) for v in description.state}
    try:
        translate(description.condition, names, list(names))
    except UsageError as error:
        return error
    return None
