"""Tasks that installed distributions bring: entry points of the group `rewardsmith.tasks`.

They are the only tasks beside rewardsmith's own that a worker of the service takes, because whoever runs the worker has
installed their code.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description, is_function, parse_description, read_file
from rewardsmith.tasks.described.environments import environment_blamed
from rewardsmith.tasks.described.python_tasks import describe_module, described_by

if TYPE_CHECKING:
    from rewardsmith.tasks.base import Task

GROUP = "rewardsmith.tasks"
_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Installed:
    """An installed task.

    Attributes:
        name: Its name on the command line: that of the entry point.
        entries: The entry points of this name; more than one if distributions disagree.
    """

    name: str
    entries: tuple[EntryPoint, ...]

    @property
    def distributions(self) -> str:
        """Name and version of the distribution that brings it; of each, if several do."""
        return ", ".join(_distribution(entry) for entry in self.entries)


def _distribution(entry: EntryPoint) -> str:
    return "an unnamed distribution" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def installed_tasks() -> Mapping[str, Installed]:
    """The installed tasks by name, sorted. Nothing of theirs is imported."""
    return _installed(tuple(sys.path))


@lru_cache(maxsize=4)
def _installed(path: tuple[str, ...]) -> Mapping[str, Installed]:
    """Reading the metadata of all distributions takes some 20 ms; it changes with Python's path."""
    del path
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        if _is_plain(entry.name):
            found.setdefault(entry.name, []).append(entry)
    return {name: Installed(name, tuple(found[name])) for name in sorted(found)}


def _is_plain(name: str) -> bool:
    """Whether a name is no path of a file, and no MODULE:NAME, which mean tasks of another kind."""
    return ":" not in name and not name.endswith((*_YAML, ".py")) and name.isprintable()


def open_installed(name: str) -> Description | Task | None:
    """The description, or the whole task, that an installed distribution calls `name`; None if none does.

    Raises:
        UsageError: If two distributions bring it, if its module cannot be imported, or if it describes no task.
    """
    known = installed_tasks().get(name)
    if known is None:
        return None
    entry, *others = known.entries
    if others:
        raise UsageError(
            f"More than one distribution has a task {name!r}: {known.distributions}.", "Uninstall all but one of them."
        )
    found = _open(entry)
    if isinstance(found, Description):
        # The task is known by the name that `run` and the job's record use.
        return found.model_copy(update={"id": name, "env_id": found.environment})
    if found.id != name:
        raise UsageError(
            f"The task {name!r} of {known.distributions} calls itself {found.id!r}.",
            f"Make its `id` and the name of its entry point in the group {GROUP} the same.",
        )
    return found


def _open(entry: EntryPoint) -> Description | Task:
    if not entry.attr:
        return describe_module(entry.module, None)
    if entry.attr.endswith(_YAML):
        return _of_file(entry, entry.attr)
    with environment_blamed(f"the installed task {entry.name} was imported", _remedy(entry)):
        found: Any = entry.load()
    if isinstance(found, str | Path):
        return _of_file(entry, found)
    if _is_task(found):
        return found
    if callable(found) and (hasattr(found, "batch") or not hasattr(found, "goal")):  # it makes the task
        with environment_blamed(f"the installed task {entry.name} was made", _remedy(entry)):
            found = found()
        if _is_task(found):
            return found
        raise _no_task(entry, "makes")
    if not isinstance(found, Description | Mapping) and not hasattr(found, "goal"):
        raise _no_task(entry, "describes")
    return described_by(found, entry.module, entry.attr)


def _no_task(entry: EntryPoint, does: str) -> UsageError:
    cause = f"The entry point {entry.name} = {entry.value} of {_distribution(entry)} {does} no task."
    return UsageError(cause, _remedy(entry))


def _is_task(found: Any) -> bool:
    """Whether an object is a Task itself: it makes batches of environments."""
    return not isinstance(found, type) and callable(getattr(found, "batch", None)) and hasattr(found, "schema")


def _of_file(entry: EntryPoint, path: str | Path) -> Description:
    """The YAML description in a file of the package; a relative path begins in the folder of the entry's module."""
    with environment_blamed(f"the installed task {entry.name} was imported", _remedy(entry)):
        module = importlib.import_module(entry.module)
    places = [Path(place) for place in getattr(module, "__path__", ())]
    if module.__file__ is not None:
        places.insert(0, Path(module.__file__).parent)
    files = [place / path for place in places]
    file = next((each for each in files if each.is_file()), files[0] if files else Path(path))
    found = parse_description(read_file(file), str(file))
    if found.reference is not None and not is_function(found.reference):
        found = found.model_copy(update={"reference": str(file.parent / found.reference)})
    return found


def _remedy(entry: EntryPoint) -> str:
    return (
        f"Install {_distribution(entry)} again, or correct its entry point {entry.name} in the group {GROUP}: "
        "it names a description, a YAML file of the package, or a task."
    )
