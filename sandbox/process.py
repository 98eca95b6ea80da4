"""Starts, watches, questions and ends one host process. Trusted side; believes nothing the host sends.

The host is a fresh interpreter, never a fork of the trainer: whatever the trainer holds in memory or open
files is not there to be found.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from . import lockdown, selftest
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
# Wall-clock seconds per allowed processor second: on a busy machine a host must not die for its neighbours.
PATIENCE = 10.0
_POLL_MS = 50
_F_ADD_SEALS, _SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 1033, 1, 2, 4, 16
_ROOT = str(Path(__file__).resolve().parents[1])
# Named, because the host does not inherit PYTHONPATH.
_NUMPY = str(Path(np.__file__).resolve().parents[1])
# -I would ignore PYTHONHASHSEED. The path entry is gone again before anything else is imported by name.
_START = (
    "import sys; _, root, site = sys.argv; sys.path[:] = [root, *sys.path, site]; "
    "from sandbox import child; del sys.path[0]; child.main({})"
)


class HostProcess:
    """One locked-down interpreter; `input` and `output` are shared memory, `ask` sends and waits."""

    def __init__(
        self,
        config: dict[str, Any],
        blobs: list[bytes],
        input_bytes: int,
        output_bytes: int,
        limits: Limits,
        allow: str,
        without: frozenset[str],
    ) -> None:
        if allow not in selftest.LEVELS or not without <= set(lockdown.LAYERS):
            raise ValueError(f"allow is one of {selftest.LEVELS}; without is a subset of {lockdown.LAYERS}")
        self.limits = limits
        with contextlib.ExitStack() as stack:
            input_fd, self.input = _shared_memory(input_bytes, _SEAL_FUTURE_WRITE, stack)
            output_fd, self.output = _shared_memory(output_bytes, 0, stack)
            self._process, self._lifeline = _spawn(input_fd, output_fd)
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._end = weakref.finalize(self, _end, self._process, self._lifeline)
        config = {
            **config,
            "limits": vars(limits),
            "without": sorted(without),
            "watch_parent": threading.current_thread() is threading.main_thread(),
        }
        try:
            self.level = self._greet(pack_config(config, blobs), allow)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

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
        self.require_alive()
        nonce = secrets.token_bytes(16)
        deadline = _Deadline(self.pid, cpu_seconds)
        try:
            if self._readable(0) and self._process.poll() is None:
                raise HostError("protocol", "the host spoke without being asked")
            self._send(REQUEST.pack(kind, nonce, first, second) + payload, deadline)
            reply = parse_reply(self._receive(deadline), nonce)
        except BaseException:
            self.close()
            raise
        if reply.error is not None:
            self.close()
            raise reply.error
        return reply

    def text(self, reply: Reply) -> str:
        """The text that the host left in shared memory with this reply, made printable."""
        return clean_text(self.output[: min(reply.text_length, TEXT_BYTES)])

    def close(self) -> None:
        """Kills the host and waits for it; safe to call twice. Memory that is still viewed goes later."""
        self._end()
        for memory in (self.input, self.output):
            with contextlib.suppress(BufferError):
                memory.close()

    def _greet(self, config: bytes, allow: str) -> str:
        deadline = _Deadline(self.pid, START_SECONDS)
        try:
            self._send(config, deadline)
            reply = parse_reply(self._receive(deadline), bytes(16))
        except HostError as problem:
            raise SandboxUnavailable(f"the reward host did not start: {problem.message}") from None
        held = set(self.text(reply).split()) & _seen_from_outside(self.pid)
        level = selftest.level_of(held)
        if selftest.LEVELS.index(level) < selftest.LEVELS.index(allow):
            missing = ", ".join(selftest.missing_for(allow, held))
            raise SandboxWeak(
                f"protection level '{level}' is below '{allow}'; not in force: {missing}\n"
                f"use a Linux kernel with seccomp and Landlock, or accept the level with allow='{level}'"
            )
        return level

    def _send(self, message: bytes, deadline: _Deadline) -> None:
        assert self._requests is not None
        poller = select.poll()
        poller.register(self._requests.fileno(), select.POLLOUT)
        remaining = memoryview(message)
        while remaining:
            deadline.check()
            if not poller.poll(_POLL_MS):
                continue
            try:
                remaining = remaining[os.write(self._requests.fileno(), remaining) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._death() from None

    def _receive(self, deadline: _Deadline) -> bytes:
        assert self._replies is not None
        answer = b""
        while len(answer) < REPLY.size:
            if not self._readable(_POLL_MS):
                deadline.check()
                continue
            part = os.read(self._replies.fileno(), REPLY.size - len(answer))
            if not part:
                raise self._death()
            answer += part
        return answer

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
        if status == -signal.SIGXCPU:
            return HostError("timeout", f"the program used up its {self.limits.cpu_seconds} s of processor time")
        if status == -signal.SIGSYS:
            return HostError("died", "the program made a forbidden system call and was killed")
        if status == -signal.SIGKILL:
            return HostError("memory", "the host was killed, most likely because the machine ran out of memory")
        if status == -signal.SIGSEGV:
            return HostError("died", "the program crashed the interpreter, most likely by endless recursion")
        return HostError("died", f"the program ended the host (status {status})")


class _Deadline:
    """A limit in the host's processor time, so that a busy machine does not fail an honest program.

    A host that waits instead of working, or that gets no processor for PATIENCE times its limit, is late as
    well.
    """

    def __init__(self, pid: int, cpu_seconds: float) -> None:
        self.pid, self.limit = pid, cpu_seconds
        self.began, self.cpu_began = time.monotonic(), _cpu_seconds(pid)

    def check(self) -> None:
        """Raises HostError("timeout") when the time is over."""
        wall, cpu = time.monotonic() - self.began, _cpu_seconds(self.pid)
        over = wall > PATIENCE * self.limit or (cpu is not None and cpu - (self.cpu_began or 0.0) > self.limit)
        if over or (wall > self.limit and (cpu is None or _is_waiting(self.pid))):
            raise HostError("timeout", f"the program took longer than {self.limit:.1f} s for one call")


def _cpu_seconds(pid: int) -> float | None:
    """Processor time used by process `pid`; None where the system cannot say."""
    try:
        # clock_getcpuclockid(3): the kernel's clock number of another process.
        return time.clock_gettime((~pid << 3) | 2) if sys.platform.startswith("linux") else None
    except OSError:
        return None


def _is_waiting(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "SZX"
    except OSError:
        return True


def _seen_from_outside(pid: int) -> set[str]:
    """The layers that /proc does not contradict."""
    layers: set[str] = set(lockdown.LAYERS)
    if not sys.platform.startswith("linux"):
        return {"rlimits"}
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {"rlimits"}
    seen = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    contradicted = {
        "seccomp": seen.get("Seccomp") != ["2"],
        "no_new_privs": seen.get("NoNewPrivs") != ["1"],
        "capabilities": any(int(seen[name][0], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")),
        "uid": "0" in seen["Uid"] or "0" in seen["Gid"],
    }
    return layers - {layer for layer, wrong in contradicted.items() if wrong}


def _spawn(input_fd: int, output_fd: int) -> tuple[subprocess.Popen[bytes], int]:
    """The process and our end of its lifeline, a pipe that closes when this process dies, however it dies."""
    watched, lifeline = os.pipe()
    numbers = (input_fd, output_fd, watched)
    command = [
        sys.executable,
        "-s",
        "-P",
        "-B",
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
