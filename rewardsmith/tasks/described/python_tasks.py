"""Tasks described in Python: the functions of a description, and the object that a module describes a task with."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description, explain, is_function
from rewardsmith.tasks.described.environments import class_of, environment_blamed
from rewardsmith.tasks.described.grid_class import PAID_AT_THE_END, is_grid_class
from rewardsmith.tasks.described.modules import find_module, importable

OBJECT = "TASK"
"""The name of the description in a Python file, unless the command names another object."""

_FUNCTIONS = ("env", "state", "success", "reference")


@dataclass(frozen=True)
class Hooks:
    """The user's own functions of a description; None for those that it does not have.

    Attributes:
        make: Makes one environment; called with the description's `env_kwargs`.
        state: state(env, observation, info) -> dict, the variables by name.
        success: Whether an episode succeeds on a step; takes any of env, observation, info, state, reward, terminated,
            truncated, episode_return and length by name.
        reference: Acts well in the task: a function of the state, a class, or an object with `act`.
    """

    make: Callable[..., Any] | None = None
    state: Callable[..., Mapping[str, Any]] | None = None
    success: Callable[..., Any] | None = None
    reference: Any = None


def hooks_of(description: Description, folder: Path | None) -> Hooks:
    """The functions that a description names, imported; `folder` is searched after Python's path. Raises UsageError."""
    found = Hooks()
    if description.python is not None:
        found = _parts(_object(description.python, folder))[1]
    named = {
        "state": description.state_function, "success": description.success, "reference": description.reference,
    }  # fmt: skip
    more = {key: _object(text, folder) for key, text in named.items() if text is not None and is_function(text)}
    for key, function in more.items():
        if not callable(function) and not (key == "reference" and callable(getattr(function, "act", None))):
            raise UsageError(
                f"`{key}` names {named[key]}, which is no function.", "Name a function, as MODULE:FUNCTION."
            )
    return Hooks(**{**{name: getattr(found, name) for name in ("make", *_FUNCTIONS[1:])}, **more})


def describe_object(name: str, folder: Path) -> Description | None:
    """The description that MODULE:OBJECT holds; None if there is no such object: Gymnasium's MODULE:ID, perhaps.

    Raises:
        UsageError: If there is no such module, it cannot be imported, or the object describes no task.
    """
    module, _, attribute = name.partition(":")
    found = _import(module, folder)
    if not hasattr(found, attribute):
        return None
    if class_of(name) is not None and not hasattr(getattr(found, attribute), "goal"):
        return None  # an environment's class; what it says of itself is inferred
    return described_by(getattr(found, attribute), module, attribute)


def described_by(found: Any, module: str, attribute: str) -> Description:
    """The description that an object holds, which a module calls `attribute`. Raises UsageError."""
    name = f"{module}:{attribute}"
    data, hooks = _parts(found)
    if hooks.make is None and "env_id" not in data and "id" not in data:
        raise UsageError(f"{name} does not say which environment it describes.", "Set `env` to its class, or `env_id`.")
    if is_grid_class(hooks.make):
        data = _with_grids_own(data, hooks)
    if hooks.success is None and not {"success", "score"} & set(data):
        raise UsageError(
            f"{name} does not say when an episode succeeds.", "Define success(), or set `success` or `score`."
        )
    if hooks.success is not None and data.get("score") is not None:
        raise UsageError(
            f"{name} has both success() and `score`, and a job compares only one of them.",
            "Remove `score`, or remove success().",
        )
    data.setdefault("id", attribute if attribute != OBJECT else module)
    try:
        return Description.model_validate({**data, "python": name})
    except ValidationError as error:
        raise UsageError(
            f"The task description {name} is wrong: {explain(error)}.", 'See docs/tasks.md, "In Python".'
        ) from error


def _with_grids_own(data: dict[str, Any], hooks: Hooks) -> dict[str, Any]:
    """The fields of a description whose environment is MiniGrid's, which knows its step limit and pays success."""
    if hooks.success is None and "score" not in data:
        data = {"success": PAID_AT_THE_END, **data}
    if hooks.make is not None and not {"max_steps", "max_episode_steps"} & set(data):
        with environment_blamed("it was made and reset", "Fix it; Python alone must make it."):
            env = hooks.make(**data.get("env_kwargs", {}))
            env.reset(seed=0)
            data = {**data, "max_steps": int(env.unwrapped.max_steps)}
            env.close()
    return data


def only_grids(path: Path) -> bool:
    """Whether a Python file describes no task, but defines MiniGrid environments. Raises UsageError if it fails."""
    if not path.exists():
        return False
    found = _import(path.stem, path.absolute().parent)
    if hasattr(found, OBJECT) or _classes(found, lambda kind: hasattr(kind, "goal")):
        return False
    return bool(_classes(found, is_grid_class))


def _classes(module: Any, wanted: Callable[[Any], bool]) -> list[str]:
    """Names of a module's own classes that are wanted, in their order."""
    own = [(n, v) for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__]
    return [name for name, kind in own if wanted(kind)]


def describe_file(path: Path) -> Description:
    """The description that a Python file holds as TASK, or as its only class with a `goal`. Raises UsageError."""
    if not path.exists():
        raise UsageError(f"There is no file {path}.", "Give the path of a task description.")
    return describe_module(path.stem, path.absolute().parent, str(path))


def describe_module(module: str, folder: Path | None, shown: str | None = None) -> Description:
    """The description that a module holds as TASK, or as its only class with a `goal`. shown: its name in messages.

    Raises:
        UsageError: If there is no such module, or if it holds no description.
    """
    found = _import(module, folder)
    if hasattr(found, OBJECT):
        return described_by(getattr(found, OBJECT), module, OBJECT)
    mine = _classes(found, lambda kind: hasattr(kind, "goal"))
    if len(mine) != 1:
        told = f"{len(mine)} classes with a `goal`: {', '.join(mine)}" if mine else "no class with a `goal`"
        raise UsageError(
            f"{shown or module} has no object {OBJECT}, and {told}.",
            f"Call the description {OBJECT}, or name it on the command line as {module}:NAME.",
        )
    return described_by(getattr(found, mine[0]), module, mine[0])


def _import(module: str, folder: Path | None) -> Any:
    if find_module(module, folder) is None:
        where = "" if folder is None else f", neither in {folder} nor on Python's path"
        raise UsageError(
            f"There is no module {module!r}{where}.",
            "Give MODULE:NAME of a module that Python can import, or the path of a Python file.",
        )
    with (
        importable(folder),
        environment_blamed(f"the module {module} was imported", "Fix the module; Python alone must import it."),
    ):
        return importlib.import_module(module)


def _object(name: str, folder: Path | None) -> Any:
    module, _, path = name.partition(":")
    found = _import(module, folder)
    for part in path.split("."):
        if not hasattr(found, part):
            raise UsageError(f"The module {module} has no {path}.", f"Correct {name} in the description.")
        found = getattr(found, part)
    return found


def _parts(described: Any) -> tuple[dict[str, Any], Hooks]:
    """The plain fields of a description in Python, and its functions."""
    if isinstance(described, Description):
        return described.model_dump(exclude_unset=True, by_alias=True), Hooks()
    if isinstance(described, Mapping):
        fields = dict(described)
    else:
        with environment_blamed("its description was read", "Fix the class that describes the task."):
            made = described() if inspect.isclass(described) else described
        wanted = {*Description.model_fields, "env", "max_episode_steps", "variables"}
        fields = {name: getattr(made, name) for name in sorted(wanted) if hasattr(made, name)}
    functions = {name: fields.pop(name) for name in _FUNCTIONS if callable(fields.get(name))}
    if hasattr(fields.get("reference"), "act"):
        functions["reference"] = fields.pop("reference")
    if isinstance(fields.get("env"), str):
        fields["env_id"] = fields.pop("env")
    if "variables" in fields:
        fields["state"] = fields.pop("variables")
    return fields, Hooks(functions.get("env"), *(functions.get(name) for name in _FUNCTIONS[1:]))
