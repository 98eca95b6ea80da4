"""A parent that has everything loaded and forks trials, so that a trial starts in milliseconds, not seconds.

Importing torch, Stable-Baselines3 and the compiled engine, and reading a task's layouts, costs each fresh
interpreter seconds. `python -P -m workers.warm [TASK...]` does it once, single-threaded, and forks a child per
request, whatever its task; the child runs what `python -m workers.trial` runs. Requests and answers are lines of
JSON on stdin and stdout.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rewardsmith.config import settings
from rewardsmith.engine.interpreter import module_command

_LOST = -int(signal.SIGKILL)
_PATIENCE = 0.5  # seconds that a parent has to end by itself
_LOOK = 0.3


class Forked:
    """A trial's process as its supervisor sees it; the part of subprocess.Popen that is used."""

    def __init__(self) -> None:
        self.pid = 0
        self.returncode: int | None = None
        self._started: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._news = threading.Condition()
        self._woken = False

    def begun(self, pid: int) -> None:
        """The fork has happened."""
        self._started.put(pid)

    def ended(self, code: int) -> None:
        """The process has ended, or nobody can say any more what became of it."""
        with self._news:
            if self.returncode is None:
                self.returncode = code
                self._started.put(0)
                self._news.notify_all()

    def wake(self) -> None:
        """Let whoever waits for the end, or waits next, look around before the time is up."""
        with self._news:
            self._woken = True
            self._news.notify_all()

    def await_start(self) -> None:
        """Block until the process exists; pid stays 0 if it never did."""
        self.pid = self._started.get()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        with self._news:
            self._news.wait_for(lambda: self.returncode is not None or (self._woken and timeout is not None), timeout)
            self._woken = False
            if self.returncode is None:
                raise subprocess.TimeoutExpired("trial", timeout or 0.0)
            return self.returncode


class WarmParent:
    """The executor's side: starts the warm parent, asks it for children, restarts it if it dies.

    `environment` is the parent's own; what a child's environment adds or lacks comes with its order. `tasks` are
    loaded before the first order.
    """

    def __init__(self, environment: dict[str, str], *tasks: str) -> None:
        self._environment, self._tasks = environment, tasks
        self._lock = threading.Lock()
        self._children: dict[int, tuple[subprocess.Popen[bytes], Forked]] = {}
        self._number = 0
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._ensure()

    def launch(self, task: str, arguments: list[str], environment: dict[str, str], log: Path) -> Forked:
        """Fork a trial on `task` with `arguments` of workers.trial; its output goes to `log`."""
        child = Forked()
        with self._lock:
            if self._closed:
                child.ended(_LOST)
                return child
            process = self._ensure()
            self._number += 1
            self._children[self._number] = (process, child)
            request = {"number": self._number, "task": task, "arguments": arguments, "environment": environment}
            request["log"] = str(log)
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            except (OSError, ValueError):  # it has died, or is being closed
                child.ended(_LOST)
        child.await_start()
        return child

    def wake(self) -> None:
        """Let the supervisors of all running children look around."""
        for _, child in list(self._children.values()):
            child.wake()

    def close(self) -> None:
        """End the warm parent, and whoever waits for it; its children are ended by their supervisors."""
        self._closed = True
        # Without the lock, which an order may hold: only a parent that has ended lets that order end.
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()  # still loading, or compiling for the first time
                process.wait()

    def _ensure(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            command = module_command("workers.warm", *self._tasks)
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment, start_new_session=True
            )
            threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        return self._process

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            child = self._children[told["number"]][1]
            if "pid" in told:
                child.begun(told["pid"])
            else:
                child.ended(told["code"])
                del self._children[told["number"]]
        process.wait()
        # Its children end themselves when their parent is gone; those of a successor are not touched.
        with self._lock:
            for number in [n for n, (parent, _) in self._children.items() if parent is process]:
                self._children.pop(number)[1].ended(_LOST)


def _fork(request: dict[str, Any], private: list[int]) -> int:
    """Fork the trial of a request, without the `private` descriptors; returns its pid."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid:
        os.close(done)
        os.read(ready, 1)  # until it leads a group of its own, ending that group would miss it
        os.close(ready)
        return pid
    code = 1
    try:
        os.close(ready)
        _be_a_child(request, done, private)
        from workers.trial import main as run_trial

        code = run_trial(request["arguments"])
    except BaseException:
        # Nothing may get past here, or two processes would be the parent: not even a log on a full disk.
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _be_a_child(request: dict[str, Any], done: int, private: list[int]) -> None:
    os.setsid()
    os.close(done)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in private:
        os.close(descriptor)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(request["environment"], REWARDSMITH_PARENT=str(os.getppid()))
    settings.cache_clear()


def _answer(numbers: dict[int, int], out: BinaryIO) -> None:
    """Report every child that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if (number := numbers.pop(pid, None)) is not None:
            _say(out, number=number, code=os.waitstatus_to_exitcode(status))


def _say(out: BinaryIO, **told: int) -> None:
    out.write(json.dumps(told).encode() + b"\n")
    out.flush()


@contextlib.contextmanager
def _following(parent: int) -> Iterator[None]:
    """Meanwhile end this process, which is too busy to see its stdin closed, once `parent` is gone."""

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK, _LOOK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def main() -> int:
    """Load, then fork on request until stdin is closed."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    wake, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    with _following(parent):
        from rewardsmith.engine.items.train import preload

        for task in sys.argv[1:] or [None]:
            preload(task)
    loaded, numbers, unread = set(sys.argv[1:]), {}, b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if wake in ready:
                os.read(wake, 4096)
            _answer(numbers, out)
            if 0 not in ready:
                continue
            if not (data := os.read(0, 65536)):
                return 0
            *lines, unread = (unread + data).split(b"\n")
            for request in map(json.loads, lines):
                if request["task"] not in loaded:
                    with _following(parent):
                        preload(request["task"])
                    loaded.add(request["task"])
                pid = _fork(request, [wake, waker, out.fileno()])
                numbers[pid] = request["number"]
                _say(out, number=request["number"], pid=pid)


if __name__ == "__main__":
    sys.exit(main())
