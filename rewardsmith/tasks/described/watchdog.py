"""Ends a call into a user's environment that does not return."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from rewardsmith.errors import TaskError

PERIOD = 5.0
"""Seconds between two looks."""


class Watchdog:
    """Raises TaskError in the main thread when a call lasts longer than its limit.

    A timer's signal looks every PERIOD seconds, so that a step costs two assignments. It interrupts Python code, and
    system calls; a loop inside a compiled library ends only with the process. Elsewhere than in the main thread, and on
    systems without the signal, nothing is watched.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._began = 0.0
        self._doing: tuple[str, str, float] | None = None

    def arm(self) -> None:
        """Start the timer in this process, unless it runs or something else uses the signal."""
        if self._pid == os.getpid() or not hasattr(signal, "setitimer"):
            return
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGALRM) not in (signal.SIG_DFL, signal.SIG_IGN, self._look):
            return
        self._pid, self._doing = os.getpid(), None
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, PERIOD, PERIOD)

    def begin(self, task_id: str, where: str, limit: float) -> None:
        """A call begins that may last `limit` seconds."""
        self._began = time.monotonic()
        self._doing = task_id, where, limit

    def end(self) -> None:
        """Note that the call has returned."""
        self._doing = None

    def _look(self, number: int, frame: Any) -> None:
        del number, frame
        if self._doing is None or threading.current_thread() is not threading.main_thread():
            return
        task_id, where, limit = self._doing
        if time.monotonic() - self._began > limit:
            self._doing = None
            raise TaskError(
                f"The environment of {task_id} has not returned from {where} for {limit:g} seconds.",
                "Fix the environment, or raise `step_timeout` of the description if it is that slow.",
            )


WATCHDOG = Watchdog()
"""The one of this process: it has one timer."""
