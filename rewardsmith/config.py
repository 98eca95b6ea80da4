"""Settings of the installation: environment variables (REWARDSMITH_*), the .env file of this folder, defaults."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from rewardsmith.errors import UsageError
from rewardsmith.former_names import take_former_variables
from rewardsmith.place import HOME, SECRETS, announce_env_file, artifacts_folder, database_url, read_env_file
from sandbox.isolation import Isolation

_PREFIX = "REWARDSMITH_"
_SECRETS = SECRETS if SECRETS.is_dir() else None


class Settings(BaseSettings):
    """Storage, limits and addresses of this installation. Each field is set by REWARDSMITH_ and its name."""

    model_config = SettingsConfigDict(env_prefix="REWARDSMITH_", extra="ignore", secrets_dir=_SECRETS)

    home: Path = Field(default=HOME, description="folder of the database and artifacts")
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; SQLite in `home` by default")
    artifacts_url: str | None = Field(default=None, description="folder or fsspec URL of policies; `home`/store")
    slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="trials at once")
    lease_seconds: float = Field(
        default=30.0, gt=1.0, description="seconds after the last heartbeat until a work item's lease expires"
    )
    max_attempts: int = Field(default=3, ge=1, description="attempts at a work item before it is lost")
    calls_at_once: int = Field(default=8, ge=1, description="concurrent language-model calls to one provider")
    call_seconds: float = Field(
        default=300.0, gt=0, description="time limit of one request to a language model, seconds"
    )
    call_deadline: float = Field(
        default=900.0, gt=0, le=900, description="time limit of one call with its retries and waits, seconds"
    )
    call_backoff: float = Field(
        default=1.0, gt=0, description="seconds before the first retry of a request; doubles with each retry"
    )
    model_parameters: str | None = Field(default=None, description="JSON: call parameters to rename or omit")
    trial_memory_mb: int = Field(default=4096, ge=256, description="limit of a trial's resident memory, MiB")
    trial_seconds: float = Field(default=3600.0, gt=0, description="time limit of one rung of a trial, seconds")
    allow_weak_sandbox: bool = Field(default=False, description="run below sandbox level `kernel`")
    check_processes: int | None = Field(
        default=None, ge=1, description="reward hosts at once in the checks of a program; processors + 1 by default"
    )
    broker_url: str = Field(default="redis://localhost:6379/0", description="Redis, for workers and schedulers")
    notify_seconds: float = Field(
        default=30.0, gt=0, description="seconds until the notification of a queued item is sent again"
    )
    tick_seconds: float = Field(default=0.5, gt=0, description="seconds between two rounds of a scheduler")
    llm_threads: int = Field(default=8, ge=1, description="concurrent language-model calls per worker")
    devices: str = Field(default="", description="GPUs of this host, such as 0,1; one training slot each")
    api_base: str | None = Field(default=None, description="address of the language model of submitted jobs")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, the environment, the permitted part of .env (place.py), secrets."""
        found = {name.removeprefix(_PREFIX).lower(): value for name, value in read_env_file().items()}
        known = {name: value for name, value in found.items() if name in settings_cls.model_fields}
        return init_settings, env_settings, InitSettingsSource(settings_cls, known), file_secret_settings

    @property
    def isolation(self) -> Isolation:
        """The lowest sandbox level at which programs may run."""
        return Isolation.floor(weak=self.allow_weak_sandbox)

    @property
    def url(self) -> str:
        """The URL of the database: `database_url`, or SQLite in `home`."""
        return self.database_url or database_url(self.home)

    @property
    def artifacts(self) -> Path:
        """The folder of checkpoints and logs on this machine."""
        return artifacts_folder(self.home)

    @property
    def store_url(self) -> str:
        """The store of finished files (policies, trajectories): an fsspec URL or an absolute path."""
        if self.artifacts_url is not None and "://" in self.artifacts_url:
            return self.artifacts_url
        return str((Path(self.artifacts_url) if self.artifacts_url else self.home / "store").resolve())


_OUR_FILES = {"rewardsmith.db", "rewardsmith.db-wal", "rewardsmith.db-shm", "artifacts", "store", "manual"}
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def prepare_home(home: Path) -> None:
    """Create the folder of the database and artifacts with mode 700, or restrict an existing one (`keep_private`).

    Raises UsageError if it cannot be created.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot create {home}: {error.strerror}.", "Set REWARDSMITH_HOME to a folder that you can write to."
        ) from error
    keep_private(home)


def keep_private(home: Path) -> None:
    """Remove the permissions of other users on the folder, which holds prompts, answers and programs.

    `rewardsmith doctor` reports the folders that are left unchanged:

    - a folder of another user,
    - a folder with files that are not rewardsmith's, because REWARDSMITH_HOME may name any folder,
    - a folder that is shared on purpose, as its set-group-id or sticky bit shows.
    """
    try:
        about = home.stat()
        shared = about.st_mode & (stat.S_ISGID | stat.S_ISVTX)
        ours = home.name == HOME.name or {path.name for path in home.iterdir()} <= _OUR_FILES
        if about.st_mode & _OTHERS and about.st_uid == os.geteuid() and ours and not shared:
            home.chmod(stat.S_IMODE(about.st_mode) & ~_OTHERS)
    except OSError:
        return  # absent, or on a filesystem without permissions


def is_private(folder: Path) -> bool:
    """Return whether only its owner can enter a folder."""
    return not folder.stat().st_mode & _OTHERS


def as_environment(chosen: Settings) -> dict[str, str]:
    """Return the environment variables that give a process in any folder the same settings, secrets left out."""
    given = {*os.environ, *read_env_file()}
    told = {name: getattr(chosen, name) for name in chosen.model_fields_set if _PREFIX + name.upper() in given}
    told["home"] = chosen.home.resolve()
    if "artifacts_url" in told:
        told["artifacts_url"] = chosen.store_url
    if "database_url" in told and chosen.url.startswith("sqlite:///"):
        told["database_url"] = f"sqlite:///{Path(chosen.url.removeprefix('sqlite:///')).resolve()}"
    return {_PREFIX + name.upper(): str(value) for name, value in told.items() if value is not None}


@lru_cache
def settings() -> Settings:
    """Return the settings of this process, read once. Raises UsageError that names the invalid variable."""
    announce_env_file()
    take_former_variables(read_env_file())
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "REWARDSMITH_" + "_".join(str(part) for part in first["loc"]).upper()
        raise UsageError(
            f"{name} is {first.get('input')!r}: {first['msg'].lower()}.",
            f"Correct {name} in the environment or in .env, or unset it to use the default.",
        ) from error
