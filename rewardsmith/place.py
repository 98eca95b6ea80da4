"""Where the work is kept, for commands that only read: `config.settings` without what checking all settings costs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rewardsmith.errors import UsageError

SECRETS = Path("/run/secrets")
"""Containers hand over passwords as files, which neither `docker inspect` nor a child's environment shows."""

HOME = Path(".rewardsmith")
"""Folder of the database and artifacts, unless REWARDSMITH_HOME is set."""


@dataclass(frozen=True)
class Place:
    """The database's URL and the folder of artifacts."""

    url: str
    artifacts: Path


def find_place() -> Place:
    """From the environment, a .env file, secrets, defaults, in this order; a test holds it to `config.settings`."""
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
"""What the folder that one happens to stand in must not decide: how programs are locked in, where keys and work go,
whom a job pays."""

_ANNOUNCED = "REWARDSMITH_ENV_FILE_ANNOUNCED"
_MOST_BYTES = 100_000


def read_env_file() -> dict[str, str]:
    """What the .env file of this folder sets: settings of rewardsmith, without `_NEVER`, and providers' API keys.

    Values are taken as they stand: `${NAME}` in one is not replaced, or an address could carry a key away. Raises
    UsageError for a file that cannot be read.
    """
    return {name: value for name, value in _env_file().items() if name not in _NEVER}


def announce_env_file() -> None:
    """Say on stderr, once for this process and all that it starts, what a .env file sets: names, never values."""
    if _ANNOUNCED in os.environ:
        return
    found = _env_file()
    for said, names in (
        ("sets", [n for n in found if n not in _NEVER]),
        ("may not set, so that it is ignored (set it in the environment):", [n for n in found if n in _NEVER]),
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
            f"The file {ENV_FILE.resolve()} cannot be read: {error}.", "Mend it or move it away."
        ) from error
    upper = {name.upper(): value for name, value in values.items() if value is not None}
    return {name: value for name, value in upper.items() if name.startswith(_PREFIX) or name.endswith(_KEY)}


def database_url(home: Path) -> str:
    """SQLite under `home`."""
    return f"sqlite:///{(home / 'rewardsmith.db').resolve()}"


def artifacts_folder(home: Path) -> Path:
    """Checkpoints, policies, pictures and logs."""
    return home.resolve() / "artifacts"


def _setting(name: str) -> str | None:
    if name in os.environ:
        return os.environ[name]
    if (found := read_env_file().get(name)) is not None:
        return found
    secret = SECRETS / name.lower()
    return secret.read_text().strip() if secret.is_file() else None
