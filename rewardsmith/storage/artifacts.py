"""Policies and trajectories by the hash of their content: in a folder, or anywhere that fsspec reaches.

Rows name an artifact by its key, `sha256/ab/abcdef....safetensors`, relative to the store's URL, so that a store may
be moved. Checkpoints are no artifacts: they stay beside the trial, where writing one takes milliseconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rewardsmith.errors import StorageError

_ROOT = "sha256"
_BUCKETS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss"}
"""Protocols without folders; asked for one, their drivers would create the bucket that a mistyped URL names."""


@dataclass(frozen=True)
class Stored:
    """A file of the store. modified: UTC, None where the store does not say."""

    key: str
    size: int  # bytes
    modified: datetime | None


class ArtifactStore:
    """Files under `url`: a folder's path, or an fsspec URL such as s3://bucket/prefix or memory://x.

    Raises StorageError, with the remedy, when the URL's filesystem is unknown, its driver is missing or it fails.
    """

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = url
        try:
            self._files, self._root = url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise StorageError(
                f"The artifact store {url} cannot be used: {error}",
                "Set REWARDSMITH_ARTIFACTS_URL to a folder, or to a URL such as s3://BUCKET with its driver installed.",
            ) from error

    def put(self, path: Path) -> tuple[str, str]:
        """Store a file's content; returns its (key, SHA-256). Content that is there already is written again.

        That renews its age, by which `db gc` spares what a row is about to name. Readers see a whole file or none:
        it is moved into place when its last byte is written.
        """
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        key = f"{_ROOT}/{digest[:2]}/{digest}{path.suffix}"
        place = self._place(key)
        partial = f"{place}.{secrets.token_hex(4)}.partial"
        with self._reported("write"):
            self._make_folder(place.rsplit("/", 1)[0])
            try:
                self._files.pipe_file(partial, content)
                self._files.mv(partial, place)
            except BaseException:
                with contextlib.suppress(Exception):
                    self._files.rm(partial)
                raise
        return key, digest

    def get(self, key: str) -> bytes:
        """An artifact's content. Raises StorageError if it is missing, or not what its key says."""
        with self._reported("read"):
            content: bytes = self._files.cat_file(self._place(key))
        if hashlib.sha256(content).hexdigest() != Path(key).stem:
            raise StorageError(f"The artifact {key} in {self.url} is damaged.", "Restore the store from a backup.")
        return content

    def holds(self, key: str) -> bool:
        """Whether an artifact is there."""
        with self._reported("read"):
            return bool(self._files.exists(self._place(key)))

    def listed(self) -> Iterator[Stored]:
        """Every file of the store, leftovers of interrupted writes included."""
        folder = self._place(_ROOT)
        with self._reported("list"):
            self._files.invalidate_cache()
            found: dict[str, Any] = self._files.find(folder, detail=True) if self._files.exists(folder) else {}
        for place, about in sorted(found.items()):
            yield Stored(f"{_ROOT}/" + place.rsplit(f"/{_ROOT}/", 1)[1], about.get("size") or 0, _modified(about))

    def remove(self, key: str) -> None:
        """Delete a file."""
        with self._reported("delete"):
            self._files.rm(self._place(key))

    def check(self) -> None:
        """Write, read and delete a small file. Raises StorageError."""
        place = self._place(f"probe-{secrets.token_hex(4)}")
        with self._reported("write"):
            self._make_folder(self._root)
            self._files.pipe_file(place, b"probe")
            self._files.cat_file(place)
            self._files.rm(place)

    def _make_folder(self, place: str) -> None:
        spoken = self._files.protocol
        if not _BUCKETS & {spoken, *([] if isinstance(spoken, str) else spoken)}:
            self._files.makedirs(place, exist_ok=True)

    def _place(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:  # drivers raise what their libraries raise, such as botocore's own classes
            if isinstance(error, FileNotFoundError) and what == "read":
                raise StorageError(
                    f"The artifact store {self.url} has no {Path(str(error.filename or error)).name}.",
                    "Set REWARDSMITH_ARTIFACTS_URL to the store that the job's workers wrote to.",
                ) from error
            reason = getattr(error, "strerror", None) or str(error).rstrip(".") or type(error).__name__
            raise StorageError(
                f"Cannot {what} in the artifact store {self.url}: {reason}.",
                "Check its rights, credentials and free space, or set REWARDSMITH_ARTIFACTS_URL.",
            ) from error


def _modified(about: dict[str, Any]) -> datetime | None:
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = about.get(name)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None
