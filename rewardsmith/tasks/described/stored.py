"""A job's stored copy of a task that a file describes, so that editing the file does not change the job."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rewardsmith.tasks.described.data_files import OwnFiles, add_package_data
from rewardsmith.tasks.described.description import (
    Description,
    described_ids,
    is_function,
    parse_description,
    read_file,
)
from rewardsmith.tasks.described.environments import close
from rewardsmith.tasks.described.installed import open_installed
from rewardsmith.tasks.described.measured import RandomPlay
from rewardsmith.tasks.described.modules import (
    Sources,
    TaskChanged,
    changed_files,
    find_module,
    is_installed,
    module_of,
    require_task_files,
    sources_of,
)
from rewardsmith.tasks.described.references.opening import place_of
from rewardsmith.tasks.described.task import DescribedTask, drafted, opened, read_user_description, task_of
from rewardsmith.tasks.minigrid import list_ids

if TYPE_CHECKING:
    from rewardsmith.tasks.described.task import UserTask

_OURS = "rewardsmith"


class StoredTask(Protocol):
    """A job's record of a task that a file describes."""

    @property
    def text(self) -> str:
        """The text of the description when the job began."""
        ...

    @property
    def folder(self) -> str:
        """The folder in which the module of its environment was found."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each of the module's sources, by path in the folder."""
        ...

    @property
    def stepping(self) -> Mapping[str, Any] | None:
        """How many processes step the environments, and why, as `stepping.Stepping`; None if it was not measured."""
        ...

    @property
    def random_play(self) -> Mapping[str, Any] | None:
        """The results of random play when the job began; None if it was not measured."""
        ...


def store_task(name: str) -> dict[str, Any] | None:
    """Return a job's record of a task that a file, a module or an installed package describes; None for an id.

    The environment is made and played first.

    Returns:
        The text of the description, the folder of its modules, the hashes of their sources, what random play showed,
        and how many processes step the environments.

    Raises:
        UsageError: For whatever does not fit.
    """
    if name in described_ids():
        return None
    if (installed := open_installed(name)) is not None:
        # A Task object of a package cannot be stored: as an id it is what is installed.
        return _store_installed(installed) if isinstance(installed, Description) else None
    read = read_user_description(name)
    if read is None:
        return _store_drafted(name)
    description, folder = read
    task = task_of(description, folder)
    close(task.make_env())
    task.require_reference()
    measured = _measured(task)
    text = read_file(Path(name)) if name.endswith((".yaml", ".yml")) else _yaml(description)
    return {"text": text, **measured, **_stored_files(description, folder)}


def _measured(task: UserTask) -> dict[str, Any]:
    """The results of random play, and the number of processes that step the environments."""
    stepping = asdict(task.choose_stepping()) if isinstance(task, DescribedTask) else None
    return {"random_play": _played(task), "stepping": stepping}


def _played(task: UserTask) -> dict[str, Any] | None:
    played = task.random_play_if_sound()
    return None if played is None else played.model_dump(mode="json")


def _store_installed(description: Description) -> dict[str, Any]:
    task = task_of(description, None)
    close(task.make_env())
    task.require_reference()
    # Its modules are on Python's path; the folder only stands where a file's own would.
    files = _stored_files(description, Path(sys.prefix))
    return {"text": _yaml(description), "random_play": _played(task), **files}


def _store_drafted(name: str) -> dict[str, Any] | None:
    """The drafted description of an environment of Gymnasium, so that a later draft does not change the job."""
    if name in dict(list_ids()) or name in described_ids() or (description := drafted(name)) is None:
        return None
    measured = _measured(opened(description, Path.cwd(), examined=True))
    return {"text": _yaml(description), **measured, **_stored_files(description, Path.cwd())}


def _yaml(description: Description) -> str:
    import yaml

    return yaml.safe_dump(description.model_dump(mode="json", by_alias=True, exclude_unset=True), sort_keys=False)


def _modules(description: Description) -> list[str]:
    """The modules that a description names: of its environment, its functions and its wrappers."""
    wrappers = [each if isinstance(each, str) else each.wrapper for each in description.wrappers]
    named = [description.environment, description.python, description.state_function, *wrappers]
    named += [each for each in (description.success, description.reference) if each is not None and is_function(each)]
    found = [module_of(text) for text in named if text is not None]
    # Shipped functions belong to the version of rewardsmith, like its engine.
    return [*dict.fromkeys(each for each in found if each is not None and each.partition(".")[0] != _OURS)]


def _sources(description: Description, folder: Path) -> Sources | None:
    """The sources of a description's modules in the folder of the first, and the file of its reference.

    None if it names none of these.
    """
    found = [each for module in _modules(description) if (each := sources_of(module, folder)) is not None]
    reference = _reference_file(description, folder)
    if not found and not reference:
        return None
    own = str(folder.resolve())  # a reference's file is looked for here
    root = own if reference else found[0].folder
    # Modules of other folders are installed ones.
    files = {name: digest for each in found if each.folder == root for name, digest in each.files.items()}
    return Sources(root, dict(sorted({**files, **reference}.items())))


def _reference_file(description: Description, folder: Path) -> dict[str, str]:
    """The hash of the policy or recording that a description names, by its name there; empty if it names none."""
    named = description.reference
    if named is None or is_function(named):
        return {}
    path = place_of(named, folder)
    return {named: hashlib.sha256(path.read_bytes()).hexdigest()} if path.is_file() else {}


def _stored_files(description: Description, folder: Path) -> dict[str, Any]:
    found = _sources(description, folder)
    return {"folder": str(folder)} if found is None else {"folder": found.folder, "files": dict(found.files)}


def open_stored(name: str, stored: StoredTask) -> UserTask:
    """The task that a job has kept, whatever has become of its file. Raises UsageError, TaskChanged."""
    # Whatever the task is called: a stored description may name any module, and a service's jobs carry none.
    require_task_files(name)
    if changes := changes_of(stored, name):
        raise TaskChanged(
            f"The module of the task {name} has changed since this job began: {'; '.join(changes)}.",
            "Restore it (if it was moved, set PYTHONPATH), or pass --accept-task-change to resume, extend or export: "
            "the job continues and is marked.",
        )
    played = None if stored.random_play is None else RandomPlay.model_validate(stored.random_play)
    description = parse_description(stored.text, name)
    processes = None if stored.stepping is None else int(stored.stepping["processes"])
    return opened(description, Path(stored.folder), examined=True, stored=True, played=played, processes=processes)


def changes_of(stored: StoredTask, name: str) -> list[str]:
    """In words, each source of a stored task's modules that has changed, and its reference's file if it has."""
    description, folder = parse_description(stored.text, name), Path(stored.folder)
    reference = _reference_file(description, folder)
    kept = {key: digest for key, digest in stored.files.items() if key != description.reference}
    told = []
    named = description.reference or ""
    if named in stored.files and reference.get(named) != stored.files[named]:
        told.append(f"{named} in {folder}" if reference else f"{named} is gone from {folder}")
    modules = _modules(description)
    if not modules:
        return told
    if not stored.files and find_module(modules[0], folder) is not None:
        return [f"the sources of {modules[0]}, which were not stored"]
    beside = [each for each in modules if _is_in(find_module(each, folder), folder)]
    return told + (changed_files((beside or modules)[0], Sources(stored.folder, kept)) if kept else [])


def _is_in(path: Path | None, folder: Path) -> bool:
    return path is not None and path.resolve().is_relative_to(folder.resolve())


def own_files(stored: StoredTask, name: str) -> OwnFiles:
    """The sources of a stored task's modules, and the data in their packages; installed packages have none.

    Raises:
        UsageError: If the description cannot be read.
    """
    found = OwnFiles()
    for module in _modules(parse_description(stored.text, name)):
        sources = None if is_installed(module) else sources_of(module, Path(stored.folder))
        if sources is not None:
            found.content |= {path: (Path(sources.folder) / path).read_bytes() for path in sources.files}
            add_package_data(found, sources)
    return found


def sources_now(stored: StoredTask, name: str) -> Sources | None:
    """The sources of a stored task's modules as they are now. Raises UsageError."""
    return _sources(parse_description(stored.text, name), Path(stored.folder))
