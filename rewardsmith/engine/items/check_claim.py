"""Work item `recheck` before a claim: checks the candidate to be claimed on more layouts than before its training."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from rewardsmith.engine.context import Context
from rewardsmith.engine.items.counter_examples import saved_exploits
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.events import add_event
from rewardsmith.storage.queue import Item
from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import state_limit_of
from rewardsmith.verification.checks import ADVISORY, Checked, Proof, Verdict, run_checks, steps_played
from rewardsmith.verification.layouts import HARD_LAYOUTS
from rewardsmith.verification.soundness import soundness_of
from rewardsmith.verification.yielding_lock import at_once

_COUNTS = ("battery", "certificate")
"""Checks whose verdict replaces that of the check before training."""


_LIMIT = 100_000
"""Most nodes of a layout that are enumerated; bounds are tried on a layout that has more."""


def run_check_claim(context: Context, item: Item) -> None:
    """Check a candidate on the random layouts that the payload asks for, and on a few hard ones.

    The verdicts replace those of the check before training. The candidate passes unless a check fails that counts for
    this job.
    """
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
        exploits = saved_exploits(connection, item.key.job_id, item.key.iteration)
    candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
    spec, task = snapshot.spec, get_task(snapshot.spec.task, snapshot.spec.description)
    reward = TrainingReward.from_stored(candidate.source, candidate.reward).written
    problem = Problem(task, reward, spec.training.gamma, context.settings.isolation)
    limit = min(state_limit_of(task), _LIMIT)
    proof = Proof(int(item.payload["layouts"]), limit, None, hard=HARD_LAYOUTS, first_failure=True)
    with at_once(context.settings.check_processes):
        checked = run_checks(problem, proof, exploits)
    warns = not spec.searches or spec.train_anyway
    failed = [v for v in checked.verdicts if not v.passed and not (warns and v.kind in ADVISORY)]
    told = _told(checked, failed)

    def rows(connection: Connection) -> None:
        for verdict in (v for v in checked.verdicts if v.kind in _COUNTS):
            records.put_check(connection, candidate_id=candidate.id, **_row(verdict))
        claim = Verdict("before the claim", not failed, told)
        records.put_check(connection, candidate_id=candidate.id, **_row(claim))
        if failed:
            why = f"failed the check before the claim: {told}"
            records.update_candidate(connection, candidate.id, rejection_reason=why)
        add_event(connection, "checked", job_id=item.key.job_id, item_id=item.id, text=f"{candidate.id}: {told}")
        result = {"passed": not failed, "told": told, "played": steps_played(task, checked)}
        queue.finish(connection, item, "done", result)

    context.write(rows)


def _row(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in ("kind", "passed", "message", "details")}


def _told(checked: Checked, failed: list[Verdict]) -> str:
    """Say what the check found: the certificate's headline, or the first failure."""
    certificate = next((v for v in checked.verdicts if v.kind == "certificate"), None)
    headline = None if certificate is None else soundness_of(certificate.details).headline
    if not failed:
        return headline or "no check of more layouts can run on this task"
    first = failed[0]
    if first.kind == "certificate" and headline is not None:
        return headline
    return f"{first.kind}: {first.message}".split("\n")[0]
