"""Counter-examples to earlier programs of a job, which the battery plays against every later program."""

from __future__ import annotations

from sqlalchemy import Connection, select

from rewardsmith.storage.schema import candidates, checks
from rewardsmith.tasks.base import Behaviour
from rewardsmith.verification.counterexample import read_behaviour

MOST = 24
"""Number of counter-examples kept, the latest ones. Each costs one episode per layout in every later check."""


def saved_exploits(connection: Connection, job_id: str, iteration: int) -> tuple[Behaviour, ...]:
    """Return the distinct counter-examples of the rounds before `iteration`, in the order of the candidates.

    Those of the same round are left out, because the order of its checks depends on timing.
    """
    query = (
        select(checks.c.details)
        .join(candidates, candidates.c.id == checks.c.candidate_id)
        .where(
            candidates.c.job_id == job_id,
            candidates.c.iteration < iteration,
            checks.c.kind.in_(("certificate", "search")),
        )
        .order_by(candidates.c.iteration, candidates.c.id)
    )
    found: dict[Behaviour, None] = {}
    for details in connection.execute(query).scalars():
        for layout in (details or {}).get("layouts", []):
            if example := layout.get("counterexample"):
                found[read_behaviour(example)] = None
        if example := (details or {}).get("counterexample"):
            found[read_behaviour(example)] = None
    return tuple(found)[-MOST:]
