"""What every handler needs: the database and the settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

from rewardsmith.config import Settings, keep_private
from rewardsmith.errors import StorageError
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.database import open_database
from rewardsmith.storage.outage import outlast

T = TypeVar("T")


class TrialProcess(Protocol):
    """A running trial, in a process group of its own; subprocess.Popen is one."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        ...


Launch = Callable[[str, list[str], dict[str, str], Path], TrialProcess]
"""(task_files.task_key of the task, arguments of workers.trial, environment, log file) to the started process."""


@dataclass(frozen=True)
class Context:
    """One process's view of the service."""

    database: Engine
    settings: Settings
    launch: Launch | None = None
    """How trials on the processor are started: None = a fresh interpreter each. See engine.items.supervise."""
    served: bool = False
    """Whether this process works for the service: each of its jobs was submitted, whatever a row says."""
    trial_look: float = 0.05
    """Seconds between looks at a trial's memory and whether to stop; more where `launch`'s processes are woken."""

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction; if the database's server goes away meanwhile, again when it is back."""

        def transaction() -> T:
            with self.database.begin() as connection:
                return work(connection)

        return outlast(transaction)

    @property
    def store(self) -> ArtifactStore:
        """Where finished files go. Raises StorageError."""
        return ArtifactStore(self.settings.store_url)

    def job_folder(self, job_id: str) -> Path:
        """This machine's folder of a job's checkpoints and logs. Raises StorageError for an id that names another."""
        return self.settings.artifacts / plain_name(job_id)

    def trial_folder(self, candidate_id: str, purpose: str, seed: int) -> Path:
        """Where a trial keeps its checkpoint. Raises StorageError for an id that names another folder."""
        job = candidate_id.split("-", 1)[0]
        return self.job_folder(job) / f"{plain_name(candidate_id)}-{plain_name(purpose)}-{int(seed)}"


def plain_name(text: str) -> str:
    """`text`, an id that a row holds, as the name of one file. Raises StorageError where it is not a plain name."""
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", text):
        raise StorageError(f"The id {text!r} in the database is none that rewardsmith gives.", "Nothing was written.")
    return text


def open_context(settings: Settings, *, must_exist: bool = False, patient: bool = False) -> Context:
    """A Context on the settings' database; `patient` waits for a server that is away. Raises StorageError.

    Where the folder of the settings is there, it becomes private to its user.
    """
    keep_private(settings.home)
    return Context(open_database(settings.url, must_exist=must_exist, patient=patient), settings)
