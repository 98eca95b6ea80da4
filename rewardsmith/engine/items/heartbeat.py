"""A thread that renews the lease of a work item while its holder is busy."""

from __future__ import annotations

import threading

from rewardsmith.engine.context import Context
from rewardsmith.errors import LostItem
from rewardsmith.storage import queue
from rewardsmith.storage.queue import Item


class Heartbeat:
    """Within `with Heartbeat(context, item):`, renews the item's lease three times per lease period."""

    def __init__(self, context: Context, item: Item) -> None:
        self._context, self._item = context, item
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _renew(self) -> None:
        seconds = self._context.settings.lease_seconds
        while not self._done.wait(seconds / 3):
            try:
                queue.heartbeat(self._context.database, self._item, seconds)
            except LostItem:
                return  # the write of the result detects this
