"""The code by which an exported reward makes a user's own MiniGrid environment and reads its grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.tasks.capabilities import StateReader
from rewardsmith.tasks.described import reading
from rewardsmith.tasks.described.conditions import Translated
from rewardsmith.tasks.described.description import Description, Wrapper, is_function
from rewardsmith.tasks.described.environments import unregistered
from rewardsmith.tasks.described.functions import FunctionCondition
from rewardsmith.tasks.described.modules import module_of
from rewardsmith.tasks.described.python_tasks import Hooks
from rewardsmith.tasks.minigrid import state_tracker

_PART = Path(__file__).parent / "export_parts" / "grid_tracker.py"


def state_reader(
    d: Description, hooks: Hooks, condition: Translated | None, numbers: Sequence[int] | None, walk: str
) -> StateReader:
    """Return the code that an exported reward includes.

    Args:
        d: The description.
        hooks: The user's own functions.
        condition: The success test as a condition; None for MiniGrid's rule or a function.
        numbers: The environment's numbers of the actions that the description allows; None for all.
        walk: The source of the walking distances.

    Raises:
        UsageError: If a function of the description cannot be imported by name.
    """
    constants = "\n\n".join([_success(d, hooks, condition), f"MAX_STEPS = {d.max_steps}"])
    tracker = _PART.read_text(encoding="utf-8")
    made = _maker(d, hooks, numbers)
    modules = (state_tracker,) if constants.startswith("CONDITION = None") else (state_tracker, reading)
    return StateReader("reward.make_environment()", modules, (walk, constants, made, tracker))


def _success(d: Description, hooks: Hooks, condition: Translated | None) -> str:
    """What defines CONDITION: a test of a step's values, or None for MiniGrid's rule."""
    if condition is not None:
        return f"CONDITION = {condition.code()}"
    if hooks.success is None:
        return "CONDITION = None"
    if d.success is None or not is_function(d.success):
        raise UsageError(
            f"{d.id} tests success with a function of {d.python}, which an exported file cannot import.",
            "Name it in the description as MODULE:FUNCTION (`success`).",
        )
    module, _, function = d.success.partition(":")
    given = FunctionCondition(hooks.success).wanted
    arguments = "**v" if given is None else ", ".join(f"{name}=v[{name!r}]" for name in given)
    return (
        f"from {module} import {function.partition('.')[0]}\n\n"
        f"CONDITION = Condition(lambda v, held: bool({function}({arguments})))"
    )


def _maker(d: Description, hooks: Hooks, numbers: Sequence[int] | None) -> str:
    """The source of make_environment()."""
    lines = ["def make_environment() -> Any:", '    """Make the environment that the reward was designed on."""']
    lines += ["    import gymnasium", *_environment(d, hooks)]
    if "max_steps" not in d.env_kwargs:
        lines.append(f"    env.unwrapped.max_steps = {d.max_steps}")
    for named in d.wrappers:
        wrapper = Wrapper(wrapper=named) if isinstance(named, str) else named
        module, _, name = wrapper.wrapper.partition(":")
        lines += [f"    from {module} import {name}", f"    env = {name}(env{_arguments(wrapper.kwargs, ', ')})"]
    if numbers is not None:
        lines += [
            f"    numbers = {tuple(numbers)!r}  # of the actions that are allowed",
            "    space = gymnasium.spaces.Discrete(len(numbers))",
            "    env = gymnasium.wrappers.TransformAction(env, lambda action: numbers[int(action)], space)",
        ]
    return "\n".join([*lines, "    return env"])


def _environment(d: Description, hooks: Hooks) -> list[str]:
    arguments = _arguments(d.env_kwargs)
    creator: Callable[..., Any] | None = hooks.make or unregistered(d.environment)
    if creator is not None:
        module, name = creator.__module__, creator.__qualname__
        if "<" in name or module == "__main__":
            return ["    raise NotImplementedError('make your environment here')"]
        return [f"    from {module} import {name.partition('.')[0]}", f"    env = {name}({arguments})"]
    module = module_of(d.environment)
    task_id = d.environment.rpartition(":")[2]
    given = f", {arguments}" if arguments else ""
    return [f"    import {module or 'minigrid'}  # registers it", f"    env = gymnasium.make({task_id!r}{given})"]


def _arguments(given: dict[str, Any], before: str = "") -> str:
    return before + f"**{given!r}" if given else ""
