"""A call into an environment that does not return is ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from rewardsmith.errors import TaskError
from rewardsmith.tasks.described import watchdog


@pytest.fixture
def dog(monkeypatch: pytest.MonkeyPatch):
    """A watchdog of its own that looks twenty times a second; its timer is stopped afterwards."""
    watchdog.WATCHDOG.stop()
    monkeypatch.setattr(watchdog, "PERIOD", 0.05)
    found = watchdog.Watchdog()
    yield found
    found.stop()


def wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_step_that_hangs_is_ended_with_the_task_s_name(dog):
    dog.begin("Stuck-v0", "step()", 0.3)
    with pytest.raises(TaskError, match=r"Stuck-v0 has not returned from step\(\) for 0.3 seconds"):
        wait(5)


def test_time_between_calls_does_not_count(dog):
    for _ in range(3):
        dog.begin("Slow-v0", "step()", 0.2)
        dog.end()
        time.sleep(0.25)


def test_each_environment_of_a_batch_may_take_the_whole_limit(dog):
    dog.begin("Slow-v0", "step()", 0.3)
    for n in range(4):
        dog.beat = n
        wait(0.15)
    dog.end()


def test_the_timer_ends_with_the_calls(dog):
    dog.begin("Quick-v0", "step()", 1.0)
    dog.end()
    wait(0.15)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    dog.begin("Quick-v0", "step()", 1.0)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    dog.end()


def test_calls_of_other_threads_are_not_mistaken_for_the_main_one_s(dog):
    dog.begin("Quick-v0", "step()", 0.1)
    dog.end()
    thread = threading.Thread(target=lambda: (dog.begin("Other-v0", "step()", 0.1), time.sleep(0.4)))
    thread.start()
    wait(0.35)
    thread.join()


LEAVING = """
import time
from rewardsmith.tasks.described import watchdog

class Lingers:
    def __del__(self, sleep=time.sleep):
        sleep(0.4)

watchdog.PERIOD = 0.1
watchdog.WATCHDOG.begin("Quick-v0", "step()", 10.0)
{end}
kept = Lingers()
"""


@pytest.mark.parametrize("end", ["watchdog.WATCHDOG.end()", ""])
def test_the_timer_does_not_outlive_the_interpreter(end):
    """While an interpreter ends, the signal has its default action: the process would die of it."""
    done = subprocess.run([sys.executable, "-c", LEAVING.format(end=end)], timeout=60, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
