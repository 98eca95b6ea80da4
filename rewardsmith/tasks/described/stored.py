"""What a job keeps of a task that a file describes, so that editing the file does not change what the job means."""

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
    """What a job keeps of a task that a file describes."""

    @property
    def text(self) -> str:
        """The description, as the file held it."""
        ...

    @property
    def folder(self) -> str:
        """Where the module of its environment was found."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of the module's sources, by path in the folder."""
        ...


def store_task(name: str) -> dict[str, Any] | None:
    """What a job keeps of the task that a file describes: text, folder and hashes of its module; None for an id.

    The environment is made and played first. Raises UsageError for whatever does not fit.
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
    """The task that a job has kept, whatever has become of its file. Raises UsageError, TaskChanged."""
    require_task_files(name)
    if changes := changes_of(stored, name):
        raise TaskChanged(
            f"The module of the task {name} is no longer what this job began with. Changed: {'; '.join(changes)}.",
            "Put it back (PYTHONPATH tells where a moved one lies), or go on with the change and mark the job: "
            "--accept-task-change of resume, extend and export.",
        )
    return BoxTask(parse_description(stored.text, name), Path(stored.folder), examined=True)


def changes_of(stored: StoredTask, name: str) -> list[str]:
    """In words, each source of a stored task's module that has changed."""
    module = module_of(parse_description(stored.text, name).environment)
    if module is None:
        return []
    if not stored.files and find_module(module, Path(stored.folder)) is not None:
        return [f"the sources of {module}, which were not stored"]
    return changed_files(module, Sources(stored.folder, stored.files)) if stored.files else []


def sources_now(stored: StoredTask, name: str) -> Sources | None:
    """The sources of a stored task's module as they are now. Raises UsageError."""
    module = module_of(parse_description(stored.text, name).environment)
    return sources_of(module, Path(stored.folder)) if module is not None else None
