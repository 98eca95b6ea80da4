"""Work item `analyse`: the diagnosis of a trained candidate, and the analyzer's report on its failed episodes."""

from __future__ import annotations

from sqlalchemy import Connection

from rewardsmith.agents import roles
from rewardsmith.agents.models import ReplayKey
from rewardsmith.engine.context import Context
from rewardsmith.engine.items.shown import (
    anonymous,
    curve_points,
    searched_trials,
    solution_pay,
    where_episodes_stop,
)
from rewardsmith.engine.models.open import lengths, open_role, own_prompts, reads_facts
from rewardsmith.engine.search.snapshot import reaches_target
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item
from rewardsmith.storage.records import Candidate
from rewardsmith.tasks import get_task
from rewardsmith.telemetry import Telemetry
from rewardsmith.training.briefing import briefing
from rewardsmith.verification.diagnosis import diagnose


def run_analyse(context: Context, item: Item) -> None:
    """Diagnose a trained candidate, let the analyzer read its failed episodes, and write the result.

    The analyzer is not called on a candidate that reached the target.
    """
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
        candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
        trial = searched_trials(connection, candidate)[0]
        curve = records.curve_of(connection, trial.id)
        solution = solution_pay(connection, candidate)
        comments = records.comments_of(connection, item.key.job_id, item.key.iteration)
    scale = snapshot.spec.score
    telemetry = Telemetry.from_json(trial.telemetry)
    labels = diagnose(trial.success or 0.0, curve, telemetry, trial.failure, scale, solution)
    labels = _with_second_trial(labels, candidate)
    rank = [i.key.candidate for i in snapshot.items_of("analyse", iteration=item.key.iteration)]
    recipe = recipe_of(snapshot.spec)
    asked = roles.AnalysisRequest(
        contract=recipe.contract,
        interface=briefing(get_task(snapshot.spec.task, snapshot.spec.description), snapshot.spec),
        candidate=anonymous(candidate),
        source=candidate.source,
        success=trial.success or 0.0,
        score=telemetry.score.mean if scale is not None and telemetry.score is not None else None,
        scale=scale,
        steps=trial.steps,
        labels=labels,
        components={name: c.as_json() for name, c in telemetry.components.items()},
        episodes=[*telemetry.failed_episodes],
        key=ReplayKey("analyzer", item.key.iteration, rank.index(candidate.id), 0),
        curve=curve_points(curve),
        channels={name: c.as_json() for name, c in telemetry.channels.items()},
        evidence=recipe.evidence(telemetry),
        stops=where_episodes_stop(telemetry, snapshot.spec.shows_planner("analyzer")),
        learning=telemetry.learning.as_json(),
        comments=comments,
        facts=reads_facts(snapshot.spec, "analyzer"),
        limits=lengths(snapshot.spec),
        prompts=own_prompts(snapshot.spec),
    )
    if reaches_target(snapshot, candidate):
        outcome = roles.Outcome(None, "The analyzer was not asked, because the target is reached.", answered=False)
    else:
        outcome = roles.analyze(open_role(context, snapshot, item, "analyzer", candidate.id), asked)
    reading = outcome.result

    def rows(connection: Connection) -> None:
        records.put_analysis(
            connection,
            candidate_id=candidate.id,
            labels=labels,
            text="\n".join(reading.causes) if reading else outcome.reason,
            suggestion=reading.suggestion if reading else None,
            prediction=reading.prediction if reading else None,
            episodes="\n\n".join(asked.episodes),
        )
        queue.finish(connection, item, "done", {"labels": list(labels)})

    context.write(rows)


def _with_second_trial(labels: dict[str, str], candidate: Candidate) -> dict[str, str]:
    """Add the result of a retraining to the label that led to it."""
    adjustment = candidate.adjustment or {}
    if "note" not in adjustment:
        return labels
    reason = adjustment["reason"]
    return {**labels, reason: "; ".join(filter(None, [labels.get(reason), adjustment["note"]]))}
