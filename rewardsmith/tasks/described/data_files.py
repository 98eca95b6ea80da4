"""Files of data in the packages of a task: the levels, meshes and tables that its modules may read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rewardsmith.tasks.described.modules import Sources

LARGEST, MOST_BYTES, MOST_FILES = 5_000_000, 20_000_000, 200
"""Bytes of one file, and bytes and number of all files, that an exported folder takes."""

_CODE = frozenset({".py", ".pyc", ".pyo", ".pyd", ".so"})


@dataclass
class OwnFiles:
    """The files of a task that an exported reward needs beside it.

    Attributes:
        content: By path in the folder.
        left_out: Paths of the files of data that are too large, or too many.
    """

    content: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def add_package_data(found: OwnFiles, sources: Sources) -> None:
    """Add the files of data that lie in the packages of `sources`. Hidden files, links and caches are left alone.

    A module that is a single file has no package, and nothing says which files beside it are its own.
    """
    root = Path(sources.folder)
    packages = dict.fromkeys(name.partition("/")[0] for name in sources.files if "/" in name)
    for path in (each for package in packages for each in sorted((root / package).rglob("*"))):
        name = path.relative_to(root)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if hidden or path.is_symlink() or not path.is_file() or path.suffix in _CODE:
            continue
        size = path.stat().st_size
        whole = size + sum(map(len, found.content.values()))
        if size > LARGEST or whole > MOST_BYTES or len(found.content) >= MOST_FILES:
            found.left_out.append(name.as_posix())
        else:
            found.content[name.as_posix()] = path.read_bytes()
