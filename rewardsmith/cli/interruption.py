"""Ctrl-C, however the command was started: the first finishes and keeps, the second ends at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


def allow() -> None:
    """Let SIGINT end this command even where a shell's background (`command &`) had it ignored."""
    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Signals:
    """What to do at each signal: raise KeyboardInterrupt where that is listened for, then `again`, then raise it."""

    def __init__(self) -> None:
        self.again: Callable[[], None] = lambda: None
        self._count, self._listening = 0, False

    def listen(self) -> None:
        """From here the first signal raises KeyboardInterrupt, at once if it has come already."""
        self._listening = True
        if self._count:
            raise KeyboardInterrupt

    def arrive(self, *_: object) -> None:
        """The handler."""
        self._count += 1
        if (self._count == 1 and self._listening) or self._count > 2:
            raise KeyboardInterrupt
        if self._count == 2:
            self.again()


@contextlib.contextmanager
def handled() -> Iterator[Signals]:
    """Meanwhile SIGINT, SIGTERM and SIGHUP go to one Signals; SIGHUP stays ignored where `nohup` asked for that."""
    signals, before = Signals(), {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, signals.arrive)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
