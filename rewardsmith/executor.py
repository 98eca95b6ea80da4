"""Starts, watches and ends the local executor of a job."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

from rewardsmith.config import prepare_home
from rewardsmith.engine.context import Context
from rewardsmith.engine.interpreter import SAFE_PATH, module_command
from rewardsmith.plaintext import one_line

_PATIENCE = 3.0  # seconds that an executor has to end its trials
_LAST_WORDS = 15.0  # seconds to wait for the last output of an executor that has ended
_KEPT = 20  # last lines of output to keep


class Executor:
    """The process `python -P -m workers.local JOB`, in a process group of its own. Its output goes to the job's log."""

    def __init__(self, context: Context, job_id: str, slots: int | None) -> None:
        chosen = context.settings
        prepare_home(chosen.home)
        self._log = context.job_folder(job_id) / "logs" / "executor.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = module_command("workers.local", job_id, "--parent", str(os.getpid()))
        command += ["--slots", str(slots or chosen.slots)]
        places = {"REWARDSMITH_HOME": str(chosen.home.resolve()), "REWARDSMITH_DATABASE_URL": chosen.url}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **SAFE_PATH, **places},
            start_new_session=True,
        )
        self._said: deque[str] = deque(maxlen=_KEPT)
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, output: BinaryIO) -> None:
        # The output passes through this process, because on a full disk the log stays empty.
        with contextlib.ExitStack() as stack:
            log: BinaryIO | None = None
            with contextlib.suppress(OSError):
                log = stack.enter_context(self._log.open("ab", buffering=0))
            for line in output:
                said = one_line(line.decode(errors="replace").rstrip())
                self._said.append(said)
                with contextlib.suppress(OSError):
                    if log is not None:
                        log.write(f"{said}\n".encode())

    @property
    def pid(self) -> int:
        """The id of the process, with which the owner names of its work items begin."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    @property
    def failure(self) -> tuple[str, str] | None:
        """Cause and remedy if the process failed; None if it succeeded or still runs."""
        if not self._process.returncode:
            return None
        self._reader.join(_LAST_WORDS)
        marked = [k for k, line in enumerate(self._said) if line.startswith("error: ")]
        if not marked:
            return f"The executor ended before the job (exit code {self._process.returncode}).", ""
        cause, remedy = [*list(self._said)[marked[-1] :], ""][:2]
        return cause.removeprefix("error: "), remedy

    def wait(self) -> None:
        """Wait until the process ends by itself."""
        self._process.wait()

    def end(self) -> None:
        """Ask the process to stop its trials, which continue later from their checkpoints; kill it after 3 seconds."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                self._process.wait()

    def kill(self) -> None:
        """Kill the process and all its descendants. Safe to call from a signal handler."""
        started = _descendants(self._process.pid)
        for pid in (self._process.pid, *started):  # parents first: they would replace children that have ended
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """Return all descendants of a process, parents before their children."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found[1:]
