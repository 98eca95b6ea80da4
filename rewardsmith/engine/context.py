"""The Context that every part of the engine works with: the database, the settings, and the folders of a job."""

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
    """A running trial in a process group of its own. subprocess.Popen has this interface."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        ...


Launch = Callable[[str, list[str], dict[str, str], Path], TrialProcess]
"""Starts a trial, given task_files.task_key of its task, arguments of workers.trial, environment and log file."""


@dataclass(frozen=True)
class Context:
    """The database and settings of one process.

    Attributes:
        database: The open database.
        settings: The settings of the installation.
        launch: Starts trials on the CPU; None starts a new interpreter for each (engine.items.supervise).
        served: Whether this process works for the service. Then every job counts as submitted, whatever its row says.
        trial_look: Seconds between two checks of a trial's memory and of the request to stop. Longer if `launch`
            returns processes that can be woken.
    """

    database: Engine
    settings: Settings
    launch: Launch | None = None
    served: bool = False
    trial_look: float = 0.05

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction. If the database's server goes away, repeat it when the server is back."""

        def transaction() -> T:
            with self.database.begin() as connection:
                return work(connection)

        return outlast(transaction)

    @property
    def store(self) -> ArtifactStore:
        """The store of finished files. Raises StorageError if it cannot be opened."""
        return ArtifactStore(self.settings.store_url)

    def job_folder(self, job_id: str) -> Path:
        """Return the folder of a job's checkpoints and logs. Raises StorageError for an id that is not a plain name."""
        return self.settings.artifacts / plain_name(job_id)

    def trial_folder(self, candidate_id: str, purpose: str, seed: int) -> Path:
        """Return the folder of a trial's checkpoint. Raises StorageError for an id that is not a plain name."""
        job = candidate_id.split("-", 1)[0]
        return self.job_folder(job) / f"{plain_name(candidate_id)}-{plain_name(purpose)}-{int(seed)}"


def plain_name(text: str) -> str:
    """Return `text`, an id from the database, for use as a file name. Raises StorageError if it is not a plain name."""
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", text):
        raise StorageError(
            f"The database contains the id {text!r}, which rewardsmith did not create. Nothing was written.",
            "Find out which program wrote this row, and delete the job.",
        )
    return text


def open_context(settings: Settings, *, must_exist: bool = False, patient: bool = False) -> Context:
    """Open the database of the settings. The folder `settings.home`, if it exists, is made private to its owner.

    Args:
        settings: The settings of the installation.
        must_exist: Whether a missing database is an error; otherwise it is created.
        patient: Whether to wait for a database server that is away.

    Raises:
        StorageError: The database cannot be opened.
    """
    keep_private(settings.home)
    return Context(open_database(settings.url, must_exist=must_exist, patient=patient), settings)
