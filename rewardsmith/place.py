"""Where the work is kept, for commands that only read: `config.settings` without what checking all settings costs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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
    set_home = _setting("REWARDSMITH_HOME")
    home = HOME if set_home is None else Path(set_home)
    url = _setting("REWARDSMITH_DATABASE_URL")
    return Place(url or database_url(home), artifacts_folder(home))


def database_url(home: Path) -> str:
    """SQLite under `home`."""
    return f"sqlite:///{(home / 'rewardsmith.db').resolve()}"


def artifacts_folder(home: Path) -> Path:
    """Checkpoints, policies, pictures and logs."""
    return home.resolve() / "artifacts"


def _setting(name: str) -> str | None:
    if name in os.environ:
        return os.environ[name]
    if Path(".env").is_file():
        from dotenv import dotenv_values

        found = {key.upper(): value for key, value in dotenv_values(".env").items()}
        if found.get(name) is not None:
            return found[name]
    secret = SECRETS / name.lower()
    return secret.read_text().strip() if secret.is_file() else None
