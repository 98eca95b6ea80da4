"""The artifact store: policies and trajectories under the hash of their content, in a folder or at an fsspec URL.

Database rows contain the key of an artifact, `sha256/ab/abcdef....safetensors`, relative to the store's URL, so that a
store can be moved. Checkpoints are not artifacts: they stay on the disk of the trial, where writing takes milliseconds.
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
"""Protocols without folders. For these, `makedirs` would create the bucket that a mistyped URL names."""


@dataclass(frozen=True)
class Stored:
    """A file of the store. modified: UTC; None if the store does not report it."""

    key: str
    size: int  # bytes
    modified: datetime | None


class ArtifactStore:
    """An artifact store at `url`: the path of a folder, or an fsspec URL such as s3://bucket/prefix or memory://x.

    Raises StorageError if the protocol is unknown, its driver is not installed, or an operation fails.
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
        """Store a file's content and return its key and its SHA-256.

        Existing content is written again: this renews its age, and `db gc` spares young files that a row is about to
        name. The file is moved into place after its last byte is written, so that readers never see a part of it.
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
        """Return an artifact's content. Raises StorageError if it is missing or does not match the hash in its key."""
        with self._reported("read"):
            content: bytes = self._files.cat_file(self._place(key))
        if hashlib.sha256(content).hexdigest() != Path(key).stem:
            raise StorageError(f"The artifact {key} in {self.url} is damaged.", "Restore the store from a backup.")
        return content

    def holds(self, key: str) -> bool:
        """Return whether the store contains an artifact."""
        with self._reported("read"):
            return bool(self._files.exists(self._place(key)))

    def listed(self) -> Iterator[Stored]:
        """Yield every file of the store, including remains of interrupted writes."""
        folder = self._place(_ROOT)
        with self._reported("list"):
            self._files.invalidate_cache()
            found: dict[str, Any] = self._files.find(folder, detail=True) if self._files.exists(folder) else {}
        for place, about in sorted(found.items()):
            yield Stored(f"{_ROOT}/" + place.rsplit(f"/{_ROOT}/", 1)[1], about.get("size") or 0, _modified(about))

    def remove(self, key: str) -> None:
        """Delete the file with this key."""
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
        except Exception as error:  # drivers raise the exceptions of their libraries, such as botocore's
            if isinstance(error, FileNotFoundError) and what == "read":
                raise StorageError(
                    f"The artifact store {self.url} has no {Path(str(error.filename or error)).name}.",
                    "Set REWARDSMITH_ARTIFACTS_URL to the store that the job's workers wrote to.",
                ) from error
            reason = getattr(error, "strerror", None) or str(error).rstrip(".") or type(error).__name__
            raise StorageError(
                f"Cannot {what} in the artifact store {self.url}: {reason}.",
                "Check permissions, credentials and free space, or set REWARDSMITH_ARTIFACTS_URL to another store.",
            ) from error


def _modified(about: dict[str, Any]) -> datetime | None:
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = about.get(name)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None
