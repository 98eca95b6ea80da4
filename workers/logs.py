"""Structured logs of the service's processes: one JSON object per line on stderr, with the ids of job and item."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from rewardsmith.plaintext import one_line, plain

FIELDS = ("job", "candidate", "trial", "item", "kind", "attempt", "owner", "seconds")
"""Keys of `extra` that are written to the log."""


class JsonLines(logging.Formatter):
    """Formats a record as JSON with its time (UTC), level, process, message and `FIELDS`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line of JSON."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": os.getpid(),
            "message": one_line(record.getMessage()),
        }
        line |= {name: _shown(record.__dict__[name]) for name in FIELDS if name in record.__dict__}
        if record.exc_info:
            line["error"] = plain(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


def _shown(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else one_line(str(value))


def set_up() -> None:
    """Send this process's logs to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=os.environ.get("REWARDSMITH_LOG_LEVEL", "INFO").upper(), handlers=[handler], force=True)
