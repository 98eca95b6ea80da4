"""`python -m workers.trial ITEM OWNER ATTEMPT`: one trial in a fresh interpreter, for its supervisor."""

from __future__ import annotations

import os
import sys
import threading
import time


def _die_with_parent() -> None:
    """End this process group when the supervisor is gone.

    PDEATHSIG would follow the supervisor's thread, not its process, so the parent is polled.
    """
    parent = int(os.environ.get("REWARDSMITH_PARENT", "0"))
    while parent and os.getppid() == parent:
        time.sleep(0.2)
    if parent:
        os._exit(3)


def main(arguments: list[str]) -> int:
    """Run the trial of (item, owner, attempt). Exit code 0 means that its result is written."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    from rewardsmith.config import settings
    from rewardsmith.engine.context import open_context
    from rewardsmith.engine.trials import train_item
    from rewardsmith.errors import LostItem, RewardsmithError
    from rewardsmith.storage import queue

    item_id, owner, attempt = int(arguments[0]), arguments[1], int(arguments[2])
    context = open_context(settings(), must_exist=True, patient=True)
    item = queue.get(context.database, item_id)
    if (item.owner, item.attempt, item.state) != (owner, attempt, "leased"):
        return 0
    try:
        train_item(context, item)
    except LostItem:
        return 0
    except RewardsmithError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
