"""A call into an environment that does not return is ended."""

from __future__ import annotations

import signal
import time

import pytest

from rewardsmith.errors import TaskError
from rewardsmith.tasks.described import watchdog


@pytest.fixture
def quick_watchdog(monkeypatch: pytest.MonkeyPatch):
    """A watchdog that looks ten times a second; its timer is stopped afterwards."""
    _stop_timer()
    monkeypatch.setattr(watchdog, "PERIOD", 0.1)
    dog = watchdog.Watchdog()
    yield dog
    _stop_timer()
    watchdog.WATCHDOG._pid = 0  # armed again when the next environment is made


def _stop_timer() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_a_step_that_hangs_is_ended_with_the_task_s_name(quick_watchdog):
    quick_watchdog.arm()
    quick_watchdog.begin("Stuck-v0", "step()", 0.3)
    with pytest.raises(TaskError, match=r"Stuck-v0 has not returned from step\(\) for 0.3 seconds"):
        end = time.monotonic() + 5
        while time.monotonic() < end:
            pass


def test_time_between_calls_does_not_count(quick_watchdog):
    quick_watchdog.arm()
    quick_watchdog.begin("Slow-v0", "step()", 0.2)
    quick_watchdog.end()
    time.sleep(0.5)
    quick_watchdog.begin("Slow-v0", "step()", 0.2)
    quick_watchdog.end()
