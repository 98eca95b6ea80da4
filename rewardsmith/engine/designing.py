"""Work items `design`, `check` and `analyse`: agents and verification do them, the engine writes them down."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from rewardsmith.agents import roles
from rewardsmith.agents.models import ReplayKey
from rewardsmith.agents.prompting import ParentProgram
from rewardsmith.engine.budgets import bounded
from rewardsmith.engine.context import Context
from rewardsmith.engine.decide import repair_depth
from rewardsmith.engine.hacks import saved_hacks
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.engine.snapshot import Snapshot
from rewardsmith.engine.speaking import lengths, open_role, reads_facts
from rewardsmith.methods.recipe import Recipe, recipe_of
from rewardsmith.programs.reward import TrainingReward, source_hash
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item
from rewardsmith.storage.records import Candidate, Trial
from rewardsmith.storage.schema import analyses, checks
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.subgoals import subgoal_order
from rewardsmith.verification.checks import RANDOM_TRANSITIONS, Proof, Verdict, run_checks, steps_played
from rewardsmith.verification.diagnosis import diagnose

_TRIED = 8  # failures that a prompt recalls
_CURVE_POINTS = 10  # of a training curve, as in Eureka (arXiv 2310.12931)
_EPISODES = 2  # failed episodes that a designer is shown


def run_design(context: Context, item: Item) -> None:
    """Ask the designer for one program and write it as a candidate, readable or not."""
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
        parents = [_parent(connection, snapshot, p) for p in item.payload["parents"]]
        comments = records.comments_of(connection, item.key.job_id, item.key.iteration)
    spec, recipe = snapshot.spec, recipe_of(snapshot.spec)
    contract = recipe.contract
    assert contract is not None, "a method without a contract asks for no design"
    task = get_task(spec.task, spec.description)
    repaired = next((c for c in snapshot.candidates if c.id == item.key.candidate), None)
    depth = 0 if repaired is None else repair_depth(snapshot, repaired) + 1
    order = subgoal_order(task) if spec.planner else None
    asked = roles.DesignRequest(
        contract=contract,
        interface=task.interface(),
        iteration=item.key.iteration,
        sample=item.key.sample,
        samples=spec.samples,
        move=item.payload["move"],
        depth=depth,
        parents=parents,
        tried=_tried(snapshot, item.key.iteration),
        comments=comments,
        subgoal_order=list(order) if order else None,
        given=recipe.given(task),
        facts=reads_facts(spec, "designer"),
        limits=lengths(spec),
    )
    candidate_id = _candidate_id(item, depth)
    outcome = roles.design(open_role(context, snapshot, item, "designer", candidate_id), asked)

    def rows(connection: Connection) -> None:
        _write_candidate(connection, item, candidate_id, outcome, recipe, bool(order))
        queue.finish(connection, item, "done", {"candidate": candidate_id})

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
        channels=recipe.reward(source).as_dict(),
        state="dead" if cause else "designed",
        cause_of_death=cause,
        oracle_informed=oracle or recipe.oracle_informed,
    )


def run_check(context: Context, item: Item) -> None:
    """Run the checks and the critic's review on a candidate; write every verdict."""
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
        hacks = saved_hacks(connection, item.key.job_id, item.key.iteration)
    candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
    spec, recipe = snapshot.spec, recipe_of(snapshot.spec)
    task, gamma, allow = get_task(spec.task, spec.description), spec.training.gamma, context.sandbox_floor
    reward = bounded(task, recipe.reward(candidate.source), spec.episode_budget, gamma, allow)
    proof = Proof(wanted=spec.verification)
    # What is paid during training only cannot be checked beforehand.
    checked = run_checks(task, reward.written, gamma, allow, proof, hacks, most_played(task, spec))
    verdicts = list(checked.verdicts)
    bonuses = [c.name for c in reward.channels if c.kind == "bonus"]
    if bonuses and checked.passed:
        text = f"paid during training only, and left out of the other checks: {', '.join(bonuses)}"
        verdicts.append(Verdict("bonuses", True, text))
    if checked.passed and candidate.kind == "designed":
        verdicts.append(_novelty(context, snapshot, candidate, verdicts))
    objections = {v.kind for v in verdicts if not v.passed}
    goes_on = not objections or (spec.train_anyway and objections <= {"battery", "certificate"})
    if goes_on and spec.searches and recipe.contract is not None:
        asked = roles.ReviewRequest(
            contract=recipe.contract,
            interface=task.interface(),
            source=candidate.source,
            components=checked.components,
            played=checked.played,
            key=ReplayKey("critic", candidate.iteration, candidate.sample, 2 * repair_depth(snapshot, candidate)),
            given=recipe.given(task),
            facts=reads_facts(spec, "critic"),
            limits=lengths(spec),
        )
        outcome = roles.review(open_role(context, snapshot, item, "critic", candidate.id), asked)
        verdicts.append(_critic_verdict(outcome))
    # A reward that a user asked to train is trained even if the battery or the certificate warns.
    advisory = set[str]() if spec.searches else {"battery", "certificate"}
    advisory |= {"battery", "certificate"} if spec.train_anyway else set[str]()
    told = {"difficulty": checked.difficulty, "behaviour": _behaviour(verdicts), "played": steps_played(task, checked)}
    _write_verdicts(context, item, candidate.id, verdicts, advisory, told, reward)


def most_played(task: Task, spec: JobSpec) -> int:
    """Transitions of random play in a check: where they are dear, at most a quarter of what the first rung trains."""
    quarter = int(spec.steps * spec.rungs[0]) // 4
    return RANDOM_TRANSITIONS if task.engine == "batched" else min(RANDOM_TRANSITIONS, quarter)


def _novelty(context: Context, snapshot: Snapshot, candidate: Candidate, verdicts: list[Verdict]) -> Verdict:
    """Whether no program of an earlier round paid exactly the same on the played transitions.

    Those of the same round are compared once all of its checks are in (engine.decide): who is checked first depends on
    timing.
    """
    mine = _behaviour(verdicts)
    if mine is None:
        return Verdict("novelty", True, "no program to compare")
    earlier = [c for c in snapshot.candidates if c.iteration < candidate.iteration and c.kind != "baseline"]
    with read(context.database) as connection:
        for other in earlier:
            query = select(checks.c.details).where(checks.c.candidate_id == other.id, checks.c.kind == "contract")
            details = connection.execute(query).scalar()
            if details and details.get("behaviour") == mine:
                name = _anonymous(other)
                text = f"pays exactly what {name} paid on every played transition; training would bring nothing new"
                return Verdict("novelty", False, text, {"same_as": other.id})
    return Verdict("novelty", True, "no earlier program paid the same")


def _behaviour(verdicts: list[Verdict]) -> str | None:
    """Hash of what the reward paid on the played transitions, if it was scored on them."""
    return next((v.details["behaviour"] for v in verdicts if "behaviour" in v.details), None)


def _write_verdicts(
    context: Context,
    item: Item,
    candidate_id: str,
    verdicts: list[Verdict],
    advisory: set[str],
    told: dict[str, Any],
    reward: TrainingReward,
) -> None:
    """`told`: what the item's result says besides."""
    failed = next((v for v in verdicts if not v.passed and v.kind not in advisory), None)

    def rows(connection: Connection) -> None:
        for verdict in verdicts:
            records.put_check(
                connection,
                candidate_id=candidate_id,
                kind=verdict.kind,
                passed=verdict.passed,
                message=verdict.message,
                details=verdict.details,
            )
        values: dict[str, Any] = {"state": "passed", "channels": reward.as_dict()}
        if failed is not None:
            values |= {"state": "dead", "cause_of_death": f"failed check {failed.kind}: {failed.message}"}
        records.update_candidate(connection, candidate_id, **values)
        queue.finish(connection, item, "done", {"passed": failed is None, **told})

    context.write(rows)


def _critic_verdict(outcome: roles.Outcome) -> Verdict:
    if outcome.result is None:
        # The critic advises; a critic that cannot be read must not kill a program that passed every check.
        return Verdict("critic", True, f"no readable review: {outcome.reason}")
    issues = [f"{f'line {i.line}: ' if i.line else ''}{i.problem}; {i.remedy}" for i in outcome.result.issues]
    text = "\n".join(issues) or "no objection"
    return Verdict("critic", outcome.result.verdict == "accept", text)


def run_analyse(context: Context, item: Item) -> None:
    """Diagnose a trained candidate and ask the analyzer about its failed episodes."""
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
        candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
        trial = _searched(connection, candidate)[0]
        curve = records.curve_of(connection, trial.id)
        comments = records.comments_of(connection, item.key.job_id, item.key.iteration)
    telemetry = trial.telemetry or {}
    labels = _with_second_trial(diagnose(trial.success or 0.0, curve, telemetry, trial.failure), candidate)
    rank = [i.key.candidate for i in snapshot.items_of("analyse", iteration=item.key.iteration)]
    asked = roles.AnalysisRequest(
        interface=get_task(snapshot.spec.task, snapshot.spec.description).interface(),
        candidate=_anonymous(candidate),
        source=candidate.source,
        success=trial.success or 0.0,
        steps=trial.steps,
        labels=labels,
        components=telemetry.get("components", {}),
        episodes=telemetry.get("failed_episodes", []),
        key=ReplayKey("analyzer", item.key.iteration, rank.index(candidate.id), 0),
        curve=curve_points(curve),
        channels=telemetry.get("channels", {}),
        evidence=recipe_of(snapshot.spec).evidence(telemetry),
        learning=telemetry.get("learning") or {},
        comments=comments,
        facts=reads_facts(snapshot.spec, "analyzer"),
        limits=lengths(snapshot.spec),
    )
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
    """The labels with what came of training once more, under the label that led to it."""
    adjustment = candidate.adjustment or {}
    if "note" not in adjustment:
        return labels
    reason = adjustment["reason"]
    return {**labels, reason: "; ".join(filter(None, [labels.get(reason), adjustment["note"]]))}


def _searched(connection: Connection, candidate: Candidate) -> list[Trial]:
    """The search's trials that stand for a candidate, by seed."""
    found = records.trials_of(connection, candidate_id=candidate.id)
    return [t for t in found if t.purpose == candidate.search_purpose]


def curve_points(curve: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """At most ten points of a curve, evenly chosen, the last among them, as prompts show them."""
    known = [p for p in curve if p["success"] is not None]
    count = min(_CURVE_POINTS, len(known))
    chosen = [known[((i + 1) * len(known)) // count - 1] for i in range(count)]
    return [
        {
            "steps": p["steps"],
            "success": p["success"],
            "components": {n: c["mean"] for n, c in (p["components"] or {}).get("components", {}).items()},
        }
        for p in chosen
    ]


def _parent(connection: Connection, snapshot: Snapshot, candidate_id: str) -> ParentProgram:
    candidate = next(c for c in snapshot.candidates if c.id == candidate_id)
    failed = connection.execute(
        select(checks.c.kind, checks.c.message).where(checks.c.candidate_id == candidate_id, ~checks.c.passed)
    ).all()
    analysis = connection.execute(select(analyses).where(analyses.c.candidate_id == candidate_id)).mappings().first()
    trials = _searched(connection, candidate)
    telemetry = trials[0].telemetry or {} if trials else {}
    return ParentProgram(
        id=_anonymous(candidate),
        source=candidate.source,
        score=candidate.score,
        labels=analysis["labels"] if analysis else {},
        components=telemetry.get("components", {}),
        failed_checks=[{"kind": row.kind, "message": row.message} for row in failed],
        suggestion=analysis["suggestion"] if analysis else None,
        curve=curve_points(records.curve_of(connection, trials[0].id)) if trials else [],
        episodes=telemetry.get("failed_episodes", [])[:_EPISODES],
    )


def _anonymous(candidate: Candidate) -> str:
    """The candidate's name without the job's random id: prompts must be the same when a job is run again."""
    return candidate.id.split("-", 1)[1]


def _tried(snapshot: Snapshot, iteration: int) -> list[dict[str, str]]:
    """Deaths of earlier rounds: those of this round depend on who finished first, and prompts must not."""
    earlier = [c for c in snapshot.candidates if c.iteration < iteration]
    dead = [c for c in earlier if c.state == "dead" and c.cause_of_death]
    return [
        {
            "id": _anonymous(c),
            "move": c.move,
            "cause": (c.cause_of_death or "").replace(snapshot.job.id + "-", ""),
        }
        for c in dead[-_TRIED:]
    ]
