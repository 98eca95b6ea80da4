"""`python -P -m workers.local`: the local executor of one job. Slots are threads, and each trial is a process."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rewardsmith.config import settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items.dispatch import run_item
from rewardsmith.engine.items.supervise import trial_environment
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.search.snapshot import read_snapshot
from rewardsmith.engine.search.standing import Standing, read_standing
from rewardsmith.errors import RewardsmithError, of_system
from rewardsmith.plaintext import one_line
from rewardsmith.storage import ledger, queue, records
from rewardsmith.storage.changes import Changes
from rewardsmith.storage.database import read, reported
from workers.warm import WarmParent

_CALLS = ("design", "analyse", "ask")
_CALL_SLOTS = 4  # least number of slots for calls in a job with a language model: a trial makes many calls
_LOOK = 0.03  # seconds between two checks whether another process has changed the database
_TRIAL_LOOK = 0.25  # seconds between two checks of a trial's limits; its end wakes the supervisor at once
_TICK = 0.5
_SWEEP = 10.0  # seconds after which the job is read even if nothing has changed
_GRACE = 1.5
"""Seconds in which slots return their items to the queue. The starting process kills this one soon after."""


class LocalExecutor:
    """Runs one job on this machine until the job ends or is paused, or the parent process is gone."""

    def __init__(self, context: Context, job_id: str, slots: int, parent: int | None) -> None:
        self._context, self._job, self._slots, self._parent = context, job_id, slots, parent
        self._owner = queue.make_owner()
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._warm: WarmParent | None = None
        self._news = threading.Condition()
        self._own_news = threading.Event()  # a slot has ended an item
        self._standing: Standing | None = None
        self._number = 0  # of changes of the standing so far

    def stop(self, *_: object) -> None:
        """Request a stop: trials end at once, and continue later from their checkpoints."""
        self._stop.set()

    def unwanted(self) -> bool:
        """Return whether the executor is to end: `stop` was called, the parent is gone, or the job has ended."""
        return self._stop.is_set() or self._orphaned() or self._over()

    def _orphaned(self) -> bool:
        return self._parent is not None and os.getppid() != self._parent

    def run(self) -> None:
        """Work until nothing is left to do. Raises the first exception of a slot."""
        # Each slot has its own owner name. Its process part shows later executors that this process is gone.
        queue.requeue_expired(self._context.database, self._context.settings.max_attempts)
        ledger.settle_lost(self._context.database)
        advance(self._context, self._job)
        self._warm_up()
        slots = [
            threading.Thread(target=self._slot, args=(f"{self._owner}:{k}", kinds), daemon=True)
            for k, kinds in enumerate([queue.KINDS] * self._slots + [_CALLS] * self._call_slots())
        ]
        for slot in slots:
            slot.start()
        try:
            self._watch(slots)
        finally:
            self._end(slots)
        if self._failed:
            raise self._failed[0]

    def _warm_up(self) -> None:
        with read(self._context.database) as connection:
            spec = read_snapshot(connection, self._job).spec
        if spec.training.device == "cpu":
            self._warm = WarmParent(
                trial_environment(self._context.settings), *([] if spec.description else [spec.task])
            )
            self._context = replace(self._context, launch=self._warm.launch, trial_look=_TRIAL_LOOK)

    def _watch(self, slots: list[threading.Thread]) -> None:
        """Advance the job when it has changed, and tick, until the slots have ended or are to stop."""
        changes = Changes(self._context.database)
        ticked = swept = time.monotonic()
        due = False
        while any(slot.is_alive() for slot in slots):
            self._own_news.wait(_LOOK)
            self._own_news.clear()
            if self._orphaned():
                self.stop()
            now = time.monotonic()
            if self._stop.is_set():
                lifecycle.add_active_seconds(self._context, self._job, now - ticked)
                return
            # Advance one look later, so that slots that have just been woken can claim before this transaction.
            advancing, due = due, changes.seen() and self._look()
            if now - ticked >= _TICK:
                lifecycle.add_active_seconds(self._context, self._job, now - ticked)
                ticked = now
                self._tick()
            if advancing or now - swept >= _SWEEP:
                swept = now
                advance(self._context, self._job)
                lifecycle.pause_for_answers(self._context, self._job)

    def _look(self) -> bool:
        """Read the job's standing and wake idle slots if it has changed; return whether it has."""
        before, now = self._standing, read_standing(self._context.database, self._job)
        if now.state == "cancelled" or (now.state == "paused" and now.note in lifecycle.ASKED_PAUSES):
            self.stop()  # a user has cancelled or paused the job, so running items are not waited for
        with self._news:
            self._standing = now
            if before is None or now != before or now.questions != before.questions:
                self._number += 1
                self._news.notify_all()
        return now != before

    def _tick(self) -> None:
        """Enforce the job's time limit, and requeue items with expired leases."""
        standing = self._standing
        if standing is not None and standing.limit is not None:
            self._keep_time_limit(standing.limit)
        queue.requeue_expired(self._context.database, self._context.settings.max_attempts)
        ledger.settle_lost(self._context.database)

    def _keep_time_limit(self, limit: float) -> None:
        with read(self._context.database) as connection:
            spent = records.get_job(connection, self._job).active_seconds
        if spent >= limit:
            lifecycle.stop_for_time(self._context, self._job, f"The budget of {limit:g} s is spent.")

    def _end(self, slots: list[threading.Thread]) -> None:
        """Wait `_GRACE` seconds for the slots, then return the items of those still running to the queue."""
        self.stop()
        with self._news:
            self._news.notify_all()
        if self._warm is not None:
            self._warm.wake()
        end = time.monotonic() + _GRACE
        for slot in slots:
            slot.join(max(0.0, end - time.monotonic()))
        if self._warm is not None:
            self._warm.close()  # releases slots that wait for a trial to start
        for slot in slots:
            slot.join(max(0.0, end + 0.2 - time.monotonic()))
        if any(slot.is_alive() for slot in slots):
            queue.release(self._context.database, self._job, self._owner)

    def _call_slots(self) -> int:
        """Return the number of slots for language-model calls only, so that a round's samples run concurrently."""
        with read(self._context.database) as connection:
            spec = read_snapshot(connection, self._job).spec
        return 0 if spec.asks_nobody else min(max(spec.samples, _CALL_SLOTS), self._context.settings.calls_at_once)

    def _slot(self, owner: str, kinds: tuple[str, ...]) -> None:
        try:
            while not self._stop.is_set():
                known = self._number
                lease = self._context.settings.lease_seconds
                item = queue.claim(self._context.database, owner, lease, self._job, kinds)
                if item is not None:
                    run_item(self._context, item.id, owner, self._stop.is_set)
                    self._own_news.set()
                elif self._over():
                    return
                else:
                    self._await_work(kinds, known)
        except BaseException as error:
            self._failed.append(error)
            self.stop()

    def _await_work(self, kinds: tuple[str, ...], known: int) -> None:
        """Wait until the job has changed since change `known`, and has work of these kinds or has ended."""

        def is_news() -> bool:
            standing = self._standing
            if standing is None or self._number == known:
                return self._stop.is_set()
            return self._stop.is_set() or standing.state != "running" or bool(standing.queued & {*kinds})

        with self._news:
            self._news.wait_for(is_news)

    def _over(self) -> bool:
        with read(self._context.database) as connection:
            return records.get_job(connection, self._job).state != "running"


@contextmanager
def turn(folder: Path, gone: Callable[[], bool]) -> Iterator[bool]:
    """Hold the job's lock on this machine; yield False if `gone` returned true before the lock was free.

    A second command for the same job waits, and takes over if the first dies. Two at once would run twice the requested
    number of trials and charge the job's time twice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "executor.lock").open("a") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if gone():
                    yield False
                    return
                if not told:
                    print("another process is running this job; waiting for it to end", flush=True)
                    told = True
                time.sleep(_TICK)
        yield True


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -P -m workers.local", description=__doc__)
    parser.add_argument("job")
    parser.add_argument("--slots", type=int, default=settings().slots)
    parser.add_argument("--parent", type=int, help="stop when this process is no longer the parent")
    options = parser.parse_args()
    try:
        with reported():
            _work(options)
    except OSError as error:
        return _explain(of_system(error))
    except RewardsmithError as error:
        return _explain(error)
    return 0


def _explain(error: RewardsmithError) -> int:
    print(f"error: {one_line(error.cause)}\n{one_line(error.remedy)}", file=sys.stderr)
    return error.exit_code


def _work(options: argparse.Namespace) -> None:
    context = open_context(settings(), must_exist=True)
    executor = LocalExecutor(context, options.job, options.slots, options.parent)
    signal.signal(signal.SIGTERM, executor.stop)
    signal.signal(signal.SIGINT, executor.stop)
    with turn(context.job_folder(options.job), executor.unwanted) as mine:
        if mine:
            executor.run()


def leave(code: int) -> None:
    """End this process at once. A regular exit would wait for slots that still work, which can take minutes."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
