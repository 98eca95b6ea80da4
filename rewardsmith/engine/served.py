"""What a submitted job may not ask of the workers, and the one reading of it that a worker goes by.

Whoever submits can write no row, but the rows are not trusted either: another version, or a role with more rights, may
have written them. So a worker checks the very snapshot that it then works from, and reads nothing of a job twice.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pydantic import ValidationError
from sqlalchemy import Connection

from rewardsmith.agents.registry import is_ours, needs_files
from rewardsmith.engine.context import Context
from rewardsmith.engine.search.snapshot import Snapshot, read_snapshot
from rewardsmith.errors import UsageError
from rewardsmith.methods import all_methods
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import JobSpec
from rewardsmith.storage.records import Job
from rewardsmith.tasks import list_tasks
from rewardsmith.tasks.described.modules import refuse_task_files


class NotServed(UsageError):
    """A submitted job asks for something that only its own machine may do."""


SERVED_SETTINGS = frozenset(
    {
        "task", "method", "combine", "options", "weights", "model", "designer_model", "critic_model",
        "analyzer_model", "fallback_models", "stream", "prompt_tokens", "answer_tokens", "iterations", "samples",
        "repairs", "seeds", "steps", "rungs", "keep", "target", "favourite_first", "retrain", "confirm", "designs",
        "verification", "train_anyway", "episode_budget", "planner", "seed", "training", "budget", "name",
    }
)  # fmt: skip
"""Settings that a submitted job may change; every other one is refused, a new one until it is listed here."""

# A provider's client may take an address within a model's name for the server to send its key to
# ("huggingface/https://host/"), and some put the name into one: plain parts between single slashes do neither.
_MODEL_NAME = re.compile(r"[A-Za-z0-9][\w.:+-]*(/@?[A-Za-z0-9][\w.:+-]*)*(@[A-Za-z0-9][\w-]*)?", re.ASCII)
# Of Amazon's long names one part becomes part of a server's name ("bedrock/agentcore/arn:aws:...:evil.example/:..."),
# and their own regions hold neither dots nor slashes.
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]+:[0-9]+:[\w./:-]+", re.ASCII)
_LONGEST_NAME = 200


def is_served(context: Context, job: Job) -> bool:
    """Whether a job is the service's: whatever its row says, every one that a worker of the service holds."""
    return context.served or job.service


def checked_snapshot(context: Context, connection: Connection, job_id: str) -> Snapshot:
    """All rows of one job, for whoever does its work. Raises NotServed for a served job that may not be done."""
    try:
        snapshot = read_snapshot(connection, job_id)
    except ValidationError as error:
        raise unreadable(error) from error
    if is_served(context, snapshot.job):
        require_served(snapshot.spec)
        _check_names(snapshot)
    return snapshot


def unreadable(error: ValidationError) -> NotServed:
    """What to say of a job whose settings this version cannot read."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "spec"
    return NotServed(
        f"The job's settings cannot be read: {place}: {first['msg']}.",
        "Submit it again with the version of rewardsmith that the workers have.",
    )


def require_served(spec: JobSpec) -> None:
    """`check_served` for stored settings, which may name what this version does not know. Raises NotServed."""
    try:
        check_served(spec)
    except NotServed:
        raise
    except UsageError as error:  # a method or an option of another version
        raise NotServed(error.cause, error.remedy) from error


def check_served(spec: JobSpec) -> None:
    """Raises NotServed for a spec that would have a worker read files, import code or send its keys elsewhere."""
    if spec.task not in _installed():
        raise NotServed(
            f"The task {spec.task!r} is not installed with the workers.",
            "Give an id of `rewardsmith tasks list`; a task file is read on one machine only: `rewardsmith run`.",
        )
    if spec.description is not None:
        raise NotServed(
            "A submitted job may not carry a description of its task: it could have workers import a module.",
            "Leave `description` out, and name a task of `rewardsmith tasks list`.",
        )
    if spec.record is not None or spec.replay is not None:
        raise NotServed(
            "A submitted job cannot record to, or replay from, a file of the worker's.",
            "Use `rewardsmith run` for recordings.",
        )
    if spec.api_base is not None:
        raise NotServed(
            "A submitted job may not choose the address that the workers' keys are sent to.",
            "Leave api_base out; whoever runs the workers sets REWARDSMITH_API_BASE.",
        )
    for name, setting in JobSpec.model_fields.items():
        if name not in SERVED_SETTINGS and getattr(spec, name) != setting.get_default(call_default_factory=True):
            raise NotServed(f"A submitted job may not set {name}.", "Leave it out, or use `rewardsmith run`.")
    for model in asked_models(spec):
        _check_model(model)
    if recipe_of(spec).reads_files:
        raise NotServed(
            f"An option of {spec.method} names a file, and a submitted job may not have workers read theirs.",
            "Leave language_model out, or use `rewardsmith run`.",
        )


def asked_models(spec: JobSpec) -> list[str]:
    """Every model that a job names, whatever for."""
    named = [spec.model, spec.designer_model, spec.critic_model, spec.analyzer_model, *spec.fallback_models]
    return [name for name in named if name]


def _check_model(name: str) -> None:
    if needs_files(name):
        raise NotServed(f"The model {name!r} needs files of one machine.", "Use `rewardsmith run` for it.")
    if not is_ours(name) and not _is_plain(name):
        raise NotServed(
            f"The model {name[:_LONGEST_NAME]!r} is no plain name: an address in it would be sent the workers' keys.",
            "Name it PROVIDER/MODEL, such as openai/gpt-4o.",
        )


def _is_plain(name: str) -> bool:
    _, arn, after = name.partition("arn:")
    named = not arn or _ARN.fullmatch(arn + after)
    return bool(len(name) <= _LONGEST_NAME and named and _MODEL_NAME.fullmatch(name))


def _check_names(snapshot: Snapshot) -> None:
    """Ids become names of folders and files."""
    job = snapshot.job.id
    own = re.compile(rf"{re.escape(job)}-[0-9A-Za-z]+")
    strange = [c.id for c in snapshot.candidates if not own.fullmatch(c.id)]
    if strange or not re.fullmatch(r"[0-9A-Za-z]+", job):
        raise NotServed(f"{(strange or [job])[0]!r} is no id that rewardsmith gives.", "Submit the job again.")


@lru_cache
def _installed() -> frozenset[str]:
    return frozenset(task_id for task_id, _ in list_tasks())


def warm_up() -> None:
    """Before a worker claims its first item: open no task files from here on, load tasks and methods (a second)."""
    refuse_task_files()
    _installed()
    all_methods()
