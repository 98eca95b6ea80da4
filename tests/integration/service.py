"""A Redis and a Postgres of our own that can be stopped and started, and workers and schedulers to end badly."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from running import clean_environment
from sqlalchemy import create_engine, text

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.storage.database import upgrade


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


class Redis:
    """A Redis that keeps nothing on disk, so that a restart loses every message."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("redis-server")
        assert binary, "install redis (apt-get install redis-server) to run the integration tests"
        self._binary, self._folder, self.port = binary, folder, free_port()
        self._process: subprocess.Popen | None = None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)
        wait_for(self._answers)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.5):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def flush(self) -> None:
        import redis

        redis.Redis(port=self.port).flushall()


class Postgres:
    """A cluster in a folder."""

    def __init__(self, folder: Path) -> None:
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        found = shutil.which("initdb")
        assert places or found, "install postgresql (apt-get install postgresql) to run the integration tests"
        self._binaries = places[-1].parent if places else Path(str(found)).parent
        self._folder, self.port = folder, free_port()
        # initdb refuses to run as root; the package has made a user for it.
        user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        identity = {"user": user.pw_uid, "group": user.pw_gid} if user else {}
        if user:
            for place in (folder, *list(folder.parents)[:2]):
                place.chmod(0o755)
            os.chown(folder, user.pw_uid, user.pw_gid)
        self._options = {
            "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": folder, **identity
        }  # fmt: skip
        self._cluster = folder / "cluster"
        initdb = [self._binaries / "initdb", "-D", self._cluster, "-A", "trust", "-U", "postgres", "-N"]
        subprocess.run(initdb, **self._options)
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        settings = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        subprocess.run([self._binaries / "pg_ctl", "-D", self._cluster, "-w", "-o", settings, "start"], **self._options)

    def stop(self, mode: str = "immediate") -> None:
        subprocess.run([self._binaries / "pg_ctl", "-D", self._cluster, "-m", mode, "-w", "stop"], **self._options)

    def empty(self, *, migrate: bool = True) -> None:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        if migrate:
            upgrade(engine)
        engine.dispose()


@dataclass
class Service:
    """A service of its own: database, broker, and the processes that were started for it."""

    folder: Path
    redis: Redis
    postgres: Postgres
    environment: dict[str, str]
    running: list[subprocess.Popen] = field(default_factory=list)

    @property
    def context(self) -> Context:
        names = {k.removeprefix("REWARDSMITH_").lower(): v for k, v in self.environment.items() if "REWARDSMITH" in k}
        known = {k: v for k, v in names.items() if k in Settings.model_fields}
        return open_context(Settings(**known))

    def start(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen:
        """`python -m MODULE` with its output in the folder's log."""
        log = (self.folder / "service.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=self.folder, stdout=log, stderr=log,
            env={**self.environment, **environment}, start_new_session=True,
        )  # fmt: skip
        self.running.append(process)
        return process

    def worker(self, slots: int = 2, **environment: str) -> subprocess.Popen:
        """All three queues on one host."""
        return self.start("workers.host", "--slots", str(slots), **environment)

    def scheduler(self) -> subprocess.Popen:
        return self.start("workers.scheduler")

    def query(self, statement: str, **values: object) -> list:
        engine = create_engine(self.postgres.url)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(statement), values)]
        finally:
            engine.dispose()

    def processes(self, words: str = "") -> list[int]:
        """Living processes of this service whose command line has `words`, the parent first."""
        mark = f"REWARDSMITH_HOME={self.folder}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                ours = mark in (entry / "environ").read_bytes()
                living = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
            except OSError:
                continue
            if ours and living and words in command:
                found.append(int(entry.name))
        return sorted(found)

    def log(self) -> str:
        path = self.folder / "service.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self) -> None:
        """Stop what still runs, in order."""
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()


@contextmanager
def serving(folder: Path, redis: Redis, postgres: Postgres, **environment: str) -> Iterator[Service]:
    """An empty service; at its end no process of it may be left."""
    postgres.empty()
    redis.flush()
    settings = {
        "REWARDSMITH_HOME": str(folder),
        "REWARDSMITH_DATABASE_URL": postgres.url,
        "REWARDSMITH_BROKER_URL": redis.url,
        "REWARDSMITH_LEASE_SECONDS": "3",
        "REWARDSMITH_HINT_SECONDS": "2",
        "REWARDSMITH_TICK_SECONDS": "0.2",
        **environment,
    }
    service = Service(folder, redis, postgres, {**clean_environment(), **settings})
    try:
        yield service
    finally:
        service.end()
    wait_for(lambda: not service.processes(), 20)
