"""The code that reads a described task's state in an exported reward, where rewardsmith is absent."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import UsageError
from rewardsmith.tasks.capabilities import StateReader
from rewardsmith.tasks.described import environments, reading
from rewardsmith.tasks.described.description import is_function

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup


def state_reader(setup: Setup) -> StateReader:
    """How the plain environment is made, and the text of what reads its state.

    Raises:
        UsageError: If the description's functions cannot be imported by name.
    """
    d = setup.description
    sources = [(v.name, v.source, v.flat) for v in setup.variables]
    leaves = [(part.path, part.size) for part in setup.form.observation.parts]
    constants = [f"LEAVES = {leaves!r}", f"SOURCES = {sources!r}", f"MAX_STEPS = {d.max_steps}"]
    test = "Condition(lambda v, held: False)" if setup.condition is None else setup.condition.code()
    constants += [_functions(setup), f"CONDITION = {test}"]
    tracker = (Path(__file__).parent / "export_parts" / "tracker.py").read_text(encoding="utf-8")
    return StateReader(_making(setup), (reading,), ("\n".join(filter(None, constants)), tracker))


def _making(setup: Setup) -> str:
    """The expression that makes the plain environment."""
    d = setup.description
    if setup.hooks.make is not None:
        return "YOUR_ENVIRONMENT"
    if environments.class_of(d.environment) is not None:
        module, _, name = d.environment.partition(":")
        return f"__import__({module!r}, fromlist=[{name!r}]).{name}({f'**{d.env_kwargs!r}' if d.env_kwargs else ''})"
    given = f", **{d.env_kwargs!r}" if d.env_kwargs else ""
    return f"gymnasium.make({d.environment!r}{given})"


def _functions(setup: Setup) -> str:
    """Imports of the user's own functions, which must then be importable where the reward is used."""
    d, hooks = setup.description, setup.hooks
    if hooks.state is None and hooks.success is None:
        return "STATE_FUNCTION = None"
    names: dict[str, Any] = {"STATE_FUNCTION": d.state_function, "SUCCESS": d.success}
    lines = ["STATE_FUNCTION = None"] if hooks.state is None else []
    for name, text in names.items():
        if text is not None and is_function(text):
            module, _, function = text.partition(":")
            if module.startswith("rewardsmith."):
                # What ships with rewardsmith travels with the reward, which must run without it.
                source = inspect.getsource(getattr(importlib.import_module(module), function))
                lines.append(f"{source}\n{name} = {function}")
            else:
                lines.append(f"from {module} import {function} as {name}")
        elif getattr(hooks, "state" if name == "STATE_FUNCTION" else "success") is not None:
            raise UsageError(
                f"{d.id} reads its state with a function of {d.python}, which an exported file cannot import.",
                "Name it in the description as MODULE:FUNCTION (`state_function`, `success`).",
            )
    return "\n".join(lines)
