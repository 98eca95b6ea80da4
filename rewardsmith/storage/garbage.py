"""Finds files that no database row refers to, in this host's folder of checkpoints and in the artifact store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select

from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.database import read
from rewardsmith.storage.schema import artifacts, jobs

_REPEATABLE = (".safetensors", ".partial")
_YOUNG_SECONDS = 3600.0
"""Younger files may belong to a trial whose row is about to be written."""


@dataclass(frozen=True)
class Garbage:
    """A file to remove.

    Attributes:
        name: A path on this host, or a key of the artifact store.
        size: Bytes.
        stored: Whether it lies in the artifact store.
    """

    name: str
    size: int
    stored: bool


def find_garbage(engine: Engine, folder: Path, store: ArtifactStore) -> list[Garbage]:
    """Return the files under `folder` and in `store` that no row refers to, older than an hour.

    Files of unfinished jobs are kept. Raises StorageError if the store does not answer.
    """
    old = time.time() - _YOUNG_SECONDS
    # Listed before the rows are read: a file stored in between is either young or named by a row.
    stored = [f for f in store.listed() if f.modified is not None and f.modified.timestamp() < old]
    with read(engine) as connection:
        states = {row.id: row.state for row in connection.execute(select(jobs.c.id, jobs.c.state))}
        known = set(connection.execute(select(artifacts.c.path)).scalars())
    found = [Garbage(f.key, f.size, True) for f in stored if f.key not in known]
    for path in sorted(folder.rglob("*")) if folder.exists() else []:
        if path.is_file() and path.stat().st_mtime < old and _is_useless(path, folder, states, known):
            found.append(Garbage(str(path), path.stat().st_size, False))
    return found


def _is_useless(path: Path, folder: Path, states: dict[str, str], known: set[str]) -> bool:
    """Return whether a file's job is not in the database, or it belongs to a checkpoint of an ended job."""
    state = states.get(path.relative_to(folder).parts[0])
    ended = state in ("done", "failed", "cancelled")
    return state is None or (
        ended and str(path) not in known and (path.parent.name == "replay" or path.suffix in _REPEATABLE)
    )


def remove(garbage: Garbage, store: ArtifactStore) -> None:
    """Delete one file. Raises StorageError, OSError."""
    if garbage.stored:
        store.remove(garbage.name)
    else:
        Path(garbage.name).unlink(missing_ok=True)
