"""Server-sent events: a page learns that its job has changed, and receives the new rows of the table of events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy import Engine, func, select, text
from starlette.concurrency import run_in_threadpool

from rewardsmith.pages.rendering import line, when
from rewardsmith.storage.changes import Changes
from rewardsmith.storage.database import read
from rewardsmith.storage.schema import events

EVERY = 0.7
"""Seconds between two looks at the database."""

SILENCE = 15.0
"""Seconds after which a comment is sent, so that a lost connection is noticed."""

_MOST = 50  # events at once

# What a page of a job shows, in a few numbers; none of them reads the text of a program or a prompt.
_JOB = text("""
SELECT j.state, COALESCE(j.note, ''), COALESCE(j.best_candidate, ''),
       (SELECT COUNT(*) FROM candidates c WHERE c.job_id = j.id),
       (SELECT COALESCE(SUM(t.steps), 0) FROM trials t WHERE t.job_id = j.id),
       (SELECT COUNT(*) FROM work_items w WHERE w.job_id = j.id AND w.state IN ('queued', 'leased', 'waiting')),
       (SELECT MAX(w.id) FROM work_items w WHERE w.job_id = j.id AND w.state = 'leased'),
       (SELECT MAX(l.id) FROM llm_calls l WHERE l.job_id = j.id),
       (SELECT MAX(c.id) FROM comments c WHERE c.job_id = j.id)
FROM jobs j WHERE j.id = :job
""")
_ALL = text("""
SELECT (SELECT COUNT(*) FROM jobs), (SELECT MAX(id) FROM events),
       (SELECT COUNT(*) FROM work_items WHERE state = 'queued'),
       (SELECT COUNT(*) FROM work_items WHERE state = 'leased'), (SELECT COUNT(*) FROM workers)
""")


class Signal:
    """Looks whether a job, or with None anything, has changed since the last look. Used by one stream."""

    def __init__(self, engine: Engine, job_id: str | None, after: int | None = None) -> None:
        """after: id of the last event that the page has received; None for the newest."""
        self._engine, self._job = engine, job_id
        self._changes = Changes(engine)
        self._shown: tuple[Any, ...] | None = None
        self._last = after

    def look(self) -> tuple[bool, list[dict[str, Any]]]:
        """Return whether something shown has changed, and the new events, oldest first."""
        if not self._changes.seen():
            return False, []
        with read(self._engine) as connection:
            if self._job is None:
                shown = tuple(connection.execute(_ALL).one())
            else:
                row = connection.execute(_JOB, {"job": self._job}).one_or_none()
                shown = () if row is None else tuple(row)
            query = select(events.c.id, events.c.at, events.c.kind, events.c.text)
            newest = select(func.coalesce(func.max(events.c.id), 0))
            if self._job is not None:
                query, newest = (q.where(events.c.job_id == self._job) for q in (query, newest))
            if self._last is None:
                self._last = connection.execute(newest).scalar_one()
            found = connection.execute(query.where(events.c.id > self._last).order_by(events.c.id).limit(_MOST)).all()
        changed = self._shown is not None and shown != self._shown
        self._shown = shown
        self._last = found[-1].id if found else self._last
        told = [
            {"id": e.id, "at": when(e.at), "kind": line(e.kind, 24), "text": line(e.text or "", 300)} for e in found
        ]
        return changed, told

    def close(self) -> None:
        """Close the connection that looks for commits."""
        self._changes.close()


async def stream(signal: Signal, gone: Callable[[], Awaitable[bool]], every: float = EVERY) -> AsyncIterator[str]:
    """Yield server-sent events until `gone()`: `changed` without data, `logged` with an event as JSON."""
    quiet = 0.0
    try:
        yield "retry: 2000\n\n"
        while not await gone():
            changed, logged = await run_in_threadpool(signal.look)
            for event in logged:
                yield f"id: {event['id']}\nevent: logged\ndata: {json.dumps(event)}\n\n"
            if changed or logged:
                quiet = 0.0
                yield "event: changed\ndata: {}\n\n"
            elif (quiet := quiet + every) >= SILENCE:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(every)
    finally:
        signal.close()
