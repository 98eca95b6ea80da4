"""Settings: environment variables (REWARDSMITH_*), a .env file beside the work, defaults."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from rewardsmith.errors import UsageError
from rewardsmith.place import HOME, SECRETS, announce_env_file, artifacts_folder, database_url, read_env_file
from sandbox.isolation import Isolation

_PREFIX = "REWARDSMITH_"
_SECRETS = SECRETS if SECRETS.is_dir() else None


class Settings(BaseSettings):
    """Where work is kept and how patient the service is."""

    model_config = SettingsConfigDict(env_prefix="REWARDSMITH_", extra="ignore", secrets_dir=_SECRETS)

    home: Path = Field(default=HOME, description="folder of the database and artifacts")
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; SQLite in `home` by default")
    artifacts_url: str | None = Field(default=None, description="folder or fsspec URL of policies; `home`/store")
    slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="trials at once")
    lease_seconds: float = Field(default=30.0, gt=1.0, description="a claim lapses this long after a heartbeat")
    max_attempts: int = Field(default=3, ge=1, description="tries after infrastructure failures")
    calls_at_once: int = Field(default=8, ge=1, description="language-model calls under way to one provider")
    call_seconds: float = Field(default=300.0, gt=0, description="limit of one request to a language model")
    call_deadline: float = Field(
        default=900.0, gt=0, le=900, description="limit of one call, with its repeated requests and waits"
    )
    call_backoff: float = Field(default=1.0, gt=0, description="first wait before a request is repeated; doubles")
    model_parameters: str | None = Field(default=None, description="JSON: parameters of calls to rename or leave out")
    trial_memory_mb: int = Field(default=4096, ge=256, description="address space limit is not set on CUDA")
    trial_seconds: float = Field(default=3600.0, gt=0, description="wall-clock limit of one rung of a trial")
    allow_weak_sandbox: bool = Field(default=False, description="run below protection level `kernel`")
    broker_url: str = Field(default="redis://localhost:6379/0", description="Redis, for workers and schedulers")
    hint_seconds: float = Field(default=30.0, gt=0, description="queued items are hinted again after so long")
    tick_seconds: float = Field(default=0.5, gt=0, description="pause between two rounds of a scheduler")
    llm_threads: int = Field(default=8, ge=1, description="calls to language models at once per worker")
    devices: str = Field(default="", description="GPUs of this host, such as 0,1; one training slot each")
    api_base: str | None = Field(default=None, description="address of the language model for submitted jobs")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, the environment, what a .env file may set (place.py), secrets."""
        found = {name.removeprefix(_PREFIX).lower(): value for name, value in read_env_file().items()}
        known = {name: value for name, value in found.items() if name in settings_cls.model_fields}
        return init_settings, env_settings, InitSettingsSource(settings_cls, known), file_secret_settings

    @property
    def isolation(self) -> Isolation:
        """The weakest protection level under which programs may run."""
        return Isolation.floor(weak=self.allow_weak_sandbox)

    @property
    def url(self) -> str:
        """The database's URL: as set, or SQLite under `home`."""
        return self.database_url or database_url(self.home)

    @property
    def artifacts(self) -> Path:
        """This machine's folder of checkpoints and logs."""
        return artifacts_folder(self.home)

    @property
    def store_url(self) -> str:
        """Where finished files (policies, trajectories) are kept: an fsspec URL or an absolute path."""
        if self.artifacts_url is not None and "://" in self.artifacts_url:
            return self.artifacts_url
        return str((Path(self.artifacts_url) if self.artifacts_url else self.home / "store").resolve())


_OUR_FILES = {"rewardsmith.db", "rewardsmith.db-wal", "rewardsmith.db-shm", "artifacts", "store", "manual"}
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def prepare_home(home: Path) -> None:
    """Make the folder of the database and artifacts, private to its user (mode 700), or tighten it.

    Raises UsageError where it cannot be made.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot create {home}: {error.strerror}.", "Set REWARDSMITH_HOME to a folder you can write."
        ) from error
    keep_private(home)


def keep_private(home: Path) -> None:
    """Take from others what rights an earlier version left them to the folder: prompts, answers and programs are in it.

    Left alone: a folder of another user or with more than our files in it (REWARDSMITH_HOME may name any), and one
    that is shared on purpose, by the set-group-id or the sticky bit. `rewardsmith doctor` tells of those.
    """
    try:
        about = home.stat()
        shared = about.st_mode & (stat.S_ISGID | stat.S_ISVTX)
        ours = home.name == HOME.name or {path.name for path in home.iterdir()} <= _OUR_FILES
        if about.st_mode & _OTHERS and about.st_uid == os.geteuid() and ours and not shared:
            home.chmod(stat.S_IMODE(about.st_mode) & ~_OTHERS)
    except OSError:
        return  # absent, or on a filesystem without such rights


def is_private(folder: Path) -> bool:
    """Whether nobody but its user can enter a folder."""
    return not folder.stat().st_mode & _OTHERS


def as_environment(chosen: Settings) -> dict[str, str]:
    """What leads another process, in whatever folder it stands, to the same settings; secrets stay in their files."""
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
    """The settings of this process, read once. Raises UsageError naming the wrong variable."""
    announce_env_file()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "REWARDSMITH_" + "_".join(str(part) for part in first["loc"]).upper()
        raise UsageError(
            f"{name} is {first.get('input')!r}: {first['msg'].lower()}.",
            "Set it right in the environment or in .env, or unset it for the default.",
        ) from error
