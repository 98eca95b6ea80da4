"""Runs attacks against chosen layers, in an environment that shows every change."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from attack_types import KERNEL, SOFTWARE, Attack, program
from pytest import MonkeyPatch
from sandbox_task import host, rollout

from sandbox import lockdown, process, protocol, reward_host
from sandbox.client import HostError, Limits, RewardHost

EVERYTHING = frozenset((*KERNEL, *SOFTWARE))
_FACADE_OFF = "import builtins; from sandbox import facade; facade.reward_builtins = lambda _: dict(vars(builtins)); "
_DESCRIPTORS_OFF = "child._close = lambda _: None; "
_SECRET = ctypes.create_string_buffer(b"secret!!")
_IPC_CREATE, _IPC_REMOVE = 0o1000, 0


class Ground:
    """The targets of the attacks: files, ports, an abstract socket, shared memory, another trial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Open to every uid, so that only the lock protects it.
        for parent in (folder.parent, *folder.parent.parents[:3]):
            os.chmod(parent, 0o777)  # noqa: PTH101
        self.other: RewardHost = host("def reward(prev, action, state, memory):\n    return 0.0\n", allow="none")
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.name = f"rewardsmith-attack-{os.getpid()}"
        self.unix.bind("\0" + self.name)
        self.unix.listen(64)
        for sock in (self.tcp, self.udp, self.unix):
            sock.setblocking(False)
        self._libc = ctypes.CDLL(None)
        self._keys = (0x52570000 + os.getpid(), 0x52580000 + os.getpid())
        modes = (0o600, 0o666)
        self._shared = [
            self._libc.shmget(key, 4096, _IPC_CREATE | mode) for key, mode in zip(self._keys, modes, strict=True)
        ]

    def fill(self) -> dict[str, str]:
        """Replacements for the placeholders in the attacks' bodies."""
        free = socket.socket()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        return {
            "tmp": str(self.folder),
            "pid": str(os.getpid()),
            "other": str(self.other.pid),
            "port": str(self.tcp.getsockname()[1]),
            "udp": str(self.udp.getsockname()[1]),
            "free": str(port),
            "unix": self.name,
            "shm": str(self._keys[0]),
            "shmopen": str(self._keys[1]),
            "address": str(ctypes.addressof(_SECRET)),
        }

    def prepare(self) -> None:
        """Restore the folder and forget earlier connections."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        (self.folder / "empty").mkdir()
        for name in ("victim", "doomed", "old", "private"):
            (self.folder / name).write_text("x")
        np.save(self.folder / "array.npy", np.ones(2))
        (self.folder / "private").chmod(0o600)
        for open_to_all in (self.folder, self.folder / "empty", self.folder / "doomed", self.folder / "old"):
            open_to_all.chmod(0o777)
        for name in ("victim", "array.npy"):
            (self.folder / name).chmod(0o666)
        for leftover in (f"/dev/shm/{self.name}", f"/dev/shm/sem.{self.name}", f"/dev/shm/{self.folder.name}"):
            Path(leftover).unlink(missing_ok=True)
        self.heard()

    def seen(self) -> list[tuple[str, int, int, bytes]]:
        """Every file's name, mode, owner and content."""
        paths = sorted(self.folder.iterdir())
        return [(p.name, p.lstat().st_mode, p.lstat().st_uid, p.read_bytes() if p.is_file() else b"") for p in paths]

    def heard(self) -> int:
        """Number of connections and datagrams since the last call."""
        count = 0
        for receive in (self.tcp.accept, self.unix.accept, lambda: self.udp.recv(99)):
            with contextlib.suppress(BlockingIOError):
                while True:
                    found = receive()
                    count += 1
                    if isinstance(found, tuple):
                        found[0].close()
        return count

    def close(self) -> None:
        self.other.close()
        for sock in (self.tcp, self.udp, self.unix):
            sock.close()
        for number in self._shared:
            self._libc.shmctl(number, _IPC_REMOVE, 0)


def run(batch: list[Attack], on: Collection[str], ground: Ground) -> list[bool | str]:
    """Run one attack per transition in one host, with only the layers in `on`; returns success or the host's end."""
    ground.prepare()
    without = frozenset(layer for layer in lockdown.LAYERS if layer not in on)
    if {"seccomp", "landlock"} & set(on):
        without -= {"no_new_privs"}
    short = batch[0].layers == ("rlimits",)
    limits = Limits(
        call_seconds=0.25 if "deadline" in on else 20.0,
        memory_mb=64,
        cpu_seconds=1 if short and "rlimits" in on else 600,
    )
    steps = len(batch)
    with switched_off(EVERYTHING - set(on)):
        try:
            with host(
                program(batch, ground.fill()), envs=1, capacity=steps, limits=limits, allow="none", without=without
            ) as running:
                scores = [running.score(**rollout(steps, 1)) for _ in range(1 if batch[0].wins == "true" else 4)]
        except HostError as problem:
            if batch[0].wins == "escape":
                return [True if not str(problem).isprintable() else str(problem)]
            return [str(problem)] * steps
    if batch[0].wins == "accepted":
        return [True]
    if batch[0].wins == "escape":
        return [False]
    return [bool(value) for value in scores[0].values[:, 0, 0]]


def each(attacks: list[Attack], on: Collection[str], ground: Ground) -> dict[str, bool | str]:
    """Outcomes of many attacks; those that can share a host are run in one."""
    found: dict[str, bool | str] = {}
    for door in (True, False):
        batch = [a for a in attacks if a.door == door and not _needs_its_own(a, on)]
        if batch:
            found |= dict(zip([a.name for a in batch], run(batch, on, ground), strict=True))
    for attack in attacks:
        if _needs_its_own(attack, on):
            found[attack.name] = run([attack], on, ground)[0]
    return found


def _needs_its_own(attack: Attack, on: Collection[str]) -> bool:
    return attack.alone or (attack.kills and "seccomp" in on)


@contextlib.contextmanager
def switched_off(layers: Collection[str]) -> Iterator[None]:
    """Patches that disable software layers; kernel layers have their own switch."""
    with MonkeyPatch.context() as patch:
        extra = (_FACADE_OFF if "facade" in layers else "") + (_DESCRIPTORS_OFF if "descriptors" in layers else "")
        patch.setattr(process, "_START", process._START.replace("del sys.path[0];", f"{extra}del sys.path[0];"))
        if "seals" in layers:
            for name in ("_SEAL_SEAL", "_SEAL_SHRINK", "_SEAL_GROW", "_SEAL_FUTURE_WRITE"):
                patch.setattr(process, name, 0)
        if "validation" in layers:
            _believe(patch.setattr)
        yield


def _believe(replace: Callable[[Any, str, Any], None]) -> None:
    """Make the client accept every answer of the host."""

    def parse(raw: bytes, _: bytes) -> protocol.Reply:
        _, failed, _, _, _, _, _, count, text, _, message, names = protocol.REPLY.unpack(raw)
        if failed == 1:
            return protocol.Reply(error=HostError("value", message.rstrip(b"\0").decode("utf-8", "replace")))
        cells = [names[i * 66 : i * 66 + 66].rstrip(b"\0").decode("latin-1") for i in range(min(count, 16))]
        return protocol.Reply(tuple(cells), min(text, 9))

    def accept_names(self: RewardHost, reply: protocol.Reply) -> None:
        self.names = reply.names

    def accept_values(self: RewardHost, results: np.ndarray, _: np.ndarray) -> Any:
        return np.moveaxis(results[: len(self.names)], 0, -1), results[-1], results[-2]

    readable = process.HostProcess._readable
    replace(process, "parse_reply", parse)
    replace(process, "clean_text", lambda raw: raw.decode("utf-8", "replace"))
    replace(reward_host, "_widened", lambda values, _: values[..., :1])
    replace(process.HostProcess, "_readable", lambda self, ms: ms > 0 and readable(self, ms))
    replace(RewardHost, "_accept_names", accept_names)
    replace(RewardHost, "_accept_values", accept_values)
