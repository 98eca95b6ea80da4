"""Work item `design`: the designer writes one program, which becomes a candidate."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from rewardsmith.agents import roles
from rewardsmith.agents.prompting import ParentProgram
from rewardsmith.engine.context import Context
from rewardsmith.engine.items.shown import (
    anonymous,
    check_figures,
    curve_points,
    difficulty_in,
    searched_trials,
    where_episodes_stop,
)
from rewardsmith.engine.models.open import lengths, open_role, own_prompts, reads_facts
from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.methods.recipe import Recipe, recipe_of
from rewardsmith.programs.reward import source_hash
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item
from rewardsmith.storage.schema import analyses, checks
from rewardsmith.tasks import get_task
from rewardsmith.tasks.subgoals import planner_events, subgoal_order
from rewardsmith.telemetry import Telemetry
from rewardsmith.training.briefing import briefing

_TRIED = 8  # failures that a prompt recalls
_EPISODES = 2  # failed episodes that a designer is shown


def run_design(context: Context, item: Item) -> None:
    """Let the designer write one program and store it as a candidate; an unreadable answer is a rejected candidate."""
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
        parents = [_parent(connection, snapshot, p) for p in item.payload["parents"]]
        comments = records.comments_of(connection, item.key.job_id, item.key.iteration)
    spec, recipe = snapshot.spec, recipe_of(snapshot.spec)
    contract = recipe.contract
    assert contract is not None, "a method without a contract asks for no design"
    task = get_task(spec.task, spec.description)
    repaired = next((c for c in snapshot.candidates if c.id == item.key.candidate), None)
    depth = 0 if repaired is None else snapshot.repair_depth(repaired) + 1
    order = subgoal_order(task) if spec.shows_planner() else None
    asked = roles.DesignRequest(
        contract=contract,
        interface=briefing(task, spec),
        iteration=item.key.iteration,
        sample=item.key.sample,
        samples=spec.samples,
        move=item.payload["move"],
        depth=depth,
        parents=parents,
        tried=_tried(snapshot, item.key.iteration),
        comments=comments,
        subgoal_order=list(order) if order else None,
        planner_events=(planner_events(task) or ()) if order else (),
        given=recipe.given(task),
        facts=reads_facts(spec, "designer"),
        scale=spec.score,
        episode_cap=spec.episode_cap,
        limits=lengths(spec),
        prompts=own_prompts(spec),
    )
    candidate_id = _candidate_id(item, depth)
    outcome = roles.design(open_role(context, snapshot, item, "designer", candidate_id), asked)

    def rows(connection: Connection) -> None:
        _write_candidate(connection, item, candidate_id, outcome, recipe, bool(order))
        used_up = {"used_up": True} if outcome.used_up else {}
        queue.finish(connection, item, "done", {"candidate": candidate_id, **used_up})

    context.write(rows)


def _candidate_id(item: Item, depth: int) -> str:
    letters = ""
    number = item.key.sample
    while True:
        letters = "abcdefghijklmnopqrstuvwxyz"[number % 26] + letters
        number = number // 26 - 1
        if number < 0:
            break
    # A user's own reward is repaired under its own name.
    own = re.match(r"\d+(seed|user\d+x?)", item.key.candidate.split("-")[-1])
    name = own[1].rstrip("x") + ("x" if own[1].startswith("user") else "") if own else letters
    return f"{item.key.job_id}-{item.key.iteration}{name}{depth + 1 if depth else ''}"


def _write_candidate(
    connection: Connection,
    item: Item,
    candidate_id: str,
    outcome: roles.Outcome,
    recipe: Recipe,
    oracle: bool,
) -> None:
    source = outcome.result.source if outcome.result else ""
    digest = source_hash(source)
    cause = None
    if outcome.result is None:
        cause = f"the designer's answer could not be read: {outcome.reason}"
        if outcome.used_up:
            cause = f"not designed: {outcome.reason}"
    records.put_candidate(
        connection,
        id=candidate_id,
        job_id=item.key.job_id,
        iteration=item.key.iteration,
        kind="designed",
        move=item.payload["move"],
        sample=item.key.sample,
        parents=item.payload["parents"],
        source=source,
        source_hash=digest,
        thoughts=outcome.result.thoughts if outcome.result else None,
        reward=recipe.reward(source).stored,
        state="rejected" if cause else "designed",
        rejection_reason=cause,
        oracle_informed=oracle or recipe.oracle_informed,
    )


def _parent(connection: Connection, snapshot: Snapshot, candidate_id: str) -> ParentProgram:
    candidate = next(c for c in snapshot.candidates if c.id == candidate_id)
    columns = (checks.c.kind, checks.c.passed, checks.c.message, checks.c.details)
    checked = connection.execute(select(*columns).where(checks.c.candidate_id == candidate_id)).all()
    analysis = connection.execute(select(analyses).where(analyses.c.candidate_id == candidate_id)).mappings().first()
    trials = searched_trials(connection, candidate)
    telemetry = Telemetry.from_json(trials[0].telemetry if trials else None)
    details = {row.kind: row.details or {} for row in checked}
    shown = snapshot.spec.shows_planner()
    causes: list[str] = str(analysis["text"] or "").splitlines() if analysis and analysis["suggestion"] else []
    return ParentProgram(
        id=anonymous(candidate),
        source=candidate.source,
        score=candidate.score,
        labels=analysis["labels"] if analysis else {},
        components={name: c.as_json() for name, c in telemetry.components.items()},
        failed_checks=[
            {"kind": row.kind, "message": str((row.details or {}).get("told", row.message))}
            for row in checked
            if not row.passed
        ],
        notes=[
            {"kind": row.kind, "message": str(note)}
            for row in checked
            if row.passed
            for note in _noted(row.details or {}, shown)
        ],
        suggestion=analysis["suggestion"] if analysis else None,
        causes=causes,
        prediction=(analysis["prediction"] or None) if analysis else None,
        stops=where_episodes_stop(telemetry, shown),
        figures=check_figures(details, difficulty_in(details)),
        curve=curve_points(records.curve_of(connection, trials[0].id)) if trials else [],
        episodes=[*telemetry.failed_episodes[:_EPISODES]],
    )


def _noted(details: dict[str, Any], planner: bool) -> Iterable[str]:
    """What a passed check noted; while the planner is hidden, without actions that the solution needs."""
    return details.get("noted", ()) if planner else details.get("noted_without_actions", details.get("noted", ()))


def _tried(snapshot: Snapshot, iteration: int) -> list[dict[str, str]]:
    """Return the rejected candidates of earlier rounds. Those of this round depend on timing, and prompts must not."""
    earlier = [c for c in snapshot.candidates if c.iteration < iteration]
    rejected = [c for c in earlier if c.state == "rejected" and c.rejection_reason]
    return [
        {
            "id": anonymous(c),
            "move": c.move,
            "reason": (c.rejection_reason or "").replace(snapshot.job.id + "-", ""),
        }
        for c in rejected[-_TRIED:]
    ]
