"""Reads files that a user names: regular files only, and only up to a size.

A named pipe would block the reader forever, and a device has no end.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

TEXT_BYTES = 1_000_000
"""Limit for texts that people write: programs, settings, descriptions of tasks."""

RECORD_BYTES = 256_000_000
"""Limit for files that programs write: cassettes, counter-examples."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class UnusableFile(OSError):
    """The file is not regular, or too large. The message is a clause about it: "it is a folder, ..."."""


def read_bytes(path: Path, most_bytes: int = TEXT_BYTES) -> bytes:
    """Return the content of a regular file.

    Raises OSError if the file cannot be read; UnusableFile if it is not regular or has more than `most_bytes` bytes.
    """
    # Without O_NONBLOCK opening a named pipe waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        for is_of_kind, kind in _KINDS:
            if is_of_kind(about.st_mode):
                raise UnusableFile(f"it is {kind}, not a regular file")
        if about.st_size > most_bytes:
            raise UnusableFile(f"it has {about.st_size:,} bytes; the limit is {most_bytes:,}")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)  # it may grow meanwhile
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise UnusableFile(f"it has more than {most_bytes:,} bytes, which is the limit")
    return content


def read_text(path: Path, most_bytes: int = TEXT_BYTES) -> str:
    r"""Return the text of a regular UTF-8 file, without a byte order mark and with "\n" as newline.

    Raises OSError as `read_bytes` does, and UnicodeDecodeError.
    """
    text = read_bytes(path, most_bytes).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")
