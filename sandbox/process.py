"""Starts, watches, questions and ends one host process. Trusted side; believes nothing the host sends.

The host is a fresh interpreter, never a fork of the trainer: whatever the trainer holds in memory or open
files is not there to be found.
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
# Words put before the host's command, such as those of bwrap or runsc; deployment-sandbox.md says which.
WRAPPER = "REWARDSMITH_SANDBOX_WRAPPER"
# Processor time, and wall-clock time where the host gets no processor, to write its stack before it is killed.
_STACK_SECONDS, _STACK_WALL_SECONDS = 0.005, 0.1
_LAST_LINE = re.compile(rb'File "<program>", line (\d{1,6}) in ')
_F_ADD_SEALS, _SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 1033, 1, 2, 4, 16
_PIPE_BYTES = 65_536  # what a pipe holds unless asked for more
_ROOT = str(Path(__file__).resolve().parents[1])
# Named, because the host does not inherit PYTHONPATH.
_NUMPY = str(Path(np.__file__).resolve().parents[1])
# -I would ignore PYTHONHASHSEED. The path entry is gone again before anything else is imported by name.
_START = (
    "import sys; _, root, site = sys.argv; sys.path[:] = [root, *sys.path, site]; "
    "from sandbox import child; del sys.path[0]; child.main({})"
)


class HostProcess:
    """One locked-down interpreter. `input` and `output` are shared memory, `sizes` their bytes.

    `ask` sends a request and waits for its reply, `post` and `collect` do the two apart. Nothing may be asked before
    `greet`, which waits until it has started.
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
        """Raises HostError("died") once the host has been closed."""
        if not self._end.alive:
            raise HostError("died", "the reward host is closed")

    def load(self, source: str) -> Reply:
        """Hands the program over; raises HostError."""
        raw = source.encode("utf-8", "replace")
        return self.ask(LOAD, len(raw), 0, self.limits.load_seconds, raw)

    def ask(self, kind: int, first: int, second: int, cpu_seconds: float, payload: bytes = b"") -> Reply:
        """One request, one reply. Raises HostError and ends the host: a wrong program stays wrong."""
        self.post(kind, first, second, cpu_seconds, payload)
        return self.collect()

    def post(self, kind: int, first: int, second: int, cpu_seconds: float, payload: bytes = b"") -> None:
        """Sends a request whose reply `collect` takes. Raises HostError and ends the host."""
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
        """The reply to the last request. Raises HostError and ends the host."""
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
        """Whether a request would find the host free; never waits.

        Raises HostError and ends the host when the request in hand is over its deadline.
        """
        if self._asked is None or self._readable(0):
            return True
        try:
            self._check(self._asked[1])
        except BaseException:
            self.close()
            raise
        return False

    def _require_rest(self) -> None:
        """Between a reply and the next request a host reads its pipe and does nothing else."""
        if self._readable(0) and self._process.poll() is None:
            raise HostError("protocol", "the host spoke without being asked")
        used = seconds_used(self.pid)
        if used is not None and self._used_at_reply is not None:
            idle = used - self._used_at_reply
            if idle > self.limits.idle_seconds:
                raise HostError("timeout", f"the program used {idle:.2f} s of processor time between two calls")

    def text(self, reply: Reply) -> str:
        """The text that the host left in shared memory with this reply, made printable."""
        return clean_text(self.output[: min(reply.text_length, TEXT_BYTES)])

    def close(self) -> None:
        """Kills the host and waits for it; safe to call twice. Memory that is still viewed goes later."""
        self._end()
        for memory in (self.input, self.output):
            with contextlib.suppress(BufferError):
                memory.close()

    def speaks(self) -> bool:
        """Whether something can be read from it now, an end of its pipe included."""
        return self._readable(0)

    def greet(self) -> None:
        """Wait until it has locked itself in, and set `level`. Raises SandboxUnavailable, SandboxWeak; the host is
        closed then."""
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
        """The protection level; raises SandboxWeak if it is too low."""
        self.pid = innermost(self.pid)
        observed, *refusals = self.text(reply).split("\n")
        self.held = frozenset(set(observed.split()) & layers_not_contradicted(self.pid))
        self.refusals = dict(line.split("\t", 1) for line in refusals if "\t" in line)
        level = selftest.level_of(self.held)
        if level.is_below(self._allow):
            missing = ", ".join(selftest.missing_for(self._allow, self.held))
            raise SandboxWeak(
                f"protection level '{level}' is below '{self._allow}'; not in force: {missing}\n"
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

    def _receive(self, deadline: Deadline) -> bytes:
        assert self._replies is not None
        answer = b""
        deadline.wait_began()
        while len(answer) < REPLY.size:
            if not self._readable(0) and not self._readable(self._check(deadline)):
                continue
            part = os.read(self._replies.fileno(), REPLY.size - len(answer))
            if not part:
                raise self._death()
            answer += part
        return answer

    def _check(self, deadline: Deadline) -> int:
        """Milliseconds until the next check; raises HostError("timeout") with the line the program was at."""
        try:
            return milliseconds(deadline.check())
        except HostError as problem:
            problem.line = self._last_line()
            raise

    def _last_line(self) -> int | None:
        """Asks the host for its stack, which it writes on the reply pipe. It may lie: then a line is wrong."""
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
        """What the way it ended says about the program."""
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
            return HostError("died", "the program crashed the interpreter, most likely by endless recursion")
        return HostError("died", f"the program ended the host (status {status})")


def _spawn(input_fd: int, output_fd: int) -> tuple[subprocess.Popen[bytes], int]:
    """The process and our end of its lifeline, a pipe that closes when this process dies, however it dies."""
    watched, lifeline = os.pipe()
    numbers = (input_fd, output_fd, watched)
    command = [
        *shlex.split(os.environ.get(WRAPPER, "")),
        sys.executable,
        # No -B: the host's modules, which nobody else imports, would be compiled anew at each start. They are written
        # before the lock, by the code that is about to run anyway.
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
    """Let a pipe hold `size` bytes, so that whoever writes them need not wait for a reader that still starts."""
    if pipe is not None and size > _PIPE_BYTES and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # more than an unprivileged user may have: it is written in parts
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, size)


def _shared_memory(size: int, more_seals: int, stack: contextlib.ExitStack) -> tuple[int, mmap.mmap]:
    """Anonymous memory that nobody can resize, and our writable view of it; the descriptor closes with the
    stack.

    With _SEAL_FUTURE_WRITE, nobody can write it through a view made after ours.
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
