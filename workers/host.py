"""`python -P -m workers.host`: the workers of one host. Starts, restarts and ends one Celery process per queue."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from rewardsmith import __version__
from rewardsmith.config import Settings, as_environment, prepare_home, settings
from rewardsmith.engine import capabilities
from rewardsmith.engine.context import open_context
from rewardsmith.engine.interpreter import SAFE_PATH, module_command
from rewardsmith.errors import RewardsmithError, UsageError, require_train
from rewardsmith.plaintext import plain
from rewardsmith.storage import workers as rows
from workers import logs

log = logging.getLogger("rewardsmith.host")

POOLS = {"llm": "threads", "control": "prefork", "train": "prefork"}
_SECRETS = Path("/run/secrets")
_LOOK = 0.2
_SEEN_SECONDS = 5.0
_STOP_SECONDS = 25.0
"""Seconds in which trials can write their checkpoints. A container's stop_grace_period must be longer."""


def command_of(queue: str, slots: int) -> list[str]:
    """Return the command line of the Celery worker of one queue."""
    command = module_command("celery", "-A", "workers.celery_app", "worker", "-Q", queue)
    command += ["-P", POOLS[queue], "-c", str(slots), "-n", f"{queue}-{os.getpid()}@%h"]
    command += ["--without-gossip", "--without-mingle"]
    if queue != "llm":
        # A prefetched message would wait behind a trial that takes an hour.
        command += ["--disable-prefetch"]
    return command


def slots_of(queue: str, asked: int | None, chosen: Settings) -> int:
    """Return the number of concurrent items of a queue on this host; one trial per GPU if `devices` names GPUs."""
    devices = [d for d in chosen.devices.split(",") if d]
    usual = {"llm": chosen.llm_threads, "control": 1, "train": len(devices) or chosen.slots}
    return asked or usual[queue]


class Host:
    """Starts a Celery process per queue, and restarts a process that ends by itself."""

    def __init__(self, queues: dict[str, int], chosen: Settings, level: str) -> None:
        self._queues, self._settings, self._level = queues, chosen, level
        self._stop = threading.Event()
        self._running: dict[str, subprocess.Popen] = {}
        self._waits: dict[str, float] = dict.fromkeys(queues, 0.0)
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    def stop(self, *_: object) -> None:
        """Request an orderly stop: items return to the queue, trials keep their checkpoints."""
        self._stop.set()

    def run(self) -> None:
        """Run until `stop` is called. No process is left behind, even after an error."""
        context = open_context(self._settings, must_exist=True, patient=True)
        rows.register(
            context.database, self.name, host=socket.gethostname(), queues=",".join(self._queues),
            slots=sum(self._queues.values()), version=__version__, devices=self._settings.devices,
            sandbox_level=self._level, capabilities=capabilities.here().as_json(),
        )  # fmt: skip
        seen = time.monotonic()
        try:
            while not self._stop.wait(_LOOK):
                self._keep_alive()
                if time.monotonic() - seen > _SEEN_SECONDS:
                    rows.heartbeat(context.database, self.name)
                    seen = time.monotonic()
        finally:
            self._end()
        rows.unregister(context.database, self.name)

    def _keep_alive(self) -> None:
        for queue, slots in self._queues.items():
            process = self._running.get(queue)
            if process is not None and process.poll() is None:
                continue
            if process is not None:
                log.error("the worker of queue %s ended with exit code %s; restarting it", queue, process.returncode)
                self._waits[queue] = min(10.0, 2 * self._waits[queue] + 0.5)
                if self._stop.wait(self._waits[queue]):
                    return
            environment = {**os.environ, **SAFE_PATH, **as_environment(self._settings)}
            environment |= {"REWARDSMITH_HOST_PID": str(os.getpid()), "REWARDSMITH_QUEUE": queue}
            # cwd="/": Celery adds the current folder to its import path, in spite of Python's -P.
            self._running[queue] = subprocess.Popen(
                command_of(queue, slots), stdin=subprocess.DEVNULL, env=environment, cwd="/", start_new_session=True
            )

    def _end(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + _STOP_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def read_keys() -> None:
    """Set environment variables of providers' API keys from secret files, such as /run/secrets/openai_api_key."""
    for file in _SECRETS.glob("*_api_key") if _SECRETS.is_dir() else ():
        os.environ.setdefault(file.name.upper(), file.read_text().strip())


def main() -> int:
    """Parse the command line and run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -P -m workers.host", description=__doc__)
    parser.add_argument("--queue", default="llm,control,train")
    parser.add_argument("--slots", type=int)
    options = parser.parse_args()
    logs.set_up()
    try:
        names = [name.strip() for name in options.queue.split(",") if name.strip()]
        unknown = [name for name in names if name not in POOLS]
        if unknown or not names:
            raise UsageError(
                f"There is no queue {', '.join(unknown) or ''!r}.",
                f"Pass --queue with one or more of: {', '.join(POOLS)}.",
            )
        require_train("A worker")
        if "llm" in names:
            read_keys()
        chosen = settings()
        prepare_home(chosen.home)
        level = _sandbox_level(chosen)
        host = Host({name: slots_of(name, options.slots, chosen) for name in names}, chosen, level)
        signal.signal(signal.SIGTERM, host.stop)
        signal.signal(signal.SIGINT, host.stop)
        host.run()
    except RewardsmithError as error:
        print(plain(str(error)), file=sys.stderr)
        return error.exit_code
    return 0


def _sandbox_level(chosen: Settings) -> str:
    """Return the sandbox level of this host. Raises RewardsmithError if it is below that of the settings."""
    from rewardsmith.engine.sandbox_level import observed_level

    return observed_level(chosen.isolation)


if __name__ == "__main__":
    sys.exit(main())
