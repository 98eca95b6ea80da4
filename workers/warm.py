"""The warm parent: a process that has loaded all libraries and forks trials, so that a trial starts in milliseconds.

A new interpreter takes seconds to import torch, Stable-Baselines3 and the compiled engine, and to read the layouts of a
task. `python -P -m workers.warm [TASK...]` does this once, single-threaded, and forks a child for each request, on any
task. The child runs `workers.trial`. Requests and answers are lines of JSON on stdin and stdout.
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
_PATIENCE = 0.5  # seconds in which the warm parent can end by itself
_LOOK = 0.3


class Forked:
    """The process of a forked trial, with the methods of subprocess.Popen that a supervisor uses."""

    def __init__(self) -> None:
        self.pid = 0
        self.returncode: int | None = None
        self._started: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._news = threading.Condition()
        self._woken = False

    def begun(self, pid: int) -> None:
        """Record the process id after the fork."""
        self._started.put(pid)

    def ended(self, code: int) -> None:
        """Record that the process has ended, or that its parent is gone and its end is unknown."""
        with self._news:
            if self.returncode is None:
                self.returncode = code
                self._started.put(0)
                self._news.notify_all()

    def wake(self) -> None:
        """Let the present or next call of `wait` return before its timeout."""
        with self._news:
            self._woken = True
            self._news.notify_all()

    def await_start(self) -> None:
        """Wait until the process exists; pid remains 0 if it could not be started."""
        self.pid = self._started.get()

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        with self._news:
            self._news.wait_for(lambda: self.returncode is not None or (self._woken and timeout is not None), timeout)
            self._woken = False
            if self.returncode is None:
                raise subprocess.TimeoutExpired("trial", timeout or 0.0)
            return self.returncode


class WarmParent:
    """The client of the warm parent: starts it, requests children from it, and restarts it if it dies.

    Args:
        environment: Environment of the warm parent. Each request has its own environment for the child.
        tasks: Tasks to load before the first request.
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
        """Fork a trial and wait until its process exists.

        Args:
            task: task_files.task_key of its task.
            arguments: Arguments of workers.trial.
            environment: Environment of the child.
            log: File for its output.
        """
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
        """Wake the supervisors of all running children."""
        for _, child in list(self._children.values()):
            child.wake()

    def close(self) -> None:
        """End the warm parent and release the callers of `launch`. The supervisors end its children."""
        self._closed = True
        # Without the lock: a call of `launch` may hold it until the warm parent has ended.
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
        # The children of this process end by themselves when it is gone. Those of its successor are not affected.
        with self._lock:
            for number in [n for n, (parent, _) in self._children.items() if parent is process]:
                self._children.pop(number)[1].ended(_LOST)


def _fork(request: dict[str, Any], private: list[int]) -> int:
    """Fork the trial of a request, close the descriptors `private` in it, and return its pid."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid:
        os.close(done)
        os.read(ready, 1)  # wait until the child leads its own process group, which a supervisor may end
        os.close(ready)
        return pid
    code = 1
    try:
        os.close(ready)
        _be_a_child(request, done, private)
        from workers.trial import main as run_trial

        code = run_trial(request["arguments"])
    except BaseException:
        # No exception may leave this function, or the child would continue as a second parent.
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
    """Within the block, end this process when `parent` is gone; it is too busy to notice that its stdin is closed."""

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
    """Load the libraries and tasks, then fork trials on request until stdin is closed."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
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
