"""Work items `design`, `check` and `analyse`: agents and verification do them, the engine writes them down."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from rewardsmith.agents import roles
from rewardsmith.agents.models import ReplayKey, open_model
from rewardsmith.agents.prompting import Call, ParentProgram
from rewardsmith.engine.context import Context
from rewardsmith.engine.decide import repair_depth
from rewardsmith.engine.limits import LimitedModel
from rewardsmith.engine.snapshot import Snapshot, read_snapshot
from rewardsmith.methods import get_method
from rewardsmith.methods.base import Method
from rewardsmith.programs.reward import source_hash
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item
from rewardsmith.storage.records import Candidate
from rewardsmith.storage.schema import analyses, checks
from rewardsmith.tasks import get_task
from rewardsmith.tasks.subgoals import subgoal_order
from rewardsmith.verification.checks import Verdict, run_checks
from rewardsmith.verification.diagnosis import diagnose

_TRIED = 8  # failures that a prompt recalls


def run_design(context: Context, item: Item) -> None:
    """Ask the designer for one program and write it as a candidate, readable or not."""
    with read(context.database) as connection:
        snapshot = read_snapshot(connection, item.key.job_id)
        parents = [_parent(connection, snapshot, p) for p in item.payload["parents"]]
    spec, method = snapshot.spec, get_method(snapshot.spec.method)
    task = get_task(spec.task)
    repaired = next((c for c in snapshot.candidates if c.id == item.key.candidate), None)
    depth = 0 if repaired is None else repair_depth(snapshot, repaired) + 1
    order = subgoal_order(task) if spec.planner else None
    asked = roles.DesignRequest(
        method=method,
        interface=task.interface(),
        iteration=item.key.iteration,
        sample=item.key.sample,
        samples=spec.samples,
        move=item.payload["move"],
        depth=depth,
        parents=parents,
        tried=_tried(snapshot, item.key.iteration),
        subgoal_order=list(order) if order else None,
        dense_budget=next((c.budget for c in method.channels if c.budget is not None), None),
    )
    candidate_id = _candidate_id(item, depth)
    with _model(context, snapshot, "designer") as model:
        outcome = roles.design(model, asked)

        def rows(connection: Connection) -> None:
            _write_calls(connection, item, candidate_id, outcome.calls)
            _write_candidate(connection, item, candidate_id, outcome, method, bool(order))
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
    name = "seed" if item.key.candidate.split("-")[-1].lstrip("0123456789").startswith("seed") else letters
    return f"{item.key.job_id}-{item.key.iteration}{name}{depth + 1 if depth else ''}"


def _write_candidate(
    connection: Connection,
    item: Item,
    candidate_id: str,
    outcome: roles.Outcome,
    method: Method,
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
        channels=method.reward(source).as_dict(),
        state="dead" if cause else "designed",
        cause_of_death=cause,
        oracle_informed=oracle,
    )


def run_check(context: Context, item: Item) -> None:
    """Run the checks and the critic's review on a candidate; write every verdict."""
    with read(context.database) as connection:
        snapshot = read_snapshot(connection, item.key.job_id)
    candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
    spec, method = snapshot.spec, get_method(snapshot.spec.method)
    task = get_task(spec.task)
    checked = run_checks(task, method.reward(candidate.source), spec.training.gamma, context.sandbox_floor)
    with _model(context, snapshot, "critic") as model:
        verdicts, calls = list(checked.verdicts), []
        if checked.passed and spec.model != "none":
            key = ReplayKey("critic", candidate.iteration, candidate.sample, 2 * repair_depth(snapshot, candidate))
            played, components = checked.played, checked.components
            outcome = roles.review(model, method, task.interface(), candidate.source, components, played, key)
            verdicts.append(_critic_verdict(outcome))
            calls = outcome.calls
        _write_verdicts(context, item, candidate.id, verdicts, calls, advisory_battery=spec.model == "none")


def _write_verdicts(
    context: Context,
    item: Item,
    candidate_id: str,
    verdicts: list[Verdict],
    calls: list[Call],
    *,
    advisory_battery: bool,
) -> None:
    # A reward that a user asked to train is trained even if the battery warns.
    advisory = {"battery"} if advisory_battery else set()
    failed = next((v for v in verdicts if not v.passed and v.kind not in advisory), None)

    def rows(connection: Connection) -> None:
        _write_calls(connection, item, candidate_id, calls)
        for verdict in verdicts:
            records.put_check(
                connection,
                candidate_id=candidate_id,
                kind=verdict.kind,
                passed=verdict.passed,
                message=verdict.message,
                details=verdict.details,
            )
        values: dict[str, Any] = {"state": "passed"}
        if failed is not None:
            values = {"state": "dead", "cause_of_death": f"failed check {failed.kind}: {failed.message}"}
        records.update_candidate(connection, candidate_id, **values)
        queue.finish(connection, item, "done", {"passed": failed is None})

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
        snapshot = read_snapshot(connection, item.key.job_id)
        trial = records.trials_of(connection, candidate_id=item.key.candidate)[0]
        curve = records.curve_of(connection, trial.id)
    candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
    telemetry = trial.telemetry or {}
    labels = diagnose(trial.success or 0.0, curve, telemetry, trial.failure)
    episodes = telemetry.get("failed_episodes", [])
    rank = [i.key.candidate for i in snapshot.items_of("analyse", iteration=item.key.iteration)]
    key = ReplayKey("analyzer", item.key.iteration, rank.index(candidate.id), 0)
    with _model(context, snapshot, "analyzer") as model:
        outcome = roles.analyze(
            model,
            get_task(snapshot.spec.task).interface(),
            _anonymous(candidate),
            candidate.source,
            trial.success or 0.0,
            trial.steps,
            labels,
            telemetry.get("components", {}),
            episodes,
            key,
        )
        reading = outcome.result

        def rows(connection: Connection) -> None:
            _write_calls(connection, item, candidate.id, outcome.calls, sample=key.sample)
            records.put_analysis(
                connection,
                candidate_id=candidate.id,
                labels=labels,
                text="\n".join(reading.causes) if reading else outcome.reason,
                suggestion=reading.suggestion if reading else None,
                prediction=reading.prediction if reading else None,
                episodes="\n\n".join(episodes),
            )
            queue.finish(connection, item, "done", {"labels": list(labels)})

        context.write(rows)


def _model(context: Context, snapshot: Snapshot, role: str) -> LimitedModel:
    spec, folder = snapshot.spec, context.settings.home.resolve() / "manual"
    name = spec.model_of(role) if spec.model != "none" else "synth"
    # A submitter may not have the worker's keys sent to an address of his own.
    base = context.settings.api_base if snapshot.job.service else spec.api_base
    return LimitedModel(open_model(name, api_base=base, directory=folder), context, snapshot.job.id, spec.budget)


def _parent(connection: Connection, snapshot: Snapshot, candidate_id: str) -> ParentProgram:
    candidate = next(c for c in snapshot.candidates if c.id == candidate_id)
    failed = connection.execute(
        select(checks.c.kind, checks.c.message).where(checks.c.candidate_id == candidate_id, ~checks.c.passed)
    ).all()
    analysis = connection.execute(select(analyses).where(analyses.c.candidate_id == candidate_id)).mappings().first()
    trials = records.trials_of(connection, candidate_id=candidate_id)
    telemetry = trials[0].telemetry or {} if trials else {}
    return ParentProgram(
        id=_anonymous(candidate),
        source=candidate.source,
        score=candidate.score,
        labels=analysis["labels"] if analysis else {},
        components=telemetry.get("components", {}),
        failed_checks=[{"kind": row.kind, "message": row.message} for row in failed],
        suggestion=analysis["suggestion"] if analysis else None,
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


def _write_calls(
    connection: Connection, item: Item, candidate_id: str, calls: list[Call], sample: int | None = None
) -> None:
    for call in calls:
        answer = asdict(call.answer)
        records.put_call(
            connection,
            job_id=item.key.job_id,
            iteration=item.key.iteration,
            candidate=candidate_id,
            role=call.key.role,
            sample=max(item.key.sample, 0) if sample is None else sample,
            attempt=call.key.attempt,
            model=answer["model"],
            outcome=answer["outcome"],
            prompt_hash=call.prompt_hash,
            prompt=call.prompt,
            answer=answer["text"],
            prompt_tokens=answer["usage"]["prompt_tokens"],
            completion_tokens=answer["usage"]["completion_tokens"],
            price_usd=answer["price_usd"],
            latency_s=answer["latency_s"],
        )
