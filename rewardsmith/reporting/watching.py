"""A job's overview for a live screen: read again only if the shown data have changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, text

from rewardsmith.reporting.overview import Overview, read_overview
from rewardsmith.storage.changes import Changes
from rewardsmith.storage.database import read

# Everything that an overview shows except the run time, which grows while nothing else changes.
_SHOWN = text("""
SELECT 'job', 0, state, COALESCE(note, '') || COALESCE(best_candidate, '') || CAST(spec AS TEXT), 0.0
FROM jobs WHERE id = :job
UNION ALL SELECT kind, id, state, '', attempt FROM work_items WHERE job_id = :job
UNION ALL SELECT 'candidate', 0, state,
id || COALESCE(rejection_reason, '') || COALESCE(CAST(adjustment AS TEXT), ''), COALESCE(score, 0.0)
FROM candidates WHERE job_id = :job
UNION ALL SELECT 'iteration', number, state, '', 0.0 FROM iterations WHERE job_id = :job
UNION ALL SELECT 'trial', id, state, '', steps FROM trials WHERE job_id = :job
UNION ALL SELECT 'calls', COUNT(*), '', '', COALESCE(SUM(charged_tokens + reserved_tokens), 0)
FROM llm_calls WHERE job_id = :job
""")
_CLOCK = text("SELECT active_seconds FROM jobs WHERE id = :job")


class WatchedJob:
    """Reads one job's overview repeatedly, at little cost while nothing changes."""

    def __init__(self, engine: Engine, job_id: str) -> None:
        self._engine, self._job = engine, job_id
        self._changes = Changes(engine)
        self._shown: frozenset[tuple[Any, ...]] = frozenset()
        self._view: Overview | None = None

    def read(self) -> Overview:
        """Return the current overview of the job."""
        if not self._changes.seen() and self._view is not None:
            return self._view
        with read(self._engine) as connection:
            shown = frozenset(tuple(row) for row in connection.execute(_SHOWN, {"job": self._job}))
            if self._view is None or shown != self._shown:
                self._view, self._shown = read_overview(connection, self._job), shown
            else:
                seconds = connection.execute(_CLOCK, {"job": self._job}).scalar_one()
                job = replace(self._view.job, active_seconds=seconds)
                self._view = replace(self._view, job=job, costs={**self._view.costs, "active_seconds": seconds})
        return self._view
