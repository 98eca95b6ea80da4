"""A user's own module with an environment: where it is found, what it is made of, whether it is still the same."""

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

_LONGEST_SOURCE = 5_000_000  # characters of a user's own module
_NO_FILES = "REWARDSMITH_NO_TASK_FILES"
_LOCK = threading.RLock()
_NAMED = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)(?::\S+)?\Z")
"""A text that may name a module: Gymnasium's entry points (MODULE:CLASS) and ids (MODULE:ID), or a name to import."""


class TaskChanged(UsageError):
    """The module that a job's task was made with is no longer the same."""


@dataclass(frozen=True)
class Sources:
    """The module of an environment as found: its folder, and by path in that folder the SHA-256 of each source."""

    folder: str
    files: Mapping[str, str]


def refuse_task_files() -> None:
    """From here on this process and its children open no task that a file describes: they serve other people's jobs."""
    os.environ[_NO_FILES] = "1"


def require_task_files(name: str) -> None:
    """Raises UsageError in a process that serves other people's jobs."""
    if os.environ.get(_NO_FILES):
        raise UsageError(
            f"The task {name!r} is described by a file, and a worker of the service opens none.",
            "Run it on your own machine with `rewardsmith run`.",
        )


def module_of(environment: str) -> str | None:
    """The module that Gymnasium's MODULE:ID names, or None for an id alone."""
    module, colon, _ = environment.partition(":")
    return module if colon else None


@contextmanager
def importable(folder: Path | None) -> Iterator[None]:
    """Modules of `folder` can be imported meanwhile, after everything that can be without it."""
    if folder is None:
        yield
        return
    require_task_files(str(folder))
    # One at a time: another thread that ends earlier must not take the entry away.
    with _LOCK:
        sys.path.append(str(folder))
        try:
            yield
        finally:
            # From the end: the folder may have been on the path before.
            last = len(sys.path) - 1 - sys.path[::-1].index(str(folder))
            del sys.path[last]


def find_module(module: str, folder: Path | None) -> Path | None:
    """The first file that importing `module` runs, looked for in `folder` last; nothing is imported."""
    found = _find(module, folder)
    return found[0] if found is not None else None


def _find(module: str, folder: Path | None) -> tuple[Path, Path] | None:
    """That file, and the folder from which `module` is imported; None if there is no such file."""
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
        # A folder without __init__.py is a package, too: it runs no file, but what is imported from it does.
        for root in (Path(place).parent for place in found.submodule_search_locations or ()):
            if files := _files_of(module, root):
                return files[0], root
    return None


def sources_of(module: str, folder: Path | None) -> Sources | None:
    """What `module` is made of: its file, and those of the same folder that it imports, directly or not.

    A module that a text names counts as imported: Gymnasium imports entry points when it makes an environment.
    Of an installed package only its own files count. None for a module that has no file.
    """
    place = _find(module, folder)
    if place is None:
        return None
    root, top = place[1], module.partition(".")[0]
    installed = root.name in ("site-packages", "dist-packages") or root == Path(sysconfig.get_paths()["stdlib"])
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


def changed_files(module: str, was: Sources) -> list[str]:
    """In words, each source of `module` that is not what it was; empty if all are."""
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
    """The files in `root` that importing `module` runs: every package on its way, and itself."""
    found, place = [], root
    for part in module.split("."):
        here = place / part
        candidates = (here / "__init__.py", here.with_name(part + ".py"))
        extension = [here.with_name(part + suffix) for suffix in importlib.machinery.EXTENSION_SUFFIXES]
        found += [path for path in (*candidates, *extension) if path.is_file()][:1]
        place = here
    return found


def _imports(content: bytes, path: Path, root: Path) -> list[str]:
    """Full names of the modules that a source imports or names, anywhere in it, as far as its text says."""
    if path.suffix != ".py":
        return []
    try:
        tree = parse_module(importlib.util.decode_source(content), _LONGEST_SOURCE)
    except (NotPython, SyntaxError, ValueError):
        return []  # importing it will say so
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
