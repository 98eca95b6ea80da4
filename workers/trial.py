"""`python -P -m workers.trial ITEM OWNER ATTEMPT [served]`: runs one trial; engine.items.supervise starts it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from dataclasses import replace


def _die_with_parent() -> None:
    """End this process when the supervisor is gone.

    The parent is polled, because PDEATHSIG fires when the supervisor's thread ends, not its process.
    """
    parent = int(os.environ.get("REWARDSMITH_PARENT", "0"))
    while parent and os.getppid() == parent:
        time.sleep(0.2)
    if parent:
        os._exit(3)


def main(arguments: list[str]) -> int:
    """Run the trial of an item.

    Args:
        arguments: Item id, owner, attempt, and optionally "served" for a worker of the service.

    Returns:
        The exit code: 0 if the trial's result is written or no longer wanted, DISK_FULL if the disk is full, else 1.
    """
    threading.Thread(target=_die_with_parent, daemon=True).start()
    from rewardsmith.engine.items.supervise import DISK_FULL, SERVED
    from rewardsmith.errors import DiskFull, RewardsmithError, of_system
    from rewardsmith.plaintext import plain
    from rewardsmith.storage.database import reported

    try:
        with reported():
            _train(int(arguments[0]), arguments[1], int(arguments[2]), served=SERVED in arguments[3:])
    except (RewardsmithError, OSError) as raised:
        error = of_system(raised) if isinstance(raised, OSError) else raised
        with contextlib.suppress(OSError):  # the log may be on the disk that is full
            print(plain(str(error)), file=sys.stderr, flush=True)
        return DISK_FULL if isinstance(error, DiskFull) else 1
    return 0


def _train(item_id: int, owner: str, attempt: int, *, served: bool) -> None:
    from rewardsmith.config import settings
    from rewardsmith.engine.context import open_context
    from rewardsmith.engine.items.train import train_item
    from rewardsmith.errors import LostItem
    from rewardsmith.storage import queue

    context = replace(open_context(settings(), must_exist=True, patient=True), served=served)
    item = queue.get(context.database, item_id)
    if (item.owner, item.attempt, item.state) == (owner, attempt, "leased"):
        with contextlib.suppress(LostItem):
            train_item(context, item)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
