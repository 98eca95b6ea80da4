"""Creates, finds, pauses, resumes, extends and cancels jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, select

from rewardsmith.agents.pricing import has_price
from rewardsmith.agents.replay import start_recording
from rewardsmith.engine.context import Context
from rewardsmith.engine.jobs.replays import drop_all_but
from rewardsmith.engine.jobs.settling import settle_training
from rewardsmith.engine.jobs.task_files import require_same_task, with_description
from rewardsmith.engine.jobs.templates import with_templates
from rewardsmith.engine.models.open import models_of
from rewardsmith.engine.search.rounds import decide
from rewardsmith.engine.search.shares import claim_steps, least_steps
from rewardsmith.engine.search.snapshot import Snapshot, Used, read_snapshot
from rewardsmith.engine.search.steps import AddItem, SetIteration
from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import Recipe, formerly, recipe_of
from rewardsmith.programs.reward import source_hash, top_level_names
from rewardsmith.seeds import search_seed
from rewardsmith.spec import CLAIM_LAYOUTS, JobSpec
from rewardsmith.storage import procedures, queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.events import add_event
from rewardsmith.storage.queue import ItemKey
from rewardsmith.storage.records import Candidate, Iteration, Job
from rewardsmith.storage.rows import Scheduling
from rewardsmith.storage.schema import jobs, now
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import planner_of, tabular_of
from rewardsmith.tasks.random_play import measure_scale
from rewardsmith.training.fit import baseline_training, require_algorithm
from rewardsmith.training.schedule import distinct_rungs

LOCAL = Scheduling()
"""The scheduling of a job that a local executor works on."""

UNFINISHED = ("running", "paused")

INTERRUPTED = "Interrupted; what was finished is kept."
PAUSED_BY_OWNER = "Paused by its owner."
ASKED_PAUSES = (INTERRUPTED, PAUSED_BY_OWNER)
"""Notes of pauses that a user requested; any other note of a paused job describes an error."""


def create_job(context: Context, spec: JobSpec, seed_reward: str | None = None, scheduling: Scheduling = LOCAL) -> str:
    """Create a job with its baseline.

    Args:
        context: The process's context.
        spec: The job's settings.
        seed_reward: Text of the user's own program, which becomes a candidate of the first round.
        scheduling: Owner, priority and slots of a submitted job.

    Returns:
        The job's id.

    Raises:
        UsageError: The task or method is unknown, or the budget cannot be enforced or is too small.
    """
    if not scheduling.service:
        spec = with_templates(with_description(spec))
    task, recipe = get_task(spec.task, spec.description), recipe_of(spec)
    asked = spec.fingerprint(seed_reward)  # by which the same command finds the unfinished job
    recipe.check(task)
    given = spec = settle_training(spec, task, recipe)
    require_algorithm(task, spec.training)
    _require_whole_episodes(spec)
    spec = given = spec.model_copy(update={"baseline_training": baseline_training(task, spec)})
    if (scored := with_score(spec, task, seed_reward)) is not spec:
        spec = given = scored
        recipe = recipe_of(spec)
    if recipe.contract is None:
        if seed_reward is not None:
            raise UsageError(
                f"The method {spec.method} takes no program.", "Remove --seed-reward, or use --method free."
            )
        seed_reward, spec = recipe.program(task), spec.model_copy(update=_UNDESIGNED)
    spec = spec.model_copy(update={"rungs": distinct_rungs(task, spec.training, spec.steps, spec.rungs)})
    spec = spec.model_copy(update={"claim_layouts": _claim_layouts(task, spec)})
    check_budget(spec)
    if spec.record is not None:
        start_recording(Path(spec.record), given.model_dump(mode="json"), seed_reward)
    shown = spec.searches and spec.shows_planner() and planner_of(task) is not None
    oracle_informed = shown or recipe.oracle_informed
    if scheduling.service:
        with context.database.begin() as connection:
            if procedures.offered(connection):
                return _submit(connection, spec, recipe, seed_reward, asked, oracle_informed, scheduling)
    with context.database.begin() as connection:
        job = records.add_job(
            connection, spec.model_dump(mode="json"), asked, scheduling, oracle_informed=oracle_informed
        )
        _write_opening(connection, _opening(job, spec, recipe, seed_reward))
        if job.service:
            add_event(connection, "submitted", job_id=job.id, owner=job.owner)
    return job.id


def _claim_layouts(task: Task, spec: JobSpec) -> int:
    """Return the number of layouts of the check before the claim; on slow tasks a default would take minutes."""
    if spec.claim_layouts is not None:
        return spec.claim_layouts
    known = task.cheap_steps and planner_of(task) is not None and tabular_of(task) is not None
    return CLAIM_LAYOUTS if known else 0


def _require_whole_episodes(spec: JobSpec) -> None:
    """Raise UsageError for a cap per episode with hindsight experience replay, which scores single transitions."""
    if spec.training.her and spec.episode_cap:
        raise UsageError(
            "Hindsight experience replay scores single transitions, so that no cap per episode can be kept.",
            "Leave --episode-cap out, or set `training.her` to false.",
        )


def with_score(spec: JobSpec, task: Task, seed_reward: str | None = None) -> JobSpec:
    """Return `spec` with the scale of the task's scores, for which the task is played at random; a given one is kept.

    Unless the spec names a method, the method becomes `free`, so that the environment's own reward, which is the score,
    is a part of the training reward. A seed reward that defines no reward() or potential() keeps the default method.

    Raises:
        UsageError: The task's reference is no better than random play.
    """
    if spec.score is not None or (scale := measure_scale(task)) is None:
        return spec
    fits = seed_reward is None or bool(top_level_names(seed_reward) & {"reward", "potential"})
    method = "free" if fits and "method" not in spec.model_fields_set else spec.method
    return spec.model_copy(update={"score": scale, "method": method})


def _submit(
    connection: Connection,
    spec: JobSpec,
    recipe: Recipe,
    seed_reward: str | None,
    asked: str,
    oracle_informed: bool,
    scheduling: Scheduling,
) -> str:
    program = None
    if seed_reward is not None:
        program = procedures.program_of(
            recipe.reward(seed_reward).as_dict(), source_hash(seed_reward), oracle_informed=recipe.oracle_informed
        )
    values = spec.model_dump(mode="json")
    return procedures.submit(connection, values, asked, scheduling, oracle_informed=oracle_informed, program=program)


_UNDESIGNED = {"designs": False, "iterations": 1, "samples": 1, "repairs": 0, "rungs": (1.0,), "target": None}
"""Settings of a job whose method has a fixed reward, which is only trained and confirmed."""


def check_budget(spec: JobSpec) -> None:
    """Raise UsageError for limits that cannot be enforced, or are too small for one candidate and its claim."""
    limit = spec.budget.env_steps
    if limit is not None and limit < least_steps(spec):
        raise UsageError(
            f"A budget of {limit:,} environment steps is too small: the claim takes {claim_steps(spec):,}; with the "
            f"baseline and the first rung of one candidate the job takes {least_steps(spec):,.0f}.",
            "Raise --max-steps, or lower --confirm or --steps.",
        )
    models = {name for role in ("designer", "critic", "analyzer") for name in models_of(spec, role)}
    unpriced = sorted(m for m in models if spec.budget.dollars is not None and not has_price(m))
    if unpriced:
        raise UsageError(
            f"The price of {unpriced[0]} is unknown, so --max-dollars cannot be enforced.",
            "Use --max-tokens or --max-calls instead.",
        )


def _opening(job: Job, spec: JobSpec, recipe: Recipe, seed_reward: str | None) -> Snapshot:
    """Return the rows of a new job: its baseline, and a given program as one more candidate of the first round."""
    baseline = _candidate(
        f"{job.id}-sparse", job, iteration=0, kind="baseline", move="baseline", sample=0, source="",
        source_hash=recipe.sparse.hash, reward=recipe.sparse.stored, state="passed", oracle_informed=False,
    )  # fmt: skip
    items = [queue.new_item(ItemKey(job.id, "baseline", candidate=baseline.id, seed=search_seed(spec.seed, 0)))]
    if seed_reward is None:
        return Snapshot(job, spec, [], [baseline], items, Used())
    seeded = _candidate(
        f"{job.id}-1seed", job, iteration=1, kind="seeded", move="new", sample=spec.samples, source=seed_reward,
        source_hash=source_hash(seed_reward), reward=recipe.reward(seed_reward).stored, state="designed",
        oracle_informed=recipe.oracle_informed,
    )  # fmt: skip
    for k in range(spec.samples if spec.searches else 0):
        items.append(queue.new_item(ItemKey(job.id, "design", iteration=1, sample=k), {"move": "new", "parents": []}))
    return Snapshot(job, spec, [Iteration(job.id, 1, "running", None)], [baseline, seeded], items, Used())


def _candidate(candidate_id: str, job: Job, **values: Any) -> Candidate:
    empty = {
        "parents": [], "thoughts": None, "rejection_reason": None, "score": None, "created_at": now(),
        "adjustment": None,
    }  # fmt: skip
    return Candidate(id=candidate_id, job_id=job.id, **empty, **values)


def _write_opening(connection: Connection, opening: Snapshot) -> None:
    """Write the rows of a new job, and for the service also its first work items.

    `decide` runs on the rows in memory, because the submitter's connection to the database may be slow; other processes
    see the job only after the transaction. A local executor creates the first work items itself.
    """
    iterations, items = list(opening.iterations), list(opening.items)
    for step in decide(opening) if opening.job.service else ():
        match step:
            case AddItem(key, payload):
                items.append(queue.new_item(key, payload))
            case SetIteration(number, state, summary):
                iterations.append(Iteration(opening.job.id, number, state, summary))
            case _:
                raise AssertionError(step)
    if iterations:
        records.add_iterations(connection, iterations)
    records.add_candidates(connection, opening.candidates)
    queue.add(connection, items)


def find_unfinished(context: Context, spec: JobSpec, seed_reward: str | None = None) -> str | None:
    """Return the unfinished job with the same settings, if there is one. Former names are recognised."""
    former = formerly(spec)
    asked = {each.fingerprint(seed_reward, former_names=old) for each in (spec, former) for old in (False, True)}
    query = select(jobs.c.id).where(jobs.c.fingerprint.in_(asked), jobs.c.state.in_(UNFINISHED), ~jobs.c.service)
    with read(context.database) as connection:
        return connection.execute(query.order_by(jobs.c.created_at.desc())).scalars().first()


def require_unfinished(job: Job) -> None:
    """Raise UsageError if a job has ended."""
    if job.state not in UNFINISHED:
        more = "" if job.state == "cancelled" else f"; `rewardsmith extend {job.id}` adds rounds to the search"
        raise UsageError(
            f"Job {job.id} has ended already ({job.state}).", f"`rewardsmith show {job.id}` shows its result{more}."
        )


def resume_job(context: Context, job_id: str) -> None:
    """Resume a paused job; its trials continue from their checkpoints.

    Raises UsageError if the job has ended, and TaskChanged if the module of its task has changed.
    """
    with context.database.begin() as connection:
        records.lock_job(connection, job_id)
        job = records.get_job(connection, job_id)
        require_unfinished(job)
        require_same_task(JobSpec.model_validate(job.spec))
        if job.state == "paused":
            records.update_job(connection, job_id, state="running", note=None, finished_at=None, charged_at=None)
            add_event(connection, "resumed", job_id=job_id)


def pause_job(context: Context, job_id: str, note: str) -> None:
    """Pause a job: its items are no longer claimed, results so far are kept. `resume_job` undoes this."""
    with context.database.begin() as connection:
        records.lock_job(connection, job_id)
        if records.get_job(connection, job_id).state != "running":
            return
        best = best_of(connection, job_id)
        values = {"best_candidate": best} if best else {}
        records.update_job(connection, job_id, state="paused", note=note, **values)
        add_event(connection, "paused", job_id=job_id, text=note)


def best_of(connection: Connection, job_id: str) -> str | None:
    """Return the best candidate so far; None if there is none, or if this version cannot read the job's settings."""
    try:
        ranked = read_snapshot(connection, job_id).ranking()
    except ValidationError:
        return None
    return ranked[0].id if ranked else None


def pause_for_answers(context: Context, job_id: str) -> bool:
    """Pause a job if all its open work waits for answers of a person; return whether it was paused."""
    with context.database.begin() as connection:
        snapshot = read_snapshot(connection, job_id)
        waiting = [i for i in snapshot.items if i.state == "waiting"]
        going_on = any(i.state in ("queued", "leased") for i in snapshot.items) or decide(snapshot)
        if snapshot.job.state != "running" or not waiting or going_on:
            return False
        note = f"{len(waiting)} prompts wait for a person's answer; `rewardsmith calls pending` lists them."
        records.update_job(connection, job_id, state="paused", note=note)
        return True


def cancel_job(context: Context, job_id: str) -> None:
    """Cancel an unfinished job. Its candidates and trials remain readable. Raises UsageError if it has ended."""
    with context.database.begin() as connection:
        if procedures.steer(connection, records.get_job(connection, job_id)):
            procedures.cancel(connection, job_id)
            return
        records.lock_job(connection, job_id)
        job = records.get_job(connection, job_id)
        require_unfinished(job)
        queue.cancel_open(connection, job_id)
        records.stop_trials(connection, job_id)
        records.update_job(connection, job_id, state="cancelled", note="cancelled by the user", finished_at=now())
        add_event(connection, "cancelled", job_id=job_id)
    drop_all_but(context, job_id)


def stop_for_time(context: Context, job_id: str, note: str) -> None:
    """End a job whose time budget is spent; its best candidate is kept."""
    with context.database.begin() as connection:
        records.lock_job(connection, job_id)
        snapshot = read_snapshot(connection, job_id)
        if snapshot.job.state != "running":
            return
        best = snapshot.ranking()
        queue.cancel_open(connection, job_id)
        records.stop_trials(connection, job_id)
        state = "done" if best else "failed"
        values = {"best_candidate": best[0].id} if best else {}
        records.update_job(connection, job_id, state=state, note=note, finished_at=now(), **values)
    drop_all_but(context, job_id)


def extend_job(context: Context, job_id: str, iterations: int) -> None:
    """Add rounds to a job that has ended or is running. The target no longer stops the search.

    Work items that failed because of the task's environment are queued again.

    Raises:
        UsageError: The job was cancelled, does not search, or its time budget is spent.
        TaskChanged: The module of its task has changed.
    """
    with context.database.begin() as connection:
        job = records.get_job(connection, job_id)
        if job.state == "cancelled":
            raise UsageError(f"Job {job_id} was cancelled.", "Start a new job with `rewardsmith run`.")
        spec = JobSpec.model_validate(job.spec)
        require_same_task(spec)
        if not spec.searches:
            raise UsageError(
                f"Job {job_id} trains a given reward and has no rounds to add.",
                "Start a job that designs rewards with `rewardsmith run`.",
            )
        limit = spec.budget.seconds
        if limit is not None and job.active_seconds >= limit:
            raise UsageError(
                f"Job {job_id} has spent its budget of {limit:g} s.", "Start a new job with a larger --max-seconds."
            )
        done = len(records.iterations_of(connection, job_id))
        planned = spec.iterations if job.state in UNFINISHED else done
        changed = spec.model_copy(update={"iterations": planned + iterations, "target": None})
        if any("task_fault" in (i.result or {}) for i in records.items_of(connection, job_id)):
            # The environment failed, and may have been fixed since.
            vetoed = [c.id for c in records.candidates_of(connection, job_id) if c.state == "vetoed"]
            queue.reopen(connection, job_id, but=vetoed)
        records.update_job(
            connection,
            job_id,
            spec=changed.model_dump(mode="json"),
            fingerprint=changed.fingerprint(),
            state="running",
            note=None,
            finished_at=None,
        )


def add_active_seconds(context: Context, job_id: str, seconds: float) -> None:
    """Add to a job's working time. Time while the job is paused or nothing runs is not charged to the budget."""
    with context.database.begin() as connection:
        connection.execute(
            jobs.update().where(jobs.c.id == job_id).values(active_seconds=jobs.c.active_seconds + seconds)
        )
