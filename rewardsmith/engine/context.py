"""What every handler needs: the database and the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

from rewardsmith.config import Settings
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
"""(task, arguments of workers.trial, environment, log file) to the started process."""


@dataclass(frozen=True)
class Context:
    """One process's view of the service."""

    database: Engine
    settings: Settings
    launch: Launch | None = None
    """How trials on the processor are started: None = a fresh interpreter each. See engine.supervise."""

    @property
    def sandbox_floor(self) -> str:
        """The weakest protection level under which programs may run."""
        return "none" if self.settings.allow_weak_sandbox else "kernel"

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

    def trial_folder(self, candidate_id: str, purpose: str, seed: int) -> Path:
        """Where a trial keeps its checkpoint."""
        job = candidate_id.split("-", 1)[0]
        return self.settings.artifacts / job / f"{candidate_id}-{purpose}-{seed}"


def open_context(settings: Settings, *, must_exist: bool = False, patient: bool = False) -> Context:
    """A Context on the settings' database; `patient` waits for a server that is away. Raises StorageError."""
    return Context(open_database(settings.url, must_exist=must_exist, patient=patient), settings)
