"""The sandbox level is observed, a disabled layer lowers it, and hosts leave nothing behind."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sandbox_task import host, rollout

from sandbox import lockdown, selftest
from sandbox.client import HostError, Limits, SandboxWeak

REWARD = "def reward(prev, action, state, memory):\n    return 1.0\n"
LOOP = "def reward(prev, action, state, memory):\n    while True: pass\n"
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="levels above process need Linux")


@linux
@pytest.mark.parametrize(
    ("layer", "level"),
    [
        ("rlimits", "none"),
        ("seccomp", "process"),
        ("no_new_privs", "process"),
        ("landlock", "seccomp"),
        ("namespaces", "kernel"),
    ],
)
def test_a_layer_that_is_off_lowers_the_observed_level(layer: str, level: str) -> None:
    with host(REWARD, allow="none", without=frozenset({layer})) as running:
        assert running.level == level
        assert running.score(**rollout()).values[0, 0, 0] == 1.0


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a uid to drop")
def test_keeping_uid_0_and_capabilities_lowers_the_level() -> None:
    for layers in ({"uid"}, {"capabilities"}):
        with host(REWARD, allow="none", without=frozenset(layers)) as running:
            assert running.level == "seccomp"


@linux
def test_a_too_weak_level_is_refused_and_leaves_no_process() -> None:
    with pytest.raises(SandboxWeak) as caught:
        host(REWARD, without=frozenset({"landlock"}))
    cause, remedy = str(caught.value).split("\n")
    assert "'seccomp' is below 'kernel'" in cause and "landlock" in cause
    assert "allow='seccomp'" in remedy
    assert children() == []


@linux
def test_the_kernel_agrees_with_the_host() -> None:
    with host(REWARD) as running:
        status = Path(f"/proc/{running.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert running.level in ("kernel", "kernel+ns")
        assert (fields["Seccomp"], fields["NoNewPrivs"], int(fields["CapEff"], 16)) == ("2", "1", 0)
        assert "0" not in fields["Uid"].split()
        assert fields["Threads"] == "1"


@linux
def test_two_hosts_have_two_uids_where_root_gives_them() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives uids")
    with host(REWARD) as one, host(REWARD) as other:
        # The kernel gives the inside of /proc/PID to root when the process is not dumpable.
        owners = {Path(f"/proc/{pid}/environ").stat().st_uid for pid in (one.pid, other.pid)}
        lines = [Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0] for pid in (one.pid, other.pid)]
    assert len(set(lines)) == 2 and owners == {0}


def test_levels_form_a_ladder() -> None:
    everything: set[str] = set(lockdown.LAYERS)
    assert selftest.level_of(everything) == "kernel+ns"
    assert selftest.level_of(everything - {"seccomp"}) == "process"
    assert selftest.level_of(everything - {"rlimits"}) == "none"
    assert selftest.missing_for("kernel", everything - {"uid", "namespaces"}) == ["uid"]


@pytest.mark.parametrize("arch", lockdown.REFUSED)
def test_the_system_call_tables_are_consistent(arch: int) -> None:
    tables = (lockdown._ALLOWED[arch], lockdown.CHECKED[arch], lockdown.REFUSED[arch])
    numbers = [number for table in tables for number in table.values()]
    assert len(numbers) == len(set(numbers))
    assert set(selftest.FORBIDDEN) <= set(lockdown.REFUSED[arch])
    assert len(lockdown.seccomp_program(arch)) % 8 == 0


EARLIER: set[str] = set()
"""Hosts of tests that ran before in this process and whose objects the interpreter has not collected yet."""


@pytest.fixture(autouse=True)
def _forget_earlier_hosts() -> None:
    EARLIER.clear()
    EARLIER.update(children())


def children() -> list[str]:
    """Hosts that this test has started; other tests leave other helpers among this process's children."""
    found = []
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(OSError):  # it has ended since
            if pid not in EARLIER and b"sandbox" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@linux
def test_fifty_hosts_leave_no_descriptor_process_or_memory() -> None:
    def count() -> tuple[int, int]:
        gc.collect()  # also ends hosts of other tests
        maps = Path("/proc/self/maps").read_text().count("memfd:rewardsmith")
        return len(list(Path("/proc/self/fd").iterdir())), maps

    with host(REWARD) as running:
        running.score(**rollout())
        assert children() == [str(running.pid)]
    before = count()
    for index in range(50):
        running = host(LOOP.replace("while True: pass", "return 'x'") if index % 3 else REWARD)
        with contextlib.suppress(HostError):
            running.score(**rollout())
        if index % 2:
            running.close()
    del running
    assert children() == []
    assert count() == before


PARENT = """
import sys, threading
sys.path[:0] = {paths!r}
from sandbox_task import host, rollout
made = []
def make(): made.append(host({source!r}))
if {thread}:
    t = threading.Thread(target=make); t.start(); t.join()
else:
    make()
print(made[0].pid, flush=True)
made[0].score(**rollout()) if {busy} else sys.stdin.read()
"""


@linux
@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize("busy", [False, True])
def test_when_the_trainer_is_killed_the_host_dies_with_it(thread: bool, busy: bool) -> None:
    paths = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
    script = PARENT.format(paths=paths, source=LOOP, thread=thread, busy=busy)
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None and parent.stdin is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.2)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 2
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@linux
def test_a_killed_host_is_a_host_error() -> None:
    running = host(REWARD)
    os.kill(running.pid, signal.SIGKILL)
    time.sleep(0.1)
    with pytest.raises(HostError):
        running.score(**rollout())
    assert children() == []


@linux
def test_host_inherits_no_descriptors_of_its_trainer() -> None:
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(150)]
    try:
        with host(REWARD) as running:
            held = sorted(int(path.name) for path in Path(f"/proc/{running.pid}/fd").iterdir())
    finally:
        for descriptor in opened:
            os.close(descriptor)
    assert held[:3] == [0, 1, 2] and len(held) == 4 and held[3] > 64


@linux
def test_advice_on_memory_is_limited_to_what_the_interpreter_gives() -> None:
    source = (
        "import numpy as np\nBIG = np.ones(1 << 20)\n"  # 8 MB, for which numpy requests huge pages
        "def reward(prev, action, state, memory):\n    return float(np.ones(1 << 20).mean())\n"
    )
    with host(source, limits=Limits(call_seconds=20.0)) as running:
        assert running.score(**rollout()).values[0, 0, 0] == 1.0
