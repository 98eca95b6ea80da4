"""`python -P -m workers.local`: the local executor. Slots are threads; each trial is a process of its own."""

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
from rewardsmith.engine import jobs
from rewardsmith.engine.advance import advance
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items import run_item
from rewardsmith.engine.snapshot import read_snapshot
from rewardsmith.engine.supervise import trial_environment
from rewardsmith.errors import RewardsmithError, of_system
from rewardsmith.storage import ledger, queue, records
from rewardsmith.storage.database import read, reported
from workers.warm import WarmParent

_CALLS = ("design", "analyse", "ask")
_CALL_SLOTS = 4  # at least, where a model is asked: trials ask in numbers
_IDLE = 0.05
_TICK = 0.5


class LocalExecutor:
    """Runs one job on this machine until it ends, is paused, or the parent goes away."""

    def __init__(self, context: Context, job_id: str, slots: int, parent: int | None) -> None:
        self._context, self._job, self._slots, self._parent = context, job_id, slots, parent
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._warm: WarmParent | None = None

    def stop(self, *_: object) -> None:
        """Finish nothing more: trials end at once and go on later from their checkpoints."""
        self._stop.set()

    def unwanted(self) -> bool:
        """Whether there is nothing to wait for: told to stop, the parent gone, or the job over."""
        orphan = self._parent is not None and os.getppid() != self._parent
        return self._stop.is_set() or orphan or self._over()

    def run(self) -> None:
        """Work until there is nothing left to do. Raises what a slot raised."""
        # Each slot thread has an owner name of its own; the process part tells later runs that we are gone.
        queue.reap(self._context.database, self._context.settings.max_attempts)
        ledger.settle_lost(self._context.database)
        advance(self._context, self._job)
        self._warm_up()
        slots = [
            threading.Thread(target=self._slot, args=(f"{queue.make_owner()}:{k}", kinds))
            for k, kinds in enumerate([queue.KINDS] * self._slots + [_CALLS] * self._call_slots())
        ]
        for slot in slots:
            slot.start()
        try:
            self._tick(slots)
        finally:
            self.stop()
            for slot in slots:
                slot.join()
            if self._warm is not None:
                self._warm.close()
        if self._failed:
            raise self._failed[0]

    def _warm_up(self) -> None:
        with read(self._context.database) as connection:
            spec = read_snapshot(connection, self._job).spec
        if spec.training.device == "cpu":
            self._warm = WarmParent(trial_environment(self._context.settings), spec.task)
            self._context = replace(self._context, launch=self._warm.launch)

    def _tick(self, slots: list[threading.Thread]) -> None:
        """Charge time, keep limits, requeue what was lost, advance; until the slots have ended."""
        before = time.monotonic()
        while any(slot.is_alive() for slot in slots):
            time.sleep(_TICK)
            now = time.monotonic()
            jobs.add_active_seconds(self._context, self._job, now - before)
            before = now
            if self._parent is not None and os.getppid() != self._parent:
                self.stop()
            self._keep_time_limit()
            queue.reap(self._context.database, self._context.settings.max_attempts)
            ledger.settle_lost(self._context.database)
            if not self._stop.is_set():
                advance(self._context, self._job)
                jobs.pause_for_answers(self._context, self._job)

    def _keep_time_limit(self) -> None:
        with read(self._context.database) as connection:
            snapshot = read_snapshot(connection, self._job)
        limit = snapshot.spec.budget.seconds
        if limit is not None and snapshot.job.active_seconds >= limit:
            jobs.stop_for_time(self._context, self._job, f"The budget of {limit:g} s is spent.")

    def _call_slots(self) -> int:
        """Slots that only wait for language models: a round's samples are asked for at the same time."""
        with read(self._context.database) as connection:
            spec = read_snapshot(connection, self._job).spec
        return 0 if spec.asks_nobody else min(max(spec.samples, _CALL_SLOTS), self._context.settings.calls_at_once)

    def _slot(self, owner: str, kinds: tuple[str, ...]) -> None:
        try:
            while not self._stop.is_set():
                lease = self._context.settings.lease_seconds
                item = queue.claim(self._context.database, owner, lease, self._job, kinds)
                if item is not None:
                    run_item(self._context, item.id, owner, self._stop.is_set)
                elif self._over():
                    return
                else:
                    time.sleep(_IDLE)
        except BaseException as error:
            self._failed.append(error)
            self.stop()

    def _over(self) -> bool:
        with read(self._context.database) as connection:
            return records.get_job(connection, self._job).state != "running"


@contextmanager
def turn(folder: Path, gone: Callable[[], bool]) -> Iterator[bool]:
    """Hold the job's lock on this machine; yields False if `gone` turned true before it was free.

    A second command for the same job stands by and takes over if the first dies; two at once would train
    the job's trials twice as wide as asked and charge its time twice.
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
                    print("another process runs this job; standing by", flush=True)
                    told = True
                time.sleep(_TICK)
        yield True


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m workers.local", description=__doc__)
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
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def _work(options: argparse.Namespace) -> None:
    context = open_context(settings(), must_exist=True)
    executor = LocalExecutor(context, options.job, options.slots, options.parent)
    signal.signal(signal.SIGTERM, executor.stop)
    signal.signal(signal.SIGINT, executor.stop)
    with turn(context.job_folder(options.job), executor.unwanted) as mine:
        if mine:
            executor.run()


if __name__ == "__main__":
    sys.exit(main())
