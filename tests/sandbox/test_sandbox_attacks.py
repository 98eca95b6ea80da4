"""Programs that ignore every rule of the language layer and do harm: they run at full protection only.

The corpus of harmless attacks, each with the layers that stop it, is in attack_corpus.py.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_task import host, rollout

from sandbox.client import HostError, Limits, replay_module
from sandbox.lockdown import LAYERS

BACK_DOOR = """
for _c in ().__class__.__base__.__subclasses__():
    if _c.__name__ == "_wrap_close":
        sys = _c.__init__.__globals__["sys"]
os = sys.modules["os"]
ctypes = sys.modules["ctypes"]
real = sys.modules["builtins"]
libc = ctypes.CDLL(None, use_errno=True)

def attack():
{body}

def reward(prev, action, state, memory):
    try:
        return 1.0 if attack() else 0.0
    except Exception as problem:
        return 0.0
"""

HOSTILE = {
    "exec": "os.execv('/bin/true', ['true'])",
    "ptrace the parent": "return libc.ptrace(16, os.getppid(), 0, 0) == 0",
    "read the parent's memory": (
        "a = (ctypes.c_long * 4)(); return libc.process_vm_readv(os.getppid(), a, 1, a, 1, 0) > 0"
    ),
    "kill the parent": "return os.kill(os.getppid(), 9) is None",
    "kill everything": "return os.kill(-1, 9) is None",
    "kill the group": "return os.killpg(0, 9) is None",
    "fork bomb": "while True: os.fork()",
    "exit": "os._exit(0)",
    "abort": "os.abort()",
    "crash": "ctypes.string_at(0)",
    "memory bomb": "x = []\n    while True: x.append(real.bytearray(1 << 20))",
    "memory bomb that hides the error": (
        "x = []\n    while True:\n        try: x.append(real.bytearray(1 << 20))\n        except MemoryError: pass"
    ),
    "endless loop that hides errors": "while True:\n        try: pass\n        except BaseException: pass",
    "huge recursion in C": "sys.setrecursionlimit(10**9)\n    def f(): return f()\n    return f()",
    "wait for ever": "os.read(0, 100)",
    "x32 system call": "return libc.syscall(0x40000000 + 2, b'/etc/passwd', 0) >= 0",
    "io_uring": "return libc.syscall(425, 4, 0) >= 0",
    "bpf": "return libc.syscall(321, 0, 0, 0) >= 0",
    "userfaultfd": "return libc.syscall(323, 0) >= 0",
    "keyctl": "return libc.syscall(250, 0, 0) >= 0",
    "unshare": "return libc.unshare(0x10000000) == 0",
    "mount": "return libc.mount(0, b'/', 0, 0, 0) == 0",
    "personality": "return libc.personality(0x0400000) >= 0",
    "setuid": "os.setuid(0); return True",
    "another seccomp filter": "return libc.syscall(317, 1, 0, 0) == 0",
    "landlock": "return libc.syscall(444, 0, 0, 1) >= 0",
    "write to other descriptors": "return any([os.write(fd, b'x') for fd in range(3, 20)])",
    "close the pipes": "os.close(0); os.close(1); return True",
    "map the input again": "m = real.__import__('mmap'); return any(m.mmap(fd, 1) for fd in range(3, 20))",
    "write the input": (
        "g = real.__import__('gc'); m = real.__import__('mmap').mmap\n"
        "    a = [o for o in g.get_objects() if type(o).__name__ == 'Rollout'][0].inputs[0]\n"
        "    ctypes.memset(a.ctypes.data, 255, 8); return True"
    ),
    "forged short reply": "os.write(1, b'x'); return False",
    "forged long reply": "os.write(1, b'x' * 9000); return False",
    "forged reply that is well-formed": (
        "p = sys.modules['sandbox.protocol']\n    os.write(1, p.pack_reply(p.Reply(('reward',)), "
        "b'0' * 16)); return False"
    ),
    "flood the pipe": "while True: os.write(1, b'x' * 4096)",
    "names of its own": (
        "s = sys.modules['sandbox.scoring'].Program\n    s.score = lambda *a: "
        "sys.modules['sandbox.protocol'].Reply(('Evil',))"
    ),
    "names of other functions": (
        "s = sys.modules['sandbox.scoring'].Program\n    s._check_values = lambda self, *a: "
        "self.names.append('other.x')"
    ),
    "values without checks": (
        "s = sys.modules['sandbox.scoring'].Program\n    s._check_values = lambda self, out, *a: out.fill(float('nan'))"
    ),
    "a string that is a float": (
        "class F(float):\n        def __float__(self): return 'x'\n    sys.modules['sandbox.scoring'].number = F"
    ),
}


@pytest.fixture(scope="module")
def exposed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("victims")
    # Open to every uid, so that only the lock protects it.
    for parent in (folder, *folder.parents[:3]):
        os.chmod(parent, 0o777)  # noqa: PTH101
    return folder


def run(body: str, folder: Path, **options: Any) -> float | HostError:
    """The attack's result: 1.0 for success, 0.0 for failure, or the cause with which its host ended."""
    for name in ("victim", "victim2", "victim3"):
        (folder / name).write_text("x")
    source = BACK_DOOR.replace("{body}", "    " + body.replace("{tmp}", str(folder)))
    try:
        limits = Limits(call_seconds=0.25, memory_mb=64)
        with host(source, limits=limits, **options) as running:
            scores = running.score(**rollout(1, 3))
            running.score(**rollout(1, 3))
            return float(scores.values.max())
    except HostError as problem:
        return problem


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", HOSTILE)
def test_an_attack_gets_nothing(name: str, exposed_folder: Path) -> None:
    began = time.monotonic()
    outcome = run(HOSTILE[name], exposed_folder)
    assert isinstance(outcome, HostError) or outcome == 0.0
    assert file_names(exposed_folder) == ["victim", "victim2", "victim3"]
    assert (exposed_folder / "victim3").stat().st_mode & 0o777 != 0o777
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("x32 system call", "died"),
        ("io_uring", "died"),
        ("exit", "died"),
        ("crash", "died"),
        ("wait for ever", "timeout"),
        ("endless loop that hides errors", "timeout"),
        ("memory bomb that hides the error", "timeout"),
        ("forged short reply", "protocol"),
        ("forged long reply", "protocol"),
        ("forged reply that is well-formed", "protocol"),
        ("flood the pipe", "protocol"),
        ("write the input", "died"),
        ("names of its own", "protocol"),
        ("names of other functions", "protocol"),
        ("values without checks", "protocol"),
    ],
)
def test_an_attack_ends_as_the_error_that_fits(name: str, cause: str, exposed_folder: Path) -> None:
    began = time.monotonic()
    outcome = run(HOSTILE[name], exposed_folder)
    assert isinstance(outcome, HostError) and outcome.cause == cause
    # A sleeping host does not get the extra time that a host without a free processor gets.
    assert name != "wait for ever" or time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    "expression",
    [
        "np.polynomial.polyutils.operator.attrgetter('x')",
        "np.load('/etc/passwd')",
        "np.ctypeslib",
        "np.f2py",
        "np.lib",
        "np.memmap('/etc/passwd')",
        "np.fromfile('/etc/passwd')",
        "np.genfromtxt('/etc/passwd')",
        "np.linalg.lapack_lite",
        "np.random.rand()",
        "np.set_printoptions()",
        "np.testing",
    ],
)
def test_numpy_back_doors_are_closed_with_a_readable_error(expression: str, exposed_folder: Path) -> None:
    source = f"import numpy as np\ndef reward(prev, action, state, memory):\n    return {expression}\n"
    with host(source) as running, pytest.raises(HostError) as caught:
        running.score(**rollout())
    assert caught.value.line == 3 and "is not available here" in caught.value.message


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A loopback port, and the data of each connection to it."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    heard: list[bytes] = []
    stop = threading.Event()

    def accept() -> None:
        while not stop.is_set():
            try:
                heard.append(server.accept()[0].recv(1))
            except TimeoutError:
                continue

    thread = threading.Thread(target=accept)
    thread.start()
    yield server.getsockname()[1], heard
    stop.set()
    thread.join()
    server.close()


def test_no_connection_arrives(listener: tuple[int, list[bytes]], exposed_folder: Path) -> None:
    port, heard = listener
    body = f"""import math
    at = real.bytes([2, 0, {port >> 8}, {port & 255}, 127, 0, 0, 1]) + real.bytes(8)
    fd = libc.socket(2, 1, 0)
    return libc.connect(fd, at, 16) == 0 and libc.write(fd, b"x", 1) == 1"""
    assert run(body, exposed_folder) == 0.0 and heard == []
    # Without seccomp the other layers still block the connection; without any layer it arrives.
    assert run(body, exposed_folder, allow="none", without=frozenset({"seccomp"})) == 0.0 and heard == []
    assert run(body, exposed_folder, allow="none", without=frozenset({"seccomp", "namespaces"})) == 0.0 and heard == []
    assert run(body, exposed_folder, allow="none", without=frozenset(LAYERS)) == 1.0 and heard != []


def test_an_exported_module_meets_the_same_lock(exposed_folder: Path) -> None:
    import numpy as np

    source = (
        BACK_DOOR.replace("{body}", "    return os.listdir('/')")
        + "def replay(a):\n    return [float(bool(attack()))]\n"
    )
    with pytest.raises(HostError) as caught:
        replay_module(source, {"x": np.zeros(1)}, (1,))
    assert caught.value.cause == "exception" and "PermissionError" in caught.value.message
