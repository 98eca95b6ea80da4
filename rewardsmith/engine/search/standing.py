"""The states of a job's rows, read in one statement. The executor reads the whole job only when they have changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Engine, text

from rewardsmith.storage.database import read
from rewardsmith.storage.outage import patient

# Columns: kind of row; number; state; text; attempts; note; seconds. Questions of trials (kind `ask`) are read only
# while they are open, because the job's next step does not depend on them.
_ROWS = text("""
SELECT 'job', 0, state, CAST(spec AS TEXT), 0, note, active_seconds FROM jobs WHERE id = :job
UNION ALL
SELECT kind, id, state, '', attempt, NULL, NULL FROM work_items
WHERE job_id = :job AND (kind <> 'ask' OR state IN ('queued', 'leased'))
UNION ALL SELECT 'candidate', 0, state, id, 0, NULL, NULL FROM candidates WHERE job_id = :job
UNION ALL SELECT 'iteration', number, state, '', 0, NULL, NULL FROM iterations WHERE job_id = :job
""")


@dataclass(frozen=True)
class Standing:
    """A job's state, its stored settings, and the states of its rows. Equal standings lead to the same steps."""

    state: str
    note: str | None
    spec: str
    rows: frozenset[tuple[Any, ...]]
    questions: frozenset[tuple[Any, ...]] = field(compare=False)
    active_seconds: float = field(compare=False)

    @cached_property
    def queued(self) -> frozenset[str]:
        """The kinds of work items that a slot can claim now."""
        if self.state != "running":
            return frozenset()
        return frozenset(row[0] for row in (*self.rows, *self.questions) if row[2] == "queued")

    @cached_property
    def limit(self) -> float | None:
        """The limit on the job's working time, in seconds."""
        return (json.loads(self.spec).get("budget") or {}).get("seconds")


@patient
def read_standing(engine: Engine, job_id: str) -> Standing:
    """Read the standing of a job; wait for the database's server if it is away."""
    with read(engine) as connection:
        found = [tuple(row) for row in connection.execute(_ROWS, {"job": job_id})]
    rows = [row[:5] for row in found]
    (job,) = (row for row in found if row[0] == "job")
    return Standing(
        state=job[2],
        note=job[5],
        spec=job[3],
        rows=frozenset(row for row in rows if row[0] not in ("job", "ask")),
        questions=frozenset(row for row in rows if row[0] == "ask"),
        active_seconds=job[6] or 0.0,
    )
