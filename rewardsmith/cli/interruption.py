"""Signals: the first Ctrl-C saves the work and stops; the second stops at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


def allow() -> None:
    """Let SIGINT end this command, also if a shell started it in the background (`command &`) with SIGINT ignored."""
    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Signals:
    """The reaction to each signal in turn.

    1. KeyboardInterrupt is raised, at once or when `listen` is called.
    2. `again` is called.
    3. KeyboardInterrupt is raised.
    """

    def __init__(self) -> None:
        self.again: Callable[[], None] = lambda: None
        self._count, self._listening = 0, False

    def listen(self) -> None:
        """Let the first signal raise KeyboardInterrupt from now on; at once if it has already arrived."""
        self._listening = True
        if self._count:
            raise KeyboardInterrupt

    def arrive(self, *_: object) -> None:
        """Count a signal and react to it; the handler of all three signals."""
        self._count += 1
        if (self._count == 1 and self._listening) or self._count > 2:
            raise KeyboardInterrupt
        if self._count == 2:
            self.again()


@contextlib.contextmanager
def handled() -> Iterator[Signals]:
    """Handle SIGINT, SIGTERM and SIGHUP by one `Signals`; SIGHUP stays ignored under `nohup`."""
    signals, before = Signals(), {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, signals.arrive)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
