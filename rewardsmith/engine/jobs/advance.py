"""Applies the steps of `decide` to the database, in one transaction each. Any process may call `advance`."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import DataError

from rewardsmith.engine.context import Context
from rewardsmith.engine.jobs.lifecycle import pause_job
from rewardsmith.engine.jobs.replays import drop_replays
from rewardsmith.engine.search.claim import claim_of
from rewardsmith.engine.search.rounds import decide
from rewardsmith.engine.search.snapshot import read_snapshot
from rewardsmith.engine.search.steps import AddItem, FinishJob, SetBest, SetCandidate, SetIteration, Step
from rewardsmith.engine.served import is_served, unreadable
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.events import add_event
from rewardsmith.storage.schema import now

_MOST_STEPS = 50


def advance(context: Context, job_id: str) -> int:
    """Apply the next steps of a job; return how many were applied.

    A submitted job is paused with a note if its settings cannot be read, or lead to numbers that the database cannot
    store. Otherwise one such job would stop a scheduler from advancing all others.
    """
    try:
        return _advance(context, job_id)
    except (ValidationError, DataError) as error:
        with read(context.database) as connection:
            if not is_served(context, records.get_job(connection, job_id)):
                raise
        reason = unreadable(error) if isinstance(error, ValidationError) else str(error.orig).splitlines()[0]
        pause_job(context, job_id, str(reason))
        return 0


def _advance(context: Context, job_id: str) -> int:
    taken = 0
    # Some steps (a rejection, a closed round) make further steps possible at once.
    for _ in range(_MOST_STEPS):
        steps = context.write(lambda connection: _step(connection, job_id))
        taken += len(steps)
        drop_replays(context, job_id, steps)
        if not steps:
            break
    return taken


def _step(connection: Connection, job_id: str) -> list[Step]:
    # Without the lock, two workers that finish at the same time would each decide without the other's result.
    records.lock_job(connection, job_id)
    steps = decide(read_snapshot(connection, job_id))
    for step in steps:
        _apply(connection, job_id, step)
    return steps


def _apply(connection: Connection, job_id: str, step: Step) -> None:
    match step:
        case AddItem(key, payload):
            queue.insert(connection, key, payload)
        case SetIteration(number, state, summary):
            records.put_iteration(connection, job_id, number, state=state, summary=summary)
        case SetCandidate(candidate_id, values):
            records.update_candidate(connection, candidate_id, **values)
            if values.get("state") == "rejected":
                records.stop_trials(connection, job_id, candidate_id)
        case SetBest(candidate_id):
            records.update_job(connection, job_id, best_candidate=candidate_id)
        case FinishJob(state, note):
            # If the job fails, its open items are useless.
            queue.cancel_open(connection, job_id)
            records.stop_trials(connection, job_id)
            snapshot = read_snapshot(connection, job_id)
            best = snapshot.ranking()
            values: dict[str, Any] = {}
            if best:
                values["best_candidate"] = best[0].id
            if best and state == "done" and not snapshot.fails_before_claim(best[0]):
                values["claim"] = claim_of(connection, job_id, best[0].id)
            records.update_job(connection, job_id, state=state, note=note, finished_at=now(), **values)
            add_event(connection, state, job_id=job_id, text=note)
