"""Starts, supervises and ends one host process, and exchanges messages with it. Trusted side.

All data from the host are untrusted. The host is a fresh interpreter and never a fork of the trainer, so that it has
nothing of the trainer's memory or open files.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
import secrets
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from . import lockdown, selftest
from .budget import Deadline, innermost, layers_not_contradicted, milliseconds, seconds_used
from .isolation import Isolation
from .protocol import (
    LOAD,
    REPLY,
    REQUEST,
    TEXT_BYTES,
    HostError,
    Limits,
    Reply,
    SandboxUnavailable,
    SandboxWeak,
    clean_text,
    pack_config,
    parse_reply,
)

START_SECONDS = 30.0
# Command words put before the host's command, such as those of bwrap or runsc; see deployment-sandbox.md.
WRAPPER = "REWARDSMITH_SANDBOX_WRAPPER"
# Processor time, and wall-clock time if the host gets no processor, to write its stack before it is killed.
_STACK_SECONDS, _STACK_WALL_SECONDS = 0.005, 0.1
_LAST_LINE = re.compile(rb'File "<program>", line (\d{1,6}) in ')
_F_ADD_SEALS, _SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 1033, 1, 2, 4, 16
_PIPE_BYTES = 65_536  # default capacity of a pipe
_ROOT = str(Path(__file__).resolve().parents[1])
# Passed as an argument, because the host does not inherit PYTHONPATH.
_NUMPY = str(Path(np.__file__).resolve().parents[1])
# -I would ignore PYTHONHASHSEED. The path entry is removed before anything else is imported by name.
_START = (
    "import sys; _, root, site = sys.argv; sys.path[:] = [root, *sys.path, site]; "
    "from sandbox import child; del sys.path[0]; child.main({})"
)


class HostProcess:
    """One locked-down interpreter. `input` and `output` are its shared memory.

    Call `greet` first, which waits until the host has started. `ask` sends a request and waits for its reply; `post`
    and `collect` do these separately.

    Args:
        config: The host's configuration, see child.py.
        blobs: Raw bytes of the tables.
        sizes: Size in bytes of `input` and of `output`.
        limits: The resources that the host may use.
        allow: The weakest sandbox level to accept.
        without: Layers to omit, for tests.

    Raises:
        SandboxUnavailable: The process cannot be started.
        ValueError: `allow` or `without` has an unknown value.
    """

    def __init__(
        self,
        config: dict[str, Any],
        blobs: list[bytes],
        sizes: tuple[int, int],
        limits: Limits,
        allow: Isolation,
        without: frozenset[str],
    ) -> None:
        if allow not in selftest.LEVELS or not without <= set(lockdown.LAYERS):
            names = tuple(str(level) for level in selftest.LEVELS)
            raise ValueError(f"allow is one of {names}; without is a subset of {lockdown.LAYERS}")
        self.limits = limits
        with contextlib.ExitStack() as stack:
            input_fd, self.input = _shared_memory(sizes[0], _SEAL_FUTURE_WRITE, stack)
            output_fd, self.output = _shared_memory(sizes[1], 0, stack)
            self._process, self._lifeline = _spawn(input_fd, output_fd)
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._end = weakref.finalize(self, _end, self._process, self._lifeline)
        self.pid = self._process.pid
        self.held: frozenset[str] = frozenset()
        self.refusals: dict[str, str] = {}
        self._asked: tuple[bytes, Deadline] | None = None
        self._waited, self._used_at_reply = 0.0, None
        config = {
            **config,
            "limits": vars(limits),
            "without": sorted(without),
            "watch_parent": threading.current_thread() is threading.main_thread(),
        }
        self.level, self._allow = "", Isolation(allow)
        self._starting = Deadline(self.pid, START_SECONDS, Limits())
        message = pack_config(config, blobs)
        _make_room(self._process.stdin, len(message))
        with self._starts():
            self._send(message, self._starting)

    def require_alive(self) -> None:
        """Raise HostError("died") if the host has been closed."""
        if not self._end.alive:
            raise HostError("died", "the reward host is closed")

    def load(self, source: str) -> Reply:
        """Send the program to the host, which runs its top level. Raises HostError if the program fails."""
        raw = source.encode("utf-8", "replace")
        return self.ask(LOAD, len(raw), 0, self.limits.load_seconds, raw)

    def ask(self, kind: int, first: int, second: int, cpu_seconds: float, payload: bytes = b"") -> Reply:
        """Send one request and return its reply. An error ends the host and raises HostError."""
        self.post(kind, first, second, cpu_seconds, payload)
        return self.collect()

    def post(self, kind: int, first: int, second: int, cpu_seconds: float, payload: bytes = b"") -> None:
        """Send a request; `collect` returns its reply. An error ends the host and raises HostError.

        Args:
            kind: LOAD or SCORE.
            first: First number of the request; its meaning depends on the mode.
            second: Second number of the request.
            cpu_seconds: Processor time that the request may take.
            payload: Bytes after the request.
        """
        self.require_alive()
        nonce = secrets.token_bytes(16)
        try:
            self._require_rest()
            deadline = Deadline(self.pid, cpu_seconds, self.limits, self._waited)
            self._send(REQUEST.pack(kind, nonce, first, second) + payload, deadline)
        except BaseException:
            self.close()
            raise
        self._asked = (nonce, deadline)

    def collect(self) -> Reply:
        """Wait for the reply to the last request and return it. An error ends the host and raises HostError."""
        self.require_alive()
        assert self._asked is not None
        (nonce, deadline), self._asked = self._asked, None
        try:
            reply = parse_reply(self._receive(deadline), nonce)
        except BaseException:
            self.close()
            raise
        self._waited, self._used_at_reply = deadline.wait_so_far(), seconds_used(self.pid)
        if reply.error is not None:
            self.close()
            raise reply.error
        return reply

    def tend(self) -> bool:
        """Return whether the host is free for a request; never waits.

        If the current request is over its deadline, the host is ended and HostError is raised.
        """
        if self._asked is None or self._readable(0):
            return True
        try:
            self._check(self._asked[1], replying=True)
        except BaseException:
            self.close()
            raise
        return False

    def _require_rest(self) -> None:
        """Raise HostError if the host did more than wait for a request since its last reply."""
        if self._readable(0) and self._process.poll() is None:
            raise HostError("protocol", "the host sent data without a request")
        used = seconds_used(self.pid)
        if used is not None and self._used_at_reply is not None:
            idle = used - self._used_at_reply
            if idle > self.limits.idle_seconds:
                raise HostError("timeout", f"the program used {idle:.2f} s of processor time between two calls")

    def text(self, reply: Reply) -> str:
        """Return the text that the host wrote to shared memory with this reply, made printable."""
        return clean_text(self.output[: min(reply.text_length, TEXT_BYTES)])

    def close(self) -> None:
        """Kill the host and wait for its end; safe to call twice. Memory with live views is released later."""
        self._end()
        for memory in (self.input, self.output):
            with contextlib.suppress(BufferError):
                memory.close()

    def speaks(self) -> bool:
        """Return whether the host has sent data or closed its pipe."""
        return self._readable(0)

    def greet(self) -> None:
        """Wait until the host has locked itself down, and set `level`, `held` and `refusals`.

        Raises SandboxUnavailable if it did not start, and SandboxWeak if its level is too low; the host is then closed.
        """
        with self._starts():
            reply = parse_reply(self._receive(self._starting), bytes(16))
            self.level = str(self._observed(reply))

    @contextlib.contextmanager
    def _starts(self) -> Iterator[None]:
        try:
            yield
        except BaseException as problem:
            self.close()
            if isinstance(problem, HostError):
                raise SandboxUnavailable(f"the reward host did not start: {problem.message}") from None
            raise

    def _observed(self, reply: Reply) -> Isolation:
        """Return the sandbox level. Raises SandboxWeak if it is too low."""
        self.pid = innermost(self.pid)
        observed, *refusals = self.text(reply).split("\n")
        self.held = frozenset(set(observed.split()) & layers_not_contradicted(self.pid))
        self.refusals = dict(line.split("\t", 1) for line in refusals if "\t" in line)
        level = selftest.level_of(self.held)
        if level.is_below(self._allow):
            missing = ", ".join(selftest.missing_for(self._allow, self.held))
            raise SandboxWeak(
                f"sandbox level '{level}' is below '{self._allow}'; not in force: {missing}\n"
                f"use a Linux kernel with seccomp and Landlock, or accept the level with allow='{level}'"
            )
        return level

    def _send(self, message: bytes, deadline: Deadline) -> None:
        assert self._requests is not None
        poller = select.poll()
        poller.register(self._requests.fileno(), select.POLLOUT)
        remaining = memoryview(message)
        while remaining:
            if not poller.poll(self._check(deadline)):
                continue
            try:
                remaining = remaining[os.write(self._requests.fileno(), remaining) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._death() from None
        deadline.sent()

    def _receive(self, deadline: Deadline) -> bytes:
        assert self._replies is not None
        answer = b""
        deadline.wait_began()
        while len(answer) < REPLY.size:
            if not self._readable(0) and not self._readable(self._check(deadline, replying=True)):
                continue
            part = os.read(self._replies.fileno(), REPLY.size - len(answer))
            if not part:
                raise self._death()
            answer += part
        return answer

    def _check(self, deadline: Deadline, *, replying: bool = False) -> int:
        """Return the milliseconds until the next check. Raises HostError("timeout") with the program's current line.

        replying: Whether a reply ends the request, even if this process had no processor to read it in time.
        """
        try:
            return milliseconds(deadline.check())
        except HostError as problem:
            if replying and self._readable(0):
                return 0
            problem.line = self._last_line()
            raise

    def _last_line(self) -> int | None:
        """Request the host's stack, which it writes to the reply pipe. A hostile program can only fake the number."""
        assert self._replies is not None
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGUSR1)
        stack, end, used = b"", time.monotonic() + _STACK_WALL_SECONDS, seconds_used(self.pid) or 0.0
        while time.monotonic() < end and (seconds_used(self.pid) or 0.0) < used + _STACK_SECONDS:
            if not self._readable(1):
                continue
            part = os.read(self._replies.fileno(), TEXT_BYTES)
            stack += part
            if not part or len(stack) > TEXT_BYTES or _LAST_LINE.search(stack):
                break
        found = _LAST_LINE.search(stack)
        return int(found[1]) if found else None

    def _readable(self, timeout_ms: int) -> bool:
        assert self._replies is not None
        poller = select.poll()
        poller.register(self._replies.fileno(), select.POLLIN)
        return bool(poller.poll(timeout_ms))

    def _death(self) -> HostError:
        """The error that the host's exit status indicates."""
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return HostError("died", "the program closed the reply pipe")
        # A wrapper reports its child's signal as a shell does.
        status = 128 - status if status > 128 else status
        if status == -signal.SIGXCPU:
            return HostError("timeout", f"the program used up its {self.limits.cpu_seconds} s of processor time")
        if status == -signal.SIGSYS:
            return HostError("died", "the program made a forbidden system call and was killed")
        if status == -signal.SIGKILL:
            return HostError("memory", "the host was killed, most likely because the machine ran out of memory")
        if status == -signal.SIGSEGV:
            return HostError("died", "the program crashed the interpreter, most likely by infinite recursion")
        return HostError("died", f"the program ended the host (status {status})")


def _spawn(input_fd: int, output_fd: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process; return it and our end of its lifeline, a pipe that closes however this process dies."""
    watched, lifeline = os.pipe()
    numbers = (input_fd, output_fd, watched)
    command = [
        *shlex.split(os.environ.get(WRAPPER, "")),
        sys.executable,
        # No -B: only hosts import these modules, which would be compiled again at each start. The compiled files are
        # written before the lock, by trusted code.
        "-S",
        "-P",
        "-c",
        _START.format(", ".join(map(str, numbers))),
        _ROOT,
        _NUMPY,
    ]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=numbers,
            env={"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"},
            cwd="/",
            start_new_session=True,
        )
    except OSError as problem:
        os.close(lifeline)
        raise SandboxUnavailable(f"the reward host cannot be started: {problem}") from None
    finally:
        os.close(watched)
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process, lifeline


def _make_room(pipe: IO[bytes] | None, size: int) -> None:
    """Enlarge a pipe to `size` bytes, so that the writer need not wait for a reader that is still starting."""
    if pipe is not None and size > _PIPE_BYTES and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # more than an unprivileged user is allowed: the data are written in parts
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, size)


def _shared_memory(size: int, more_seals: int, stack: contextlib.ExitStack) -> tuple[int, mmap.mmap]:
    """Allocate anonymous memory that no process can resize; return its descriptor and our writable view.

    The descriptor closes with `stack`. With _SEAL_FUTURE_WRITE, views that are made after ours are read-only.
    """
    if not hasattr(os, "memfd_create"):
        file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        file.truncate(size)
        return file.fileno(), mmap.mmap(file.fileno(), size)
    descriptor = os.memfd_create("rewardsmith", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    stack.callback(os.close, descriptor)
    os.ftruncate(descriptor, size)
    view = mmap.mmap(descriptor, size)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEAL_SHRINK | _SEAL_GROW | _SEAL_SEAL | more_seals)
    return descriptor, view


def _end(process: subprocess.Popen[bytes], lifeline: int) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    process.wait()
    os.close(lifeline)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
