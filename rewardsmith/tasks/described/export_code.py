"""The code by which an exported reward makes a task's environment and imports the task's own functions."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsmith.tasks.described.description import Description, Wrapper, is_function
from rewardsmith.tasks.described.environments import package_of, unregistered
from rewardsmith.tasks.described.modules import is_installed, module_of
from rewardsmith.tasks.described.python_tasks import Hooks

_OURS = "rewardsmith"
_ALONE = "Nothing here imports rewardsmith."
_EXTRAS = {"crafter_env": "crafter", "metaworld_goals": "metaworld"}
"""Extras that bring what an adapter of rewardsmith adapts, by the adapter's module."""

_PARTS = Path(__file__).parent / "export_parts"


@dataclass(frozen=True)
class OwnCode:
    """The part of an exported reward on the environment and the task's own code.

    Attributes:
        making: The expression that makes the environment.
        text: The source of make_environment() and own_functions(), and of the functions that these call.
        notes: Sentences on packages to install and on files that must lie beside the reward.
        has_success: Whether own_functions() returns a test of success.
    """

    making: str
    text: str
    notes: tuple[str, ...]
    has_success: bool


def own_code(d: Description, hooks: Hooks, more: Sequence[str] = (), limited: bool = True) -> OwnCode:
    """Return the code for a description.

    Args:
        d: The description.
        hooks: Its functions.
        more: Lines of make_environment() that follow the wrappers.
        limited: Whether the environment has the task's step limit; otherwise `more` sees to it.
    """
    writer = _Writer(d, hooks, limited)
    functions = writer.functions()
    simple = hooks.make is None and unregistered(d.environment) is None
    if simple and not d.wrappers and not more and not writer.adapters:
        making = writer.make_call()
    else:
        making = "reward.make_environment()"
    maker = writer.maker(more)
    parts = [writer.helpers(), maker, functions]
    return OwnCode(making, "\n\n\n".join(filter(None, parts)), writer.notes(), hooks.success is not None)


class _Writer:
    """Writes the parts, and remembers which modules they import."""

    def __init__(self, d: Description, hooks: Hooks, limited: bool) -> None:
        self._d, self._hooks, self._limited = d, hooks, limited
        self._own: dict[str, None] = {}  # modules that are the user's own, in the order of their use
        self._installed: dict[str, None] = {}  # top names of packages that hold parts of the task
        self._calls_own_module = False
        wrappers = [each if isinstance(each, str) else each.wrapper for each in d.wrappers]
        named = [each.partition(":")[0] for each in (d.environment, *wrappers)]
        self.adapters = [each for each in named if each.partition(".")[0] == _OURS]
        self._described = False

    def make_call(self) -> str:
        """The call of gymnasium.make, with the package that registers the id."""
        import gymnasium as gym

        d = self._d
        name, module = d.environment, module_of(d.environment)
        if module is not None:
            self._remember(module)
        elif (package := package_of(name)) is not None:
            self._remember(package)
            name = f"{package}:{name}"  # Gymnasium knows the id once the package is imported
        spec = gym.registry.get(d.environment.rpartition(":")[2])
        limit = self._limited and (spec is None or spec.max_episode_steps != d.max_steps)
        given = {**({"max_episode_steps": d.max_steps} if limit else {}), **d.env_kwargs}
        return f"gymnasium.make({name!r}{_arguments(given, first=False)})"

    def maker(self, more: Sequence[str]) -> str:
        """The source of make_environment()."""
        d, hooks = self._d, self._hooks
        creator = hooks.make or unregistered(d.environment)
        lines = ["import gymnasium", ""]
        if creator is None:
            lines.append(f"env = {self.make_call()}")
        else:
            made = self._described_part("env") if hooks.make is not None else self._imported(d.environment, lines)
            lines.append(f"env = {made}({_arguments(d.env_kwargs)})")
        for named in d.wrappers:
            wrapper = Wrapper(wrapper=named) if isinstance(named, str) else named
            made = self._imported(wrapper.wrapper, lines)
            lines.append(f"env = {made}(env{_arguments(wrapper.kwargs, first=False)})")
        if creator is not None and self._limited:
            lines.append(f"env = gymnasium.wrappers.TimeLimit(env, {d.max_steps})")
        head = ["def make_environment() -> Any:", '    """Make the environment that the reward was designed on."""']
        return "\n".join([*head, *(f"    {line}".rstrip() for line in (*lines, *more)), "    return env"])

    def functions(self) -> str:
        """The source of own_functions()."""
        d, hooks = self._d, self._hooks
        sources: list[str] = []
        state = self._function("state", d.state_function, hooks.state, sources)
        success = self._function("success", d.success, hooks.success, sources)
        doc = '    """Return the task\'s own functions, state and success; None for those that it does not have."""'
        return "\n\n\n".join(
            [*sources, f"def own_functions() -> tuple[Any, Any]:\n{doc}\n    return {state}, {success}"]
        )

    def _function(self, key: str, text: str | None, function: Any, sources: list[str]) -> str:
        """The expression for a function; those of rewardsmith are added to `sources` instead of imported."""
        if function is None:
            return "None"
        if text is None or not is_function(text):
            return self._described_part(key)
        module, _, name = text.partition(":")
        if module.partition(".")[0] != _OURS:
            return self._imported(text)
        # The reward must run without rewardsmith, so it carries functions of rewardsmith's shipped descriptions.
        sources.append(inspect.getsource(getattr(importlib.import_module(module), name)).rstrip())
        return name

    def _described_part(self, key: str) -> str:
        """The expression for a part of the object that describes the task."""
        assert self._d.python is not None  # only such an object has parts of its own
        self._described = True
        is_mapping = isinstance(_found(self._d.python), Mapping)
        return f"described_task()[{key!r}]" if is_mapping else f"described_task().{key}"

    def helpers(self) -> str:
        """The sources of described_task() and own_module(), as far as they are used."""
        texts = []
        if self._described:
            name = self._d.python or ""
            call = "()" if inspect.isclass(_found(name)) else ""
            described = f"{self._imported(name)}{call}"
            texts.append((_PARTS / "described_task.py").read_text(encoding="utf-8").replace("DESCRIBED", described))
        if self._calls_own_module:
            texts.insert(0, (_PARTS / "own_module.py").read_text(encoding="utf-8"))
        return "\n\n\n".join(text.strip() for text in texts)

    def notes(self) -> tuple[str, ...]:
        """Sentences on what has to be installed or to lie beside the file."""
        found = [_ALONE]
        if self.adapters:
            extra = next((_EXTRAS[last] for each in self.adapters if (last := each.rpartition(".")[2]) in _EXTRAS), "")
            install = f"rewardsmith[{extra}]" if extra else "rewardsmith"
            found = [
                "Only make_environment() imports rewardsmith, which adapts the environment.",
                f"Install rewardsmith with `pip install '{install}'`.",
            ]
        if self._own:
            files = ", ".join(map(_place_of, self._own))
            found.append(f"The task's own code is imported from {files}, beside this file or on Python's path.")
        packages = [each for each in self._installed if each not in ("gymnasium", _OURS)]
        if packages:
            found.append(
                f"The environment needs the installed package{'s' * (len(packages) > 1)} {', '.join(packages)}."
            )
        return tuple(found)

    def _imported(self, name: str, lines: list[str] | None = None) -> str:
        """The expression for MODULE:NAME; an installed module is imported by a line of `lines`, if they are given."""
        module, _, path = name.partition(":")
        self._remember(module)
        if lines is not None and is_installed(module):
            lines.insert(1, f"import {module}")
            return f"{module}.{path}"
        self._calls_own_module = True
        return f"own_module({module!r}).{path}"

    def _remember(self, module: str) -> None:
        if is_installed(module):
            self._installed.setdefault(module.partition(".")[0])
        else:
            self._own.setdefault(module)


def _place_of(module: str) -> str:
    """A module, which is imported already, as a sentence names it: its file, or the folder of a package."""
    return module.replace(".", "/") + ("/" if hasattr(sys.modules.get(module), "__path__") else ".py")


def _found(name: str) -> Any:
    """The object that MODULE:NAME names; its module is imported already."""
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _arguments(given: Mapping[str, Any], first: bool = True) -> str:
    """The keyword arguments of a call, after others unless `first`."""
    if not given:
        return ""
    plain = all(name.isidentifier() for name in given)
    text = ", ".join(f"{name}={value!r}" for name, value in given.items()) if plain else f"**{dict(given)!r}"
    return text if first else f", {text}"
