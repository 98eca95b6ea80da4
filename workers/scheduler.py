"""`python -P -m workers.scheduler`: requeues expired leases, charges time, advances jobs, and sends notifications.

Any number of schedulers may run at the same time.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time

from rewardsmith import __version__
from rewardsmith.config import settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import service
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.errors import RewardsmithError
from rewardsmith.plaintext import plain
from rewardsmith.storage import notifications, queue
from rewardsmith.storage import workers as rows
from rewardsmith.storage.changes import Changes
from rewardsmith.storage.outage import OUTAGE_SECONDS
from workers import logs
from workers.delivery import deliver_all

log = logging.getLogger("rewardsmith.scheduler")

_SWEEP_SECONDS = 10.0
"""Period in which every running job is advanced, even with open items: a worker may have died before it advanced it."""

_SEEN_SECONDS = 5.0


class Scheduler:
    """A scheduler. Each of its rounds is idempotent, and the database decides between several schedulers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stop = threading.Event()
        self._swept = self._seen = float("-inf")
        self._changes = Changes(context.database)
        self._at_work = True
        self.name = f"scheduler@{socket.gethostname()}:{os.getpid()}"

    def stop(self, *_: object) -> None:
        """Request an end after the present round."""
        self._stop.set()

    def run(self) -> None:
        """Run rounds until `stop` is called. An outage of the database or the broker delays them."""
        values = {"host": socket.gethostname(), "queues": "scheduler", "slots": 0, "version": __version__}
        rows.register(self._context.database, self.name, devices="", sandbox_level="-", **values)
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self.round()
            except Exception:
                log.exception("a round failed; the next one starts in %g s", self._context.settings.tick_seconds)
            self._stop.wait(max(0.0, self._context.settings.tick_seconds - (time.monotonic() - began)))
        rows.unregister(self._context.database, self.name)

    def round(self) -> None:
        """Run one round.

        1. Requeue work items whose leases have expired.
        2. Charge the working time of running jobs, and end those whose time budget is spent.
        3. Advance the jobs that have no open items; every `_SWEEP_SECONDS`, or if items were requeued, all jobs.
        4. Send notifications of queued items.
        """
        now = time.monotonic()
        if now - self._seen > _SEEN_SECONDS:
            rows.heartbeat(self._context.database, self.name)
            self._seen = now
        sweep = now - self._swept > _SWEEP_SECONDS
        if not self._is_wanted(sweep):
            return
        requeued = queue.requeue_expired(self._context.database, self._context.settings.max_attempts)
        if requeued:
            log.warning("requeued %d items with expired leases", requeued)
        service.charge_time(self._context)
        for job_id in service.running_jobs(self._context, idle=not sweep and not requeued):
            advance(self._context, job_id)
        if sweep:
            self._swept = now
        # The first round is a sweep and loads the broker's client, so that no notification waits for that later.
        if sweep or notifications.are_due(self._context.database, self._context.settings.notify_seconds):
            deliver_all(self._context)

    def _is_wanted(self, sweep: bool) -> bool:
        """Return whether a round has anything to do.

        While no job runs, only a commit can bring new work, and most commits are heartbeats of workers.
        """
        if self._changes.seen() or sweep:
            self._at_work = service.is_at_work(self._context)
        return self._at_work or sweep


def main() -> int:
    """Run a scheduler until SIGTERM or SIGINT."""
    logs.set_up()
    try:
        scheduler = Scheduler(open_context(settings(), must_exist=True, patient=True))
    except RewardsmithError as error:
        print(plain(str(error)), file=sys.stderr)
        return error.exit_code
    signal.signal(signal.SIGTERM, scheduler.stop)
    signal.signal(signal.SIGINT, scheduler.stop)
    log.info("started; outages of up to %g s are tolerated", OUTAGE_SECONDS)
    scheduler.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
