"""The code by which an exported reward makes a user's own MiniGrid environment and reads its grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rewardsmith.tasks.capabilities import StateReader
from rewardsmith.tasks.described import reading
from rewardsmith.tasks.described.conditions import Translated
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.export_code import own_code
from rewardsmith.tasks.described.python_tasks import Hooks
from rewardsmith.tasks.minigrid import state_tracker
from rewardsmith.tasks.minigrid.walking import features_code

_PART = Path(__file__).parent / "export_parts" / "grid_tracker.py"


def state_reader(
    d: Description, hooks: Hooks, condition: Translated | None, numbers: Sequence[int] | None
) -> StateReader:
    """Return the code that an exported reward includes.

    Args:
        d: The description.
        hooks: The user's own functions.
        condition: The success test as a condition; None for MiniGrid's rule or a function.
        numbers: The environment's numbers of the actions that the description allows; None for all.

    Raises:
        UsageError: If a function of the description cannot be imported by name.
    """
    test = "None" if condition is None else condition.code()
    if d.score_rule is not None:
        test = "Condition(lambda v, held: False)"  # nothing counts as a success
    # A grid counts its own steps, inside of all wrappers.
    limit = [] if "max_steps" in d.env_kwargs else [f"env.unwrapped.max_steps = {d.max_steps}"]
    own = own_code(d, hooks, [*limit, *_allowed(numbers)], limited=False)
    tracker = _PART.read_text(encoding="utf-8")
    constants = f"CONDITION = {test}\nMAX_STEPS = {d.max_steps}"
    modules = (state_tracker,) if test == "None" and not own.has_success else (state_tracker, reading)
    return StateReader(own.making, modules, (features_code(), constants, own.text, tracker), own.notes)


def _allowed(numbers: Sequence[int] | None) -> list[str]:
    """The lines that leave an environment the actions that are allowed."""
    if numbers is None:
        return []
    return [
        f"numbers = {tuple(numbers)!r}  # of the actions that are allowed",
        "space = gymnasium.spaces.Discrete(len(numbers))",
        "env = gymnasium.wrappers.TransformAction(env, lambda action: numbers[int(action)], space)",
    ]
