"""Opens the database: connection settings, version check, migrations, and errors with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from rewardsmith.errors import DiskFull, StorageError
from rewardsmith.storage.outage import outlast
from rewardsmith.storage.reader import BUSY_SECONDS, HEAD

ASLEEP_SECONDS = 15.0
"""Postgres ends a transaction whose client is idle for this long; transactions normally take milliseconds."""

_READ = "rewardsmith_read"

_NETWORK_FILESYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "fuse.sshfs",
    "ceph",
    "glusterfs",
    "lustre",
}


def open_database(url: str, *, migrate: bool = True, must_exist: bool = False, patient: bool = False) -> Engine:
    """Return an engine on a database of this version.

    Args:
        url: SQLAlchemy URL, sqlite:///PATH or postgresql+psycopg://...
        migrate: Whether to create or migrate an SQLite file. A Postgres database is never migrated here.
        must_exist: Whether a missing SQLite file is an error.
        patient: Whether to wait for a server that is restarting.

    Raises:
        StorageError: The database is missing, unreachable, of another version, or on a network filesystem.
    """
    sqlite = url.startswith("sqlite")
    if sqlite:
        path = Path(url.removeprefix("sqlite:///"))
        if must_exist and not path.exists():
            raise StorageError(
                f"There is no rewardsmith database at {path}.",
                "Start a job with `rewardsmith run --task ID`, or run this in the folder of your jobs.",
            )
        _prepare_folder(path)
    try:
        # pre-ping: after a restart of the server every pooled connection is dead.
        options = {"connect_args": {"timeout": BUSY_SECONDS}} if sqlite else {"pool_pre_ping": True}
        engine = create_engine(url, **options)
    except ArgumentError as error:
        raise StorageError(
            "REWARDSMITH_DATABASE_URL is not a database URL.",
            "Write it as postgresql+psycopg://USER:PASSWORD@HOST/NAME, or unset it for SQLite.",
        ) from error
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StorageError(
            f"No database driver for {url.split(':')[0]}: {error}.", "pip install 'rewardsmith[postgres]'"
        ) from error
    if sqlite:
        event.listen(engine, "connect", _pragmas)
        event.listen(engine, "begin", _begin_immediately)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _end_sleepers)
    with reported():
        if patient:
            outlast(lambda: _check_version(engine, migrate=migrate and sqlite))
        else:
            _check_version(engine, migrate=migrate and sqlite)
    return engine


def load_driver(url: str) -> None:
    """Import the database driver without connecting, in a process whose forked children will need it."""
    create_engine(url).dispose()


def read(engine: Engine) -> Connection:
    """Return a connection for reading; on SQLite it neither waits for writers nor blocks them."""
    return engine.connect().execution_options(**{_READ: True})


@contextmanager
def reported() -> Iterator[None]:
    """Convert errors of the database driver to StorageError with a remedy."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        if "locked" in reason:
            remedy = "Another process keeps it locked: wait, or end that process."
        elif "full" in reason:
            remedy = "Free some disk space, then run the same command again; finished work is kept."
            raise DiskFull(f"The database cannot be written: {reason}.", remedy) from error
        elif "readonly" in reason or "unable to open" in reason:
            remedy = "Make its folder writable, or set REWARDSMITH_HOME to another folder."
        else:
            remedy = "Check that the server runs and that REWARDSMITH_DATABASE_URL is right."
        raise StorageError(f"The database cannot be used: {reason}.", remedy) from error
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise StorageError(
            f"The database cannot be used: {reason}.",
            "If the file is not a rewardsmith database, move it, or set REWARDSMITH_HOME to another folder.",
        ) from error


def upgrade(engine: Engine) -> None:
    """Migrate the database to the newest version (Alembic)."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with engine.connect() as connection, _unchecked_references(connection), connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if engine.dialect.name == "sqlite" and (lost := connection.execute(text("PRAGMA foreign_key_check")).first()):
            raise StorageError(
                f"The migration would break a reference of table {lost[0]}; nothing was changed.",
                "Keep the previous version of rewardsmith for this database, and report the problem.",
            )


@contextmanager
def _unchecked_references(connection: Connection) -> Iterator[None]:
    # A batch migration drops and replaces tables, which foreign keys would forbid. SQLite ignores this pragma inside a
    # transaction.
    driver = connection.connection.dbapi_connection
    if connection.dialect.name != "sqlite" or driver is None:
        yield
        return
    driver.cursor().execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.cursor().execute("PRAGMA foreign_keys=ON")


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside the wheel, or at the root of a checkout."""
    installed = Path(__file__).parents[1] / "_migrations"
    return installed if installed.exists() else Path(__file__).parents[2] / "migrations"


def _check_version(engine: Engine, *, migrate: bool) -> None:
    with read(engine) as connection:
        current = _version(connection)
    if current == HEAD:
        return
    _refuse_if_newer(current)
    if not migrate:
        raise StorageError(
            f"The database has version {current or 'none'}, but this program needs {HEAD}.",
            "Run `rewardsmith db upgrade` once, when no job is running.",
        )
    upgrade(engine)


def refuse_newer(engine: Engine) -> None:
    """Raise StorageError if the database has a newer version than this program."""
    with read(engine) as connection:
        _refuse_if_newer(_version(connection))


def _refuse_if_newer(current: str | None) -> None:
    if current is not None and current > HEAD:
        raise StorageError(
            f"The database has version {current}, newer than this program's {HEAD}.",
            "Update rewardsmith: pip install --upgrade rewardsmith",
        )


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _prepare_folder(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot create {path.parent}: {error.strerror}.",
            "Set REWARDSMITH_HOME to a folder you can write.",
        ) from error
    kind = _filesystem(path.parent)
    if kind in _NETWORK_FILESYSTEMS:
        raise StorageError(
            f"{path.parent} is on a network filesystem ({kind}), where SQLite loses data.",
            "Set REWARDSMITH_HOME to a local folder, or REWARDSMITH_DATABASE_URL to a Postgres database.",
        )


def _filesystem(folder: Path) -> str:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        _, place, filesystem, *_ = line.split()
        inside = str(folder.resolve()) == place or str(folder.resolve()).startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, filesystem
    return kind


def _pragmas(connection, _record) -> None:
    # The driver's implicit BEGIN is deferred; a write in such a transaction ignores busy_timeout.
    connection.isolation_level = None
    cursor = connection.cursor()
    waiting = f"busy_timeout={int(1000 * BUSY_SECONDS)}"
    for pragma in ("journal_mode=WAL", waiting, "foreign_keys=ON", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _end_sleepers(connection, _record) -> None:
    # A host that is suspended inside a transaction would hold its row locks until it wakes.
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = {int(1000 * ASLEEP_SECONDS)}")
    cursor.close()
    connection.commit()


def _begin_immediately(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
