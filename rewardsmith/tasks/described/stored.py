"""A job's stored copy of a task that a file describes, so that editing the file does not change the job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import (
    Description,
    described_ids,
    is_function,
    parse_description,
    read_file,
)
from rewardsmith.tasks.described.environments import close
from rewardsmith.tasks.described.measured import RandomPlay
from rewardsmith.tasks.described.modules import (
    Sources,
    TaskChanged,
    changed_files,
    find_module,
    module_of,
    require_task_files,
    sources_of,
)
from rewardsmith.tasks.described.task import DescribedTask, drafted, read_user_description, task_of
from rewardsmith.tasks.minigrid import list_ids


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
    def random_play(self) -> Mapping[str, Any] | None:
        """What random play showed when the job began; None if it was not measured."""
        ...


def store_task(name: str) -> dict[str, Any] | None:
    """What a job keeps of the task that a file or a module describes; None for an id.

    The environment is made and played first.

    Returns:
        The text of the description, the folder of its modules, the hashes of their sources, and what random play
        showed.

    Raises:
        UsageError: For whatever does not fit.
    """
    read = None if name in described_ids() else read_user_description(name)
    if read is None:
        return _store_drafted(name)
    description, folder = read
    _require_success(description)
    task = task_of(description, folder)
    close(task.make_env())
    played = _played(task)
    text = _yaml(description) if description.python is not None else read_file(Path(name))
    found = _sources(description, folder)
    stored = {"text": text, "folder": str(folder), "random_play": played}
    return stored if found is None else {**stored, "folder": found.folder, "files": dict(found.files)}


def _played(task: DescribedTask) -> dict[str, Any] | None:
    played = task.random_play_if_sound()
    return None if played is None else played.model_dump(mode="json")


def _require_success(description: Description) -> None:
    if description.score is not None and description.threshold is None:
        raise UsageError(
            f"Nothing counts as a success of {description.id}, so that a job could not compare rewards.",
            f"Run `rewardsmith tasks new {description.id}`, and give `success:` or `threshold:` in its file.",
        )


def _store_drafted(name: str) -> dict[str, Any] | None:
    """The drafted description of an environment of Gymnasium, so that a later draft does not change the job."""
    if name in dict(list_ids()) or name in described_ids() or (description := drafted(name)) is None:
        return None
    _require_success(description)
    found = _sources(description, Path.cwd())
    played = _played(DescribedTask(description, Path.cwd(), examined=True))
    stored = {"text": _yaml(description), "folder": str(Path.cwd()), "random_play": played}
    return stored if found is None else {**stored, "folder": found.folder, "files": dict(found.files)}


def _yaml(description: Description) -> str:
    import yaml

    return yaml.safe_dump(description.model_dump(mode="json", by_alias=True, exclude_unset=True), sort_keys=False)


def _modules(description: Description) -> list[str]:
    """The modules that a description names: of its environment, its functions and its wrappers."""
    wrappers = [each if isinstance(each, str) else each.wrapper for each in description.wrappers]
    named = [description.environment, description.python, description.state_function, *wrappers]
    named += [description.success] if description.success is not None and is_function(description.success) else []
    found = [module_of(text) for text in named if text is not None]
    return [*dict.fromkeys(module for module in found if module is not None)]


def _sources(description: Description, folder: Path) -> Sources | None:
    """The sources of a description's modules in the folder of the first; None if it names none that has a file."""
    found = [each for module in _modules(description) if (each := sources_of(module, folder)) is not None]
    if not found:
        return None
    # Modules of other folders are installed ones.
    files = {name: digest for each in found if each.folder == found[0].folder for name, digest in each.files.items()}
    return Sources(found[0].folder, dict(sorted(files.items())))


def open_stored(name: str, stored: StoredTask) -> DescribedTask:
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
    return DescribedTask(description, Path(stored.folder), examined=True, stored=True, played=played)


def changes_of(stored: StoredTask, name: str) -> list[str]:
    """In words, each source of a stored task's modules that has changed."""
    modules = _modules(parse_description(stored.text, name))
    if not modules:
        return []
    if not stored.files and find_module(modules[0], Path(stored.folder)) is not None:
        return [f"the sources of {modules[0]}, which were not stored"]
    return changed_files(modules[0], Sources(stored.folder, stored.files)) if stored.files else []


def sources_now(stored: StoredTask, name: str) -> Sources | None:
    """The sources of a stored task's modules as they are now. Raises UsageError."""
    return _sources(parse_description(stored.text, name), Path(stored.folder))
