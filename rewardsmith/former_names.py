"""Former names of settings, arguments, options and variables: accepted for one version, with a notice."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

SETTINGS: dict[str, tuple[str, dict[Any, Any]]] = {
    "episode_budget": ("episode_cap", {}),
    "favourite_first": ("order", {True: "predicted", False: "halving"}),
}
"""Settings of a job: former name -> (name, former value -> value)."""

_ARGUMENTS = {**SETTINGS, "hacks": ("exploits", {})}
_OPTIONS = {"--episode-budget": "--episode-cap", "--hacks": "--exploits"}
_VARIABLES = {"REWARDSMITH_HINT_SECONDS": "REWARDSMITH_NOTIFY_SECONDS"}
_ENDS = "the next version will not accept the earlier name"

_P = ParamSpec("_P")
_R = TypeVar("_R")


def with_current_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a job under current names. A former name beside the current one stays, and is then refused."""
    changed = {}
    for name, value in values.items():
        now, translated = SETTINGS.get(name, (name, {}))
        known = now != name and now not in values
        changed[now if known else name] = translated.get(value, value) if known and translated else value
    return changed


def with_former_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a job as the version before named them."""
    changed = dict(values)
    for old, (new, translated) in SETTINGS.items():
        value = changed.pop(new)
        changed[old] = next((former for former, now in translated.items() if now == value), value)
    return changed


def renamed_settings(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a phrase for each renamed setting in `values`, such as "episode_budget is now episode_cap"."""
    return tuple(f"{old} is now {new}" for old, (new, _) in SETTINGS.items() if old in values)


def takes_former_arguments(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a public function accept earlier names of its arguments, with a DeprecationWarning."""

    @wraps(function)
    def called(*positional: _P.args, **named: _P.kwargs) -> _R:
        for name in [name for name in named if name in _ARGUMENTS]:
            now, translated = _ARGUMENTS[name]
            warnings.warn(f"The argument {name} is now {now}; {_ENDS}.", DeprecationWarning, stacklevel=2)
            value: Any = named.pop(name)
            named.setdefault(now, translated.get(value, value) if translated else value)
        return function(*positional, **named)

    return called


def take_former_options(say: Callable[[str], None]) -> None:
    """Replace former names of options in the command line of this process."""
    for at, word in enumerate(sys.argv):
        name, equals, value = word.partition("=")
        if now := _OPTIONS.get(name):
            say(f"The option {name} is now {now}; {_ENDS}.")
            sys.argv[at] = f"{now}{equals}{value}"


def take_former_variables(from_file: Mapping[str, str]) -> None:
    """Set the environment variables that the environment or a .env file gives under a former name."""
    for former, now in _VARIABLES.items():
        value = os.environ.get(former, from_file.get(former))
        if value is not None and now not in os.environ:
            os.environ[now] = value
            print(f"{former} is now {now}; {_ENDS}.", file=sys.stderr)
