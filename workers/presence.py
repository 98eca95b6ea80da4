"""Detects that the parent process has died, in the threads and forked children of a worker, and ends the process.

A host process starts Celery workers, which fork children, which start trials. Each of them polls its parent and ends
when the parent is gone, so that `kill -9` of any of them leaves no process behind.
"""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time

from rewardsmith.engine import capabilities
from rewardsmith.engine.served import warm_up

# Shared with children that are forked later, without the semaphores of a multiprocessing.Event.
_STOPPED = mmap.mmap(-1, 1)
_LOOK = 0.3
_PATIENCE = 15.0  # seconds in which trials end and items return to the queue

_parent = 0
_busy = 0
_lock = threading.Lock()


def begin() -> None:
    """Prepare a worker's main process: load modules for its children, and stop when REWARDSMITH_HOST_PID is gone."""
    # Modules are loaded before the fork, because a child that imports for seconds after a claim would lose the lease.
    warm_up()
    capabilities.here()
    host = int(os.environ.get("REWARDSMITH_HOST_PID", "0"))
    if host:
        threading.Thread(target=_follow, args=(host, signal.SIGTERM), daemon=True).start()


def begin_child() -> None:
    """Prepare a forked child: remember its parent, choose its GPU, and end when the worker is gone."""
    global _parent
    _parent = os.getppid()
    devices = [d for d in os.environ.get("REWARDSMITH_DEVICES", "").split(",") if d]
    if devices:
        from billiard.process import current_process

        os.environ["CUDA_VISIBLE_DEVICES"] = devices[getattr(current_process(), "index", 0) % len(devices)]
    threading.Thread(target=_follow, args=(_parent, signal.SIGKILL), daemon=True).start()


def stop() -> None:
    """Ask every task of this worker to return its item to the queue."""
    _STOPPED[0] = 1


def stopping() -> bool:
    """Return whether tasks should end now, because `stop` was called or the parent is gone."""
    return _STOPPED[0] == 1 or (_parent != 0 and os.getppid() != _parent)


class busy:  # noqa: N801 - reads as a statement: `with busy():`
    """Marks a task as running, so that an orphaned child returns its item to the queue before it ends."""

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
