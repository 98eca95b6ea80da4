"""Location of the database and artifacts, for commands that only read.

The result equals that of `config.settings`, but pydantic, whose import takes
most of a command's start-up time, is not loaded.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rewardsmith.errors import UsageError

SECRETS = Path("/run/secrets")
"""Containers pass passwords as files, which neither `docker inspect` nor a child process's environment shows."""

HOME = Path(".rewardsmith")
"""Folder of the database and artifacts, unless REWARDSMITH_HOME is set."""


@dataclass(frozen=True)
class Place:
    """The URL of the database and the folder of artifacts."""

    url: str
    artifacts: Path


def find_place() -> Place:
    """Read the location from the environment, the .env file, the secrets, or the defaults, in this order.

    A test compares the result with `config.settings`.
    """
    announce_env_file()
    set_home = _setting("REWARDSMITH_HOME")
    home = HOME if set_home is None else Path(set_home)
    url = _setting("REWARDSMITH_DATABASE_URL")
    return Place(url or database_url(home), artifacts_folder(home))


ENV_FILE = Path(".env")
_PREFIX, _KEY = "REWARDSMITH_", "_API_KEY"
_NEVER = {
    *("REWARDSMITH_ALLOW_WEAK_SANDBOX", "REWARDSMITH_SANDBOX_WRAPPER"),
    *("REWARDSMITH_API_BASE", "REWARDSMITH_DATABASE_URL", "REWARDSMITH_MODEL"),
}
"""Settings that a .env file of the current folder must not change, because the folder may come from a stranger: the
sandbox, and the addresses and the model that receive keys, work and money."""

_ANNOUNCED = "REWARDSMITH_ENV_FILE_ANNOUNCED"
_MOST_BYTES = 100_000


def read_env_file() -> dict[str, str]:
    """Return the settings and API keys of this folder's .env file, without those of `_NEVER`.

    `${NAME}` in a value is not expanded; otherwise an address could contain a key. Raises UsageError if the file cannot
    be read.
    """
    return {name: value for name, value in _env_file().items() if name not in _NEVER}


def announce_env_file() -> None:
    """Print the names (not the values) that the .env file sets, once for this process and its children, to stderr."""
    if _ANNOUNCED in os.environ:
        return
    found = _env_file()
    for said, names in (
        ("sets", [n for n in found if n not in _NEVER]),
        ("may not set these variables, set them in the environment instead:", [n for n in found if n in _NEVER]),
    ):
        if names:
            os.environ[_ANNOUNCED] = "1"
            print(f"{ENV_FILE.resolve()} {said} {', '.join(sorted(names))}", file=sys.stderr)


def _env_file() -> dict[str, str]:
    if not ENV_FILE.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        if ENV_FILE.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        values = dotenv_values(ENV_FILE, interpolate=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The file {ENV_FILE.resolve()} cannot be read: {error}.", "Fix the file, or move it to another folder."
        ) from error
    upper = {name.upper(): value for name, value in values.items() if value is not None}
    return {name: value for name, value in upper.items() if name.startswith(_PREFIX) or name.endswith(_KEY)}


def database_url(home: Path) -> str:
    """Return the URL of the SQLite database in the folder `home`."""
    return f"sqlite:///{(home / 'rewardsmith.db').resolve()}"


def artifacts_folder(home: Path) -> Path:
    """Return the folder of checkpoints, policies, plots and logs."""
    return home.resolve() / "artifacts"


def _setting(name: str) -> str | None:
    if name in os.environ:
        return os.environ[name]
    if (found := read_env_file().get(name)) is not None:
        return found
    secret = SECRETS / name.lower()
    return secret.read_text().strip() if secret.is_file() else None
