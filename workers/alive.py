"""`python -P -m workers.alive`: exit code 0 if a worker or scheduler of this host has a recent heartbeat."""

from __future__ import annotations

import socket
import sys

from rewardsmith.config import settings
from rewardsmith.storage.database import open_database, read
from rewardsmith.storage.workers import STALE_SECONDS, read_workers


def main() -> int:
    """Check once; return the exit code."""
    with read(open_database(settings().url, migrate=False, must_exist=True)) as connection:
        rows = read_workers(connection)
    mine = [row for row in rows if row["host"] == socket.gethostname() and row["age"] < STALE_SECONDS]
    return 0 if mine else 1


if __name__ == "__main__":
    sys.exit(main())
