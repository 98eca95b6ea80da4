"""Every budget ends a host and reports the budget and the measured value, with and without a wrapper."""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from attack_types import DOOR
from sandbox_task import host, rollout

from sandbox import process
from sandbox.client import HostError, Limits, SandboxUnavailable, observe_level

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="budgets are kept with Linux clocks")
HEAD = "def reward(prev, action, state, memory):\n"
BUSY = HEAD + "    return float(sum(range(100_000)) > 0)\n"


def ended_by(source: str, limits: Limits, calls: int = 1, pause: float = 0.0) -> HostError:
    with pytest.raises(HostError) as caught, host(source, limits=limits) as running:
        for _ in range(calls):
            running.score(**rollout())
            time.sleep(pause)
    return caught.value


def test_a_host_dies_within_ten_milliseconds_of_its_deadline() -> None:
    # The limit is in processor time. Best of three: on a busy machine the trainer itself may be late.
    overrun = []
    for _ in range(3):
        problem = ended_by(HEAD + "    n = 0\n    while True:\n        n += 1\n", Limits(call_seconds=0.2))
        assert problem.cause == "timeout" and problem.line in (4, 3)
        used = re.search(r"\(([0-9.]+) s of processor time in ([0-9.]+) s\)", problem.message)
        assert used is not None
        # 18 transitions add 1.8 ms to the limit.
        overrun.append(float(used[1]) - 0.2018)
    assert 0.0 <= min(overrun) < 0.010


def test_the_stack_of_a_late_host_costs_a_few_milliseconds_at_most() -> None:
    with host(HEAD + "    while True: pass\n") as running:
        running.submit(**rollout())
        time.sleep(0.05)
        before = process.seconds_used(running.pid) or 0.0
        assert running._process._last_line() == 2
        used = process.seconds_used(running.pid)
        assert used is None or used - before < 0.010


def test_a_sleeping_host_exceeds_its_wall_clock_deadline() -> None:
    source = DOOR + HEAD + "    os.read(0, 1)\n    return 1.0\n"
    problem = ended_by(source, Limits(call_seconds=0.2))
    assert problem.cause == "timeout"
    # A host that waits for a processor gets ten times the limit.
    assert float(problem.message.split(" in ")[1].split()[0]) < 10 * 0.2


def test_a_trainer_without_a_processor_does_not_make_the_host_late(monkeypatch: pytest.MonkeyPatch) -> None:
    late = 0.3  # longer than the limit

    class LateToWrite(process.Deadline):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            time.sleep(late)

    with host(HEAD + "    return 1.0\n", limits=Limits(call_seconds=0.2)) as running:
        readable = running._process._readable

        def late_to_read(timeout_ms: int) -> bool:
            if timeout_ms == 0 and running._process._readable is late_to_read:
                monkeypatch.setattr(running._process, "_readable", readable)
                time.sleep(late)
                return False
            return readable(timeout_ms)

        monkeypatch.setattr(process, "Deadline", LateToWrite)
        running.submit(**rollout())
        monkeypatch.setattr(running._process, "_readable", late_to_read)
        assert (running.finish().values == 1.0).all()


def test_processor_time_adds_up_over_calls() -> None:
    problem = ended_by(BUSY, Limits(cpu_seconds=1), calls=200)
    assert problem.cause == "timeout" and "used up its 1 s of processor time" in problem.message


def test_the_trainer_waits_only_so_long_in_all() -> None:
    problem = ended_by(BUSY, Limits(wall_seconds=0.2), calls=200)
    assert problem.cause == "timeout" and "has waited 0." in problem.message


def test_processor_time_between_two_calls_is_detected() -> None:
    source = DOOR + (
        "c = sys.modules['sandbox.child']; answer = c._answer; answers = []\n"
        "def and_work_on(reply, nonce):\n    answer(reply, nonce); answers.append(1)\n"
        "    while len(answers) == 2: pass\n"
        "c._answer = and_work_on\n" + HEAD + "    return 1.0\n"
    )
    problem = ended_by(source, Limits(idle_seconds=0.05), calls=2, pause=1.0)
    assert problem.cause == "timeout" and "between two calls" in problem.message


def test_the_memory_limit_reports_the_line_that_exceeded_it() -> None:
    problem = ended_by(HEAD + "    x = [0.0] * (30 << 20)\n    return 1.0\n", Limits(memory_mb=64))
    assert (problem.cause, problem.line) == ("memory", 2)


@pytest.mark.parametrize("wrapper", ["env", "nice -n 1", "env 'A B=c d' nice"])
def test_a_wrapper_command_starts_the_host(wrapper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(process.WRAPPER, wrapper)
    with host(HEAD + "    return 2.0\n") as running:
        niceness = int(Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[16])
        assert niceness == (0 if wrapper == "env" else 1 if "-n" in wrapper else 10)
        assert running.level in ("kernel", "kernel+ns")
        assert (running.score(**rollout()).values == 2.0).all()


def test_the_host_process_is_found_behind_a_waiting_wrapper(monkeypatch: pytest.MonkeyPatch) -> None:
    # Like bwrap, this one waits for its child: status and clocks must be the child's.
    monkeypatch.setenv(
        process.WRAPPER,
        f"""{sys.executable} -c 'import subprocess, sys
sys.exit(subprocess.run(sys.argv[1:], close_fds=False).returncode)'""",
    )
    with host(BUSY) as running:
        assert running.pid != running._process._process.pid
        assert running.level in ("kernel", "kernel+ns")
        assert (running.score(**rollout()).values == 1.0).all()
    assert ended_by(HEAD + "    while True: pass\n", Limits(call_seconds=0.2)).line == 2


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_bubblewrap_hides_other_processes_and_keeps_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "bwrap --ro-bind / / --dev /dev --proc /proc --unshare-pid --unshare-net --unshare-ipc --die-with-parent"
    monkeypatch.setenv(process.WRAPPER, words)
    with host(BUSY) as running:
        inside = Path(f"/proc/{running.pid}/status").read_text().split("NSpid:")[1].split("\n")[0].split()
        assert len(inside) == 2 and int(inside[1]) < 10
        assert running.level in ("kernel", "kernel+ns")
        assert (running.score(**rollout()).values == 1.0).all()
    assert ended_by(HEAD + "    while True: pass\n", Limits(call_seconds=0.2)).line == 2


def test_a_missing_wrapper_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(process.WRAPPER, "no-such-wrapper --flag")
    with pytest.raises(SandboxUnavailable, match="no-such-wrapper"):
        host(HEAD + "    return 2.0\n")


def test_the_observed_level_names_what_is_missing_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = observe_level()
    assert seen.level in ("kernel", "kernel+ns") and {"seccomp", "landlock"} <= set(seen.held)
    started = process.HostProcess.__init__
    monkeypatch.setattr(
        process.HostProcess, "__init__", lambda self, *a: started(self, *a[:-1], frozenset({"landlock"}))
    )
    weaker = observe_level()
    assert weaker.level == "seccomp"
    layer, why, remedy = weaker.missing[0]
    assert (layer, why) == ("landlock", "switched off") and "Linux 5.13" in remedy
