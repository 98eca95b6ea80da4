"""Ends a call into a user's environment that does not return."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from typing import Any

from rewardsmith.errors import TaskError

PERIOD = 5.0
"""Most seconds between two looks."""


class Watchdog:
    """Raises TaskError in the main thread when a call lasts longer than its limit.

    A timer's signal looks at `beat`, which whoever makes the calls changes with each of them: a call that is seen
    again and again for longer than the limit hangs. So a call costs one assignment, and no clock is read between two
    looks. The signal interrupts Python code, and system calls; a loop inside a compiled library ends only with the
    process. Elsewhere than in the main thread, and on systems without the signal, nothing is watched.

    The timer fires once and is set again only while calls are made. It is stopped before the interpreter ends: Python
    then restores the signal's default action, which would end the process with "Alarm clock".

    Attributes:
        beat: Changed with each call between `begin` and `end`.
    """

    def __init__(self) -> None:
        self.beat = 0
        self._rounds = 0
        self._doing: tuple[str, str, float] | None = None
        self._seen: tuple[int, int] | None = None
        self._since = 0.0
        self._set = False
        self._main = threading.main_thread().ident
        atexit.register(self.stop)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def begin(self, task_id: str, where: str, limit: float) -> None:
        """Calls begin, each of which may last `limit` seconds."""
        if threading.get_ident() != self._main:
            return
        self._rounds += 1
        self._doing = task_id, where, limit
        if not self._set:
            self._start(limit)

    def end(self) -> None:
        """Note that the calls have returned."""
        if threading.get_ident() == self._main:
            self._doing = None

    def stop(self) -> None:
        """Stop the timer, so that no signal arrives when the interpreter has given up the handler."""
        self._doing = None
        if not self._set or threading.get_ident() != self._main:
            return
        self._set = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        # A signal that is under way meets no default action, which would end the process.
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    def _start(self, limit: float) -> None:
        """Set the timer, unless something else uses the signal."""
        if not hasattr(signal, "setitimer"):
            return
        if signal.getsignal(signal.SIGALRM) not in (signal.SIG_DFL, signal.SIG_IGN, self._look):
            return
        signal.signal(signal.SIGALRM, self._look)
        self._set = True
        self._rest(limit)

    def _rest(self, limit: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, min(PERIOD, max(limit / 4, 0.01)))

    def _look(self, number: int, frame: Any) -> None:
        del number, frame
        if self._doing is None:
            self._give_back()  # the next call sets the timer again
            return
        task_id, where, limit = self._doing
        now, seen = time.monotonic(), (self._rounds, self.beat)
        if seen != self._seen:
            self._seen, self._since = seen, now
        elif now - self._since > limit:
            self._doing = None
            self._give_back()
            raise TaskError(
                f"The environment of {task_id} has not returned from {where} for {limit:g} seconds.",
                "Fix the environment, or raise `step_timeout` of the description if it is that slow.",
            )
        self._rest(limit)

    def _give_back(self) -> None:
        """The timer has fired, and is not set: others may use the signal."""
        self._set, self._seen = False, None
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _forget(self) -> None:
        """A forked child has no timer, and its main thread is the one that forked."""
        self._doing, self._seen, self._set = None, None, False
        self._main = threading.get_ident()


WATCHDOG = Watchdog()
"""The one of this process: it has one timer."""
