"""What every page of the server needs: the database, the artifact store, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException, Request
from sqlalchemy import Connection, Engine

from rewardsmith.pages.reading import Sums
from rewardsmith.storage import reads
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.database import read
from rewardsmith.storage.rows import Candidate, Job
from rewardsmith.web.security import Access


class Site:
    """The open database and store of a server."""

    def __init__(self, engine: Engine, store: ArtifactStore, access: Access) -> None:
        self.engine, self.store, self.access = engine, store, access
        self.sums = Sums()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection that writes nothing."""
        with read(self.engine) as connection:
            yield connection

    def job(self, connection: Connection, name: str) -> Job:
        """Return the job with exactly this id. Raises HTTPException."""
        try:
            return reads.get_job(connection, name)
        except KeyError:
            raise HTTPException(404, f"There is no job {name!r}.") from None

    def candidate(self, connection: Connection, name: str) -> Candidate:
        """Return the candidate with exactly this id. Raises HTTPException."""
        try:
            return reads.get_candidate(connection, name)
        except KeyError:
            raise HTTPException(404, f"There is no candidate {name!r}.") from None

    def editing(self, request: Request) -> bool:
        """Return whether this reader may change something."""
        return self.access.allow_edit and self.access.knows(request)
