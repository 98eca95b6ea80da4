"""The code that reads a described task's state in an exported reward, where rewardsmith is absent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rewardsmith.tasks.capabilities import StateReader
from rewardsmith.tasks.described import reading
from rewardsmith.tasks.described.export_code import own_code

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup


def state_reader(setup: Setup) -> StateReader:
    """Return the code that makes the plain environment and reads its state.

    Raises:
        UsageError: If the description's functions cannot be imported by name.
    """
    d = setup.description
    sources = [(v.name, v.source, v.flat) for v in setup.variables]
    leaves = [(part.path, part.size) for part in setup.form.observation.parts]
    # Where a function of the task decides, it takes the place of this condition.
    test = "Condition(lambda v, held: False)" if setup.condition is None else setup.condition.code()
    constants = [f"LEAVES = {leaves!r}", f"SOURCES = {sources!r}", f"MAX_STEPS = {d.max_steps}", f"CONDITION = {test}"]
    own = own_code(d, setup.hooks)
    tracker = (Path(__file__).parent / "export_parts" / "tracker.py").read_text(encoding="utf-8")
    return StateReader(own.making, (reading,), ("\n".join(constants), own.text, tracker), own.notes)
