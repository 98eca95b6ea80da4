"""Files that a user names, read whole: regular ones only, and only up to a size.

A named pipe would hold the reader for ever, and a device never ends; a file's size is known before anything is read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

TEXT_BYTES = 1_000_000
"""Programs, settings, descriptions of tasks: texts that people write."""

RECORD_BYTES = 256_000_000
"""Cassettes and other records that programs write."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class UnusableFile(OSError):
    """The file is of another kind, or too large; the message is a clause about it ("it is a folder, ...")."""


def read_bytes(path: Path, most_bytes: int = TEXT_BYTES) -> bytes:
    """The content of a regular file. Raises OSError: UnusableFile for one of another kind or above `most_bytes`."""
    # Without O_NONBLOCK opening a named pipe waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        for is_of_kind, kind in _KINDS:
            if is_of_kind(about.st_mode):
                raise UnusableFile(f"it is {kind}, not a regular file")
        if about.st_size > most_bytes:
            raise UnusableFile(f"it has {about.st_size:,} bytes, and at most {most_bytes:,} are read")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)  # it may grow meanwhile
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise UnusableFile(f"it has more than the {most_bytes:,} bytes that are read at most")
    return content


def read_text(path: Path, most_bytes: int = TEXT_BYTES) -> str:
    """The text of a regular file in UTF-8, without a byte order mark, with newlines as in Python.

    Raises OSError like `read_bytes`, and UnicodeDecodeError.
    """
    text = read_bytes(path, most_bytes).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")
