"""A job's stored copy of a task that a file describes, so that editing the file does not change the job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rewardsmith.tasks.described.description import is_description_file, parse_description, read_file
from rewardsmith.tasks.described.environments import close
from rewardsmith.tasks.described.modules import (
    Sources,
    TaskChanged,
    changed_files,
    find_module,
    module_of,
    require_task_files,
    sources_of,
)
from rewardsmith.tasks.described.task import BoxTask, task_of


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


def store_task(name: str) -> dict[str, Any] | None:
    """Return a job's record of the task that a file describes; the environment is made and played first.

    Args:
        name: A task id, or the path of a YAML description.

    Returns:
        The fields of StoredTask as a dict, or None for an id.

    Raises:
        UsageError: If the description or the environment does not fit.
    """
    if not is_description_file(name):
        return None
    require_task_files(name)
    path = Path(name)
    text, folder = read_file(path), path.absolute().parent
    task = task_of(parse_description(text, name), folder)
    close(task.make_env())
    module = module_of(task.description.environment)
    found = sources_of(module, folder) if module is not None else None
    if found is None:
        return {"text": text, "folder": str(folder)}
    return {"text": text, "folder": found.folder, "files": dict(found.files)}


def open_stored(name: str, stored: StoredTask) -> BoxTask:
    """Return the task as the job stored it, without reading its file.

    Raises:
        UsageError: If the stored text is not a valid description, or this process may not open task files.
        TaskChanged: If the module's sources have changed since the job began.
    """
    require_task_files(name)
    if changes := changes_of(stored, name):
        raise TaskChanged(
            f"The module of the task {name} has changed since this job began: {'; '.join(changes)}.",
            "Restore it (if it was moved, set PYTHONPATH), or pass --accept-task-change to resume, extend or export: "
            "the job continues and is marked.",
        )
    return BoxTask(parse_description(stored.text, name), Path(stored.folder), examined=True)


def changes_of(stored: StoredTask, name: str) -> list[str]:
    """Return one phrase for each source of a stored task's module that has changed."""
    module = module_of(parse_description(stored.text, name).environment)
    if module is None:
        return []
    if not stored.files and find_module(module, Path(stored.folder)) is not None:
        return [f"the sources of {module}, which were not stored"]
    return changed_files(module, Sources(stored.folder, stored.files)) if stored.files else []


def sources_now(stored: StoredTask, name: str) -> Sources | None:
    """Return the present sources of a stored task's module; None without a module. Raises UsageError."""
    module = module_of(parse_description(stored.text, name).environment)
    return sources_of(module, Path(stored.folder)) if module is not None else None
