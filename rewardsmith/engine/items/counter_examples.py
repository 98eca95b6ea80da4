"""Counter-examples: recorded for a player, and played by the battery against every later program of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.recording import Recorder
from rewardsmith.programs.rollout import record
from rewardsmith.storage.schema import candidates, checks
from rewardsmith.tasks.base import Behaviour
from rewardsmith.tasks.capabilities import starts_of
from rewardsmith.verification.checks import Verdict
from rewardsmith.verification.counterexample import read_behaviour
from sandbox.client import HostError

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


_SHOWN = (48, 8)
"""First and last steps of a counter-example that a player shows: the steps between repeat its cycle."""


def with_recording(problem: Problem, verdict: Verdict) -> Verdict:
    """Return a verdict whose counter-example, if it has one, is played and recorded under `episode` of its details."""
    example = _example_of(verdict.details)
    if example is None:
        return verdict
    try:
        behaviour = read_behaviour(example)
        starts, task = starts_of(problem.task), problem.task
        batch = task.batch(1, "train") if starts is None else starts.real_batch(1, "train")
        try:
            batch.play(int(example["layout"]))
            layouts = batch.layout.copy()
            steps = min(int(example.get("steps") or task.max_steps), task.max_steps)
            rollout = record(batch, task, lambda t, begun: [behaviour.action(t)], steps, once=True)
        finally:
            batch.close()
        recorded = Recorder(problem, rollout, layouts, "train").episode(0, "counter-example", _SHOWN)
    except (HostError, KeyError, TypeError):
        return verdict  # the verdict stands without a picture of it
    return replace(verdict, details={**verdict.details, "episode": recorded.as_json()})


def _example_of(details: Mapping[str, Any]) -> Mapping[str, Any] | None:
    # The layouts of a certificate are records, those of a battery numbers.
    layouts = [each.get("counterexample") for each in details.get("layouts") or () if isinstance(each, Mapping)]
    return next((each for each in (*layouts, details.get("counterexample")) if each), None)
