"""Whether this worker still has somebody to work for, seen alike from its threads and its forked children.

A host process starts Celery workers, which fork children, which start trials. Each looks at its parent and
ends without it, so that `kill -9` of any of them leaves no process behind.
"""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time

from rewardsmith.engine.served import warm_up

# Shared with children that are forked later; an Event of multiprocessing would need its own resources.
_STOPPED = mmap.mmap(-1, 1)
_LOOK = 0.3
_PATIENCE = 15.0  # seconds for trials to end and items to be given back

_parent = 0
_busy = 0
_lock = threading.Lock()


def begin() -> None:
    """In a worker's main process: load what forked children need; stop when REWARDSMITH_HOST_PID is gone."""
    # A claim's lease runs from its first moment; a child that then imports for seconds would lose it.
    warm_up()
    host = int(os.environ.get("REWARDSMITH_HOST_PID", "0"))
    if host:
        threading.Thread(target=_follow, args=(host, signal.SIGTERM), daemon=True).start()


def begin_child() -> None:
    """In a forked child: note whose child it is, take its device, and end when the worker is gone."""
    global _parent
    _parent = os.getppid()
    devices = [d for d in os.environ.get("REWARDSMITH_DEVICES", "").split(",") if d]
    if devices:
        from billiard.process import current_process

        os.environ["CUDA_VISIBLE_DEVICES"] = devices[getattr(current_process(), "index", 0) % len(devices)]
    threading.Thread(target=_follow, args=(_parent, signal.SIGKILL), daemon=True).start()


def stop() -> None:
    """Let every task of this worker give its item back."""
    _STOPPED[0] = 1


def stopping() -> bool:
    """Whether tasks should end now: told to stop, or the parent is gone."""
    return _STOPPED[0] == 1 or (_parent != 0 and os.getppid() != _parent)


class busy:  # noqa: N801 - reads as a statement: `with busy():`
    """Marks a task as under way, so that an orphaned child ends after it has given its item back."""

    def __enter__(self) -> None:
        global _busy
        with _lock:
            _busy += 1

    def __exit__(self, *_: object) -> None:
        global _busy
        with _lock:
            _busy -= 1


def _follow(parent: int, last: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    stop()
    if last == signal.SIGTERM:
        os.kill(os.getpid(), signal.SIGTERM)
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and (_busy or last == signal.SIGTERM):
        time.sleep(_LOOK)
    os.kill(os.getpid(), signal.SIGKILL)
