"""A user's own module that contains an environment: find it, hash its sources, detect changes."""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rewardsmith.errors import UsageError
from rewardsmith.syntax import NotPython, parse_module

_LONGEST_SOURCE = 5_000_000  # characters; longer modules are not read for imports
_NO_FILES = "REWARDSMITH_NO_TASK_FILES"
_LOCK = threading.RLock()
_NAMED = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)(?::\S+)?\Z")
"""Texts that may name a module: Gymnasium's entry points (MODULE:CLASS) and ids (MODULE:ID), and module names."""


class TaskChanged(UsageError):
    """The module of a job's task has changed since the job began."""


@dataclass(frozen=True)
class Sources:
    """The sources of an environment's module.

    Attributes:
        folder: The folder from which the module is imported.
        files: SHA-256 of each source, by its path in that folder.
    """

    folder: str
    files: Mapping[str, str]


def refuse_task_files() -> None:
    """Forbid this process and its children to open tasks that a file describes: they serve other users' jobs."""
    os.environ[_NO_FILES] = "1"


def serves_others() -> bool:
    """Whether this process serves other users' jobs."""
    return bool(os.environ.get(_NO_FILES))


def require_task_files(name: str) -> None:
    """Raises UsageError in a process that serves other users' jobs; `name` is the task."""
    if serves_others():
        raise UsageError(f"The task {name!r} is described by a file, and {NOT_OPENED}", TO_INSTALL)


NOT_OPENED = "workers of the service take installed tasks only."
TO_INSTALL = (
    "Put it into a package with an entry point in the group `rewardsmith.tasks`, and install that package with the "
    "workers and where you submit (docs/service.md); or use `rewardsmith run` on your own machine."
)


def module_of(environment: str) -> str | None:
    """Return the module named in Gymnasium's MODULE:ID, or None for a plain id."""
    module, colon, _ = environment.partition(":")
    return module if colon else None


@contextmanager
def importable(folder: Path | None) -> Iterator[None]:
    """Append `folder` to Python's path within the block, so that everything else is found before it."""
    if folder is None:
        yield
        return
    require_task_files(str(folder))
    # One thread at a time: another thread that leaves its block earlier must not remove this entry.
    with _LOCK:
        sys.path.append(str(folder))
        try:
            yield
        finally:
            # Search from the end: the folder may have been on the path before.
            last = len(sys.path) - 1 - sys.path[::-1].index(str(folder))
            del sys.path[last]


def find_module(module: str, folder: Path | None) -> Path | None:
    """Return the first file that importing `module` runs, or None; `folder` is searched last, nothing is imported."""
    found = _find(module, folder)
    return found[0] if found is not None else None


def _find(module: str, folder: Path | None) -> tuple[Path, Path] | None:
    """(first file that importing `module` runs, folder from which it is imported), or None."""
    top = module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module without a spec, such as __main__
        spec = None
    beside = None if folder is None else importlib.machinery.PathFinder.find_spec(top, [str(folder)])
    for found in (spec, beside):
        if found is None:
            continue
        if found.origin and (file := Path(found.origin)).is_file():
            return file, file.parents[1] if file.name == "__init__.py" else file.parent
        # A folder without __init__.py is a package without code; the modules imported from it have code.
        for root in (Path(place).parent for place in found.submodule_search_locations or ()):
            if files := _files_of(module, root):
                return files[0], root
    return None


def sources_of(module: str, folder: Path | None) -> Sources | None:
    """Return the sources of `module`: its file, and all files of the same folder that it imports, also indirectly.

    A module that a string names counts as imported, because Gymnasium imports entry points when it makes an
    environment. For an installed package, only the package's own files count.

    Args:
        module: The module's full name.
        folder: A folder that is searched after Python's path; None for none.

    Returns:
        The sources, or None if the module has no file.
    """
    place = _find(module, folder)
    if place is None:
        return None
    root, top = place[1], module.partition(".")[0]
    installed = _holds_packages(root)
    found: dict[str, str] = {}
    waiting = _files_of(module, root)
    while waiting:
        path = waiting.pop()
        name = path.relative_to(root).as_posix()
        if name in found or (installed and re.split("[/.]", name)[0] != top):
            continue
        content = path.read_bytes()
        found[name] = hashlib.sha256(content).hexdigest()
        waiting += [each for imported in _imports(content, path, root) for each in _files_of(imported, root)]
    return Sources(str(root.resolve()), dict(sorted(found.items())))


def is_installed(module: str) -> bool:
    """Whether a module comes with Python, an installed package or rewardsmith, rather than from a user's folder."""
    top = module.partition(".")[0]
    if top == __name__.partition(".")[0] or top in sys.builtin_module_names:
        return True
    place = _find(module, None)
    return place is not None and _holds_packages(place[1])


def _holds_packages(root: Path) -> bool:
    return root.name in ("site-packages", "dist-packages") or root == Path(sysconfig.get_paths()["stdlib"])


def changed_files(module: str, was: Sources) -> list[str]:
    """Return one phrase for each source of `module` that differs from `was`; empty if none does."""
    place = _find(module, Path(was.folder))
    if place is None:
        return [f"the module {module.partition('.')[0]} is no longer in {was.folder}"]
    root, told = place[1], []
    for name, digest in was.files.items():
        path = root / name
        if not path.is_file():
            told.append(f"{name} is gone from {root}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            told.append(f"{name} in {root}")
    return told


def _files_of(module: str, root: Path) -> list[Path]:
    """The files in `root` that importing `module` runs: those of its parent packages, then its own."""
    found, place = [], root
    for part in module.split("."):
        here = place / part
        candidates = (here / "__init__.py", here.with_name(part + ".py"))
        extension = [here.with_name(part + suffix) for suffix in importlib.machinery.EXTENSION_SUFFIXES]
        found += [path for path in (*candidates, *extension) if path.is_file()][:1]
        place = here
    return found


def _imports(content: bytes, path: Path, root: Path) -> list[str]:
    """Full names of all modules that a source imports, or names in a string, anywhere in its text."""
    if path.suffix != ".py":
        return []
    try:
        tree = parse_module(importlib.util.decode_source(content), _LONGEST_SOURCE)
    except (NotPython, SyntaxError, ValueError):
        return []  # importing it raises the error
    package = path.parent.relative_to(root).parts
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import name` may mean a module of that name.
            names += [base, *(f"{base}.{alias.name}" if base else alias.name for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (named := _NAMED.match(node.value)):
            names.append(named[1])
    return [name for name in names if name]
