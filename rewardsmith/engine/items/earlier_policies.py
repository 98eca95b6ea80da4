"""Policies of earlier rounds, which the battery plays where a reference stands for the planner's solution."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, select

from rewardsmith.engine.context import Context
from rewardsmith.engine.items.shown import anonymous, searched_trials
from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.errors import UsageError
from rewardsmith.storage.database import read
from rewardsmith.storage.records import Candidate
from rewardsmith.storage.schema import artifacts
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import Referenced, referenced_of
from rewardsmith.verification.layouts import uses_reference
from rewardsmith.verification.ways import Rival

MOST = 2
"""Number of policies, those of the best candidates. Each costs one episode per start in every later check."""


def earlier_policies(context: Context, snapshot: Snapshot, task: Task, iteration: int) -> tuple[Rival, ...]:
    """Return policies of the best candidates of the rounds before `iteration`; none where a planner solves the task.

    Those of the same round are left out, because the order of its checks depends on timing. Policies with memory, or
    with another network than a reference may have, are left out, too.
    """
    referenced = referenced_of(task)
    if referenced is None or not uses_reference(task) or snapshot.spec.training.memory == "lstm":
        return ()
    trained = [c for c in snapshot.candidates if c.score is not None and 0 < c.iteration < iteration]
    best = sorted(trained, key=lambda c: (-(c.score or 0.0), c.id))[:MOST]
    with read(context.database) as connection:
        weights = [(c, _weights(context, connection, c)) for c in best]
    rivals: list[Rival] = []
    for candidate, found in weights:
        if found is not None:
            with suppress(UsageError):  # a network that no reference can be, such as one that normalises
                rivals.append(_rival(referenced, candidate, found))
    return tuple(rivals)


def _weights(context: Context, connection: Connection, candidate: Candidate) -> bytes | None:
    """The stored policy of a candidate's first trial in the search; None if it has none."""
    for trial in searched_trials(connection, candidate)[:1]:
        query = select(artifacts.c.path, artifacts.c.sha256).where(
            artifacts.c.trial_id == trial.id, artifacts.c.kind == "policy"
        )
        for path, digest in connection.execute(query):
            if digest is not None:
                return context.store.get(path)
            return Path(path).read_bytes() if Path(path).is_file() else None
    return None


def _rival(task: Referenced, candidate: Candidate, weights: bytes) -> Rival:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policy.safetensors"
        file.write_bytes(weights)
        policy = task.referring_to(str(file))
    return Rival(f"policy of {anonymous(candidate)}", policy.player)
