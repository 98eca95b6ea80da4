"""Work item `recheck`: checks a reward again, with the weights of a retraining or before its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from rewardsmith.engine.context import Context
from rewardsmith.engine.items.check import extent
from rewardsmith.engine.items.check_claim import run_check_claim
from rewardsmith.engine.items.counter_examples import saved_exploits
from rewardsmith.engine.items.earlier_policies import earlier_policies
from rewardsmith.engine.search.retraining import weighed
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item
from rewardsmith.storage.reads import fetch
from rewardsmith.tasks import get_task
from rewardsmith.verification.checks import Verdict, run_checks, steps_played
from rewardsmith.verification.soundness import VERDICTS, soundness_of

_KEPT = ("battery", "certificate")


def run_recheck(context: Context, item: Item) -> None:
    """Check a candidate with the weights in the item's payload. It passes unless a verdict is worse than before.

    With a number of layouts in the payload, it is the check before the claim (check_claim.py).
    """
    if "layouts" in item.payload:
        run_check_claim(context, item)
        return
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
        exploits = saved_exploits(connection, item.key.job_id, item.key.iteration)
        before = fetch(connection, "checks", candidate_id=item.key.candidate)
    candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
    spec, weights = snapshot.spec, item.payload["weights"]
    task = get_task(spec.task, spec.description)
    reward = weighed(TrainingReward.from_stored(candidate.source, candidate.reward), weights).written
    asked = Problem(task, reward, spec.training.gamma, context.settings.isolation)
    most, proof = extent(task, spec)
    rivals = earlier_policies(context, snapshot, task, item.key.iteration)
    checked = run_checks(asked, proof, exploits, most, rivals)
    problem = worse({str(row["kind"]): row for row in before}, checked.verdicts)
    kept = [asdict(v) for v in checked.verdicts if v.kind in _KEPT]
    said = [f"{v.kind}: {v.message}" for v in checked.verdicts if v.kind in _KEPT]
    named = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())

    def rows(connection: Connection) -> None:
        records.put_check(
            connection,
            candidate_id=candidate.id,
            kind="recheck",
            passed=problem is None,
            message="\n".join([f"with other weights ({named}): {problem or 'no verdict is worse'}", *said]),
            details={"weights": weights, "verdicts": kept},
        )
        result = {"passed": problem is None, "message": problem, "played": steps_played(task, checked)}
        queue.finish(connection, item, "done", result)

    context.write(rows)


def worse(before: Mapping[str, Mapping[str, Any]], after: Sequence[Verdict]) -> str | None:
    """Return the first verdict that is worse than before, as text, or None.

    Args:
        before: Rows of the earlier checks, by kind.
        after: The new verdicts.
    """
    for verdict in after:
        row = before.get(verdict.kind)
        if not verdict.passed and (row is None or row["passed"]):
            return f"{verdict.kind}: {verdict.message}"
        if verdict.kind == "certificate" and row is not None and row["details"]:
            now, then = soundness_of(verdict.details), soundness_of(row["details"])
            if VERDICTS.index(now.verdict) < VERDICTS.index(then.verdict):
                return f"certificate: {now.headline}, which was {then.headline}"
    return None
