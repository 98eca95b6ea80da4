"""Redis and Postgres servers that tests stop and start, and workers and schedulers that tests kill."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import pytest
from running import clean_environment
from servers import copy_for_all, open_to_all, postgres_programs, redis_program, unprivileged_user
from sqlalchemy import Engine, create_engine, text

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import service as jobs
from rewardsmith.spec import read_spec
from rewardsmith.storage.database import upgrade


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.1)


def missing(program: str) -> NoReturn:
    """Skip the test because no server is available; fail it if REQUIRE_SERVERS is set."""
    reason = f"{program} is not installed, neither the system's nor that of the `test` extra"
    if os.environ.get("REQUIRE_SERVERS"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Redis:
    """A Redis without persistence: a restart loses every message."""

    def __init__(self, folder: Path) -> None:
        binary = redis_program()
        if binary is None:
            missing("Redis")
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
    """A Postgres cluster in a folder that other users can reach, so not in one of pytest's private folders."""

    def __init__(self, folder: Path) -> None:
        programs = postgres_programs()
        if programs is None:
            missing("PostgreSQL")
        self._folder, self.port = folder, free_port()
        user = unprivileged_user()
        needs_copy = user is not None and not open_to_all(programs)
        self.binaries = copy_for_all(programs, folder) if needs_copy else programs
        identity: dict = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        self._options = {"cwd": folder, **identity}
        self._cluster = folder / "cluster"
        self._run("initdb", "-D", self._cluster, "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--no-locale")
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        settings = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-D", self._cluster, "-l", self._folder / "log", "-w", "-o", settings, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self._cluster, "-m", mode, "-w", "stop")

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self.binaries / program, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, **self._options)
        assert ran.returncode == 0, f"{program}: {ran.stdout}{ran.stderr}"

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
    """One service: database, broker, and its processes."""

    folder: Path
    redis: Redis
    postgres: Postgres
    environment: dict[str, str]
    running: list[subprocess.Popen] = field(default_factory=list)

    @cached_property
    def context(self) -> Context:
        names = {k.removeprefix("REWARDSMITH_").lower(): v for k, v in self.environment.items() if "REWARDSMITH" in k}
        known = {k: v for k, v in names.items() if k in Settings.model_fields}
        return open_context(Settings(**known))

    def submit(self) -> str:
        """A job of eight trials that train nothing."""
        from eight_trials import REWARD, SPEC

        return jobs.submit_job(self.context, read_spec(SPEC), REWARD)

    def resume(self, job: str) -> None:
        jobs.resume_service_job(self.context, job)

    def start(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen:
        """`python -m MODULE` with its output in the folder's log."""
        log = (self.folder / "service.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments], cwd=self.folder, stdout=log, stderr=log,
            env={**self.environment, **environment}, start_new_session=True,
        )  # fmt: skip
        self.running.append(process)
        return process

    def worker(self, slots: int = 2, **environment: str) -> subprocess.Popen:
        """All three queues on one host."""
        return self.start("workers.host", "--slots", str(slots), **environment)

    def scheduler(self) -> subprocess.Popen:
        return self.start("workers.scheduler")

    @cached_property
    def _engine(self) -> Engine:
        # A new connection for each of twenty queries per second would take as long as the queries.
        return create_engine(self.postgres.url, pool_pre_ping=True)

    def query(self, statement: str, **values: object) -> list:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def processes(self, words: str = "") -> list[int]:
        """Living processes of this service whose command line has `words`, the parent first."""
        return processes_of(self.folder, words)

    def trials(self) -> list[int]:
        """Processes that train."""
        return trials_of(self.folder)

    def log(self) -> str:
        path = self.folder / "service.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self) -> None:
        """Stop all processes that still run, schedulers first."""
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
        for engine in (self._engine, self.context.database):
            engine.dispose()


@contextmanager
def full_disk(home: Path) -> Iterator[Callable[[], None]]:
    """Leave no room for a trial's files until the yielded function is called: a small disk (root) or a size limit."""
    folder = home / "artifacts"
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        filler = folder / "filler"
        filler.write_bytes(b"0" * (4 * 2**20 - 2**15))
        try:
            yield filler.unlink
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    limit_files(home, 50_000)
    yield lambda: limit_files(home, resource.RLIM_INFINITY)


def limit_files(home: Path, size: int) -> None:
    """Limit the files that trials forked from now on may write."""
    for pid in processes_of(home, "workers.warm"):
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def parent_of(pid: int) -> int:
    """The parent of a process; 0 if it has just ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def processes_of(home: Path, words: str = "") -> list[int]:
    """Living processes with this REWARDSMITH_HOME whose command line has `words`, the parent first."""
    mark = f"REWARDSMITH_HOME={home}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            ours = words in command and mark in (entry / "environ").read_bytes().split(b"\0")
            living = ours and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            continue
        if living:
            found.append(int(entry.name))
    return sorted(found)


def trials_of(home: Path) -> list[int]:
    """Processes that train: forked from a warm parent, or interpreters of their own."""
    warm = processes_of(home, "workers.warm")
    return [pid for pid in warm if parent_of(pid) in warm] + processes_of(home, "workers.trial")


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
        "REWARDSMITH_TICK_SECONDS": "0.4",
        **environment,
    }
    service = Service(folder, redis, postgres, {**clean_environment(), **settings})
    try:
        yield service
    finally:
        service.end()
    wait_for(lambda: not service.processes(), 20)
