"""Starts a job and runs it on this machine; shared by the command line and the public functions in api.py."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rewardsmith.agents.registry import is_ours
from rewardsmith.config import settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.task_files import accept_task_change, require_same_task, with_description
from rewardsmith.engine.jobs.templates import with_templates
from rewardsmith.errors import UsageError, no_cuda, require_train
from rewardsmith.executor import Executor
from rewardsmith.programs.reward_file import method_of
from rewardsmith.reporting import queries
from rewardsmith.reporting.text import stepping_words, training_words
from rewardsmith.spec import JobSpec, read_spec, with_changes, with_defaults
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read


def open_here(*, must_exist: bool = False, allow_weak_sandbox: bool = False) -> Context:
    """Open the database that the settings name, by default the one in this folder."""
    chosen = settings()
    if allow_weak_sandbox:
        os.environ["REWARDSMITH_ALLOW_WEAK_SANDBOX"] = "1"
        chosen = chosen.model_copy(update={"allow_weak_sandbox": True})
    return open_context(chosen, must_exist=must_exist)


def start(context: Context, spec: JobSpec, seed_reward: str | None = None) -> tuple[str, bool]:
    """Create a job, or resume the unfinished job with the same settings.

    Args:
        context: The open database.
        spec: The job's settings.
        seed_reward: Text of the user's own program, as the first candidate.

    Returns:
        The job's id, and whether an unfinished job was resumed.

    Raises:
        ModelFailed: An API key is missing. No job is created: otherwise its baseline would be trained before the error.
        RewardsmithError: A GPU or the extra `train` is missing. No job is created.
    """
    require_train("A job")
    spec = with_templates(with_description(spec))
    _require_keys(spec)
    _require_recording(spec)
    _require_device(spec)
    found = lifecycle.find_unfinished(context, spec, seed_reward)
    if found is not None:
        lifecycle.resume_job(context, found)
        return found, True
    return lifecycle.create_job(context, spec, seed_reward), False


def score_notice(context: Context, job_id: str) -> str | None:
    """Return a sentence about the scale of a job's scores, and what it means for the target; None with a success."""
    with read(context.database) as connection:
        spec = JobSpec.model_validate(records.get_job(connection, job_id).spec)
    if spec.score is None:
        return None
    searches_on = spec.target is not None and not spec.score.has_reference
    more = "; the search uses all its rounds, because a target needs a reference" if searches_on else ""
    return f"Rewards are compared by the score: {spec.score.words}{more}."


def _require_keys(spec: JobSpec) -> None:
    roles = {spec.model_of(role) for role in ("designer", "critic", "analyzer")}
    asked = {name for name in roles if not is_ours(name)}
    if not asked or spec.replay is not None or spec.fallback_models:
        return
    from rewardsmith.agents.litellm_model import require_key

    for name in sorted(asked):
        require_key(name, spec.api_base)


def _require_recording(spec: JobSpec) -> None:
    """Raise ModelFailed if a recording cannot be read, and UsageError if it is one of another task or method."""
    from rewardsmith.agents.recorded import PREFIX, read_about

    names = {spec.model_of(role) for role in ("designer", "critic", "analyzer")}
    for name in sorted(name for name in names if name.startswith(PREFIX)):
        about = read_about(Path(name.removeprefix(PREFIX)))
        if (about.task, about.method) != (spec.task, spec.method):
            raise UsageError(
                f"{name} holds answers for --task {about.task} --method {about.method}.",
                "Pass this task and method, or another --model.",
            )


def _require_device(spec: JobSpec) -> None:
    if spec.training.device != "cuda":
        return
    import torch

    if not torch.cuda.is_available():
        raise no_cuda()


def training_spec(task: str, source: str, seeds: int, given: Mapping[str, Any], changes: Sequence[str] = ()) -> JobSpec:
    """Return the settings of a job that checks one reward, trains it, and evaluates it on fresh seeds.

    Args:
        task: Task id, or the path of a YAML file that describes a task.
        source: Text of the reward program.
        seeds: Training seeds of the claim.
        given: Other settings of the job, by name.
        changes: Other settings as KEY=VALUE, such as training.entropy=0.01.

    Raises:
        UsageError: A setting is invalid, or the text defines no reward.
    """
    values: dict[str, Any] = {
        "task": task,
        "method": method_of(source),
        "model": "none",
        "iterations": 1,
        "samples": 1,
        "repairs": 0,
        "rungs": [1.0],
        "confirm": seeds,
        "target": None,
        **given,
    }
    return read_spec(with_defaults(with_changes(values, changes)))


@contextmanager
def executor(context: Context, job_id: str, slots: int | None) -> Iterator[Executor]:
    """Start the local executor of a job; end it when the `with` block is left.

    Raises MissingExtra without the extra `train`.
    """
    require_train("A job")
    process = Executor(context, job_id, slots)
    try:
        yield process
    finally:
        if process.running:
            _end(context, job_id, process)


def _end(context: Context, job_id: str, process: Executor) -> None:
    process.end()
    # Items that the process was killed too early to return. An interruption is not counted as an attempt.
    queue.release(context.database, job_id, queue.owners_of(process.pid))


def interrupt(context: Context, job_id: str, process: Executor) -> None:
    """Pause a job: its trials stop and continue later from their checkpoints; results so far are kept."""
    _end(context, job_id, process)
    lifecycle.pause_job(context, job_id, lifecycle.INTERRUPTED)


def find_job_id(context: Context, text: str) -> str:
    """Return the id of the job that `text` names: an id, a unique prefix, or "latest". Raises UsageError."""
    with read(context.database) as connection:
        return queries.find_job(connection, text).id


def is_submitted(context: Context, job_id: str) -> bool:
    """Return whether the job was submitted to the service, rather than started on this machine."""
    with read(context.database) as connection:
        return records.get_job(connection, job_id).service


def choices(context: Context, job_id: str) -> list[str]:
    """Sentences on what was chosen when a job was created: processes, the algorithm and its settings."""
    with read(context.database) as connection:
        spec = records.get_job(connection, job_id).spec
    stepped = stepping_words(spec)
    return [*([] if stepped is None else [stepped]), *training_words(spec)]


def as_created(context: Context, job_id: str, spec: JobSpec) -> JobSpec:
    """Return the settings that a user gave, with the training settings and the steps that the job was created with."""
    with read(context.database) as connection:
        stored = JobSpec.model_validate(records.get_job(connection, job_id).spec)
    return spec.model_copy(update={"training": stored.training, "steps": stored.steps})


def settle_task(context: Context, job_id: str, accept: bool) -> list[str]:
    """Check a job's task before it is opened; return notes for the user.

    Args:
        context: The open database.
        job_id: The job.
        accept: Whether to accept a changed module of the task and mark the job.

    Raises:
        UsageError: The module has changed and `accept` is false.
    """
    with read(context.database) as connection:
        spec = JobSpec.model_validate(records.get_job(connection, job_id).spec)
    if spec.description is None:
        return []
    notes: list[str] = []
    if accept:
        notes += [f"accepted, and marked in the job: {change}" for change in accept_task_change(context, job_id)]
    else:
        require_same_task(spec)
    file = Path(spec.task)
    # A Python file is a source of the description rather than its text; its hash has been compared above.
    if file.suffix != ".py" and file.is_file() and file.read_bytes() != spec.description.text.encode():
        notes.append(f"{file} has changed since the job was created; the job continues with its own copy.")
    return notes
