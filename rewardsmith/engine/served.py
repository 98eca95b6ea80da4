"""Restrictions on submitted jobs, checked at submission and again by every worker.

A submitter cannot write rows directly, but workers do not trust the rows either: another version of rewardsmith, or a
database role with more rights, may have written them. A worker checks the same snapshot that it then works from, and
reads no part of a job twice.
"""

from __future__ import annotations

import re

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
from rewardsmith.tasks import is_shipped, list_tasks
from rewardsmith.tasks.described.description import is_description_file
from rewardsmith.tasks.described.installed import installed_tasks
from rewardsmith.tasks.described.modules import NOT_OPENED, TO_INSTALL, refuse_task_files


class NotServed(UsageError):
    """A submitted job requires something that is allowed only for jobs on the user's own machine."""


SERVED_SETTINGS = frozenset(
    {
        "task", "method", "combine", "options", "weights", "transforms", "model", "designer_model", "critic_model",
        "analyzer_model", "fallback_models", "stream", "prompt_tokens", "answer_tokens", "iterations", "samples",
        "repairs", "seeds", "steps", "rungs", "keep", "target", "order", "retrain", "confirm", "designs",
        "verification", "train_anyway", "episode_cap", "planner", "seed", "training", "budget", "name", "score",
        "training_defaults", "baseline_training", "claim_layouts",
    }
)  # fmt: skip
"""Settings that a submitted job may change. All others are refused, also new ones until they are added here."""

# A provider's client may use an address in a model's name as the server that it sends its key to
# ("huggingface/https://host/"), and some clients insert the name into an address. Plain parts between single slashes
# are safe from both.
_MODEL_NAME = re.compile(r"[A-Za-z0-9][\w.:+-]*(/@?[A-Za-z0-9][\w.:+-]*)*(@[A-Za-z0-9][\w-]*)?", re.ASCII)
# One part of an Amazon resource name becomes part of a server's name
# ("bedrock/agentcore/arn:aws:...:evil.example/:..."). Real regions contain neither dots nor slashes.
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]+:[0-9]+:[\w./:-]+", re.ASCII)
_LONGEST_NAME = 200


def is_served(context: Context, job: Job) -> bool:
    """Return whether a job was submitted. In a worker of the service every job counts as submitted."""
    return context.served or job.service


def checked_snapshot(context: Context, connection: Connection, job_id: str) -> Snapshot:
    """Read all rows of a job before working on it. Raises NotServed for a submitted job that is not allowed."""
    try:
        snapshot = read_snapshot(connection, job_id)
    except ValidationError as error:
        raise unreadable(error) from error
    if is_served(context, snapshot.job):
        require_served(snapshot.spec)
        _check_names(snapshot)
    return snapshot


def unreadable(error: ValidationError) -> NotServed:
    """Return the error for a job whose settings this version cannot read."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "spec"
    return NotServed(
        f"The job's settings cannot be read: {place}: {first['msg']}.",
        "Submit the job again with the version of rewardsmith that the workers run.",
    )


def require_served(spec: JobSpec) -> None:
    """Check stored settings as `check_served` does. An unknown method or option also raises NotServed."""
    try:
        check_served(spec)
    except NotServed:
        raise
    except UsageError as error:  # a method or an option of another version
        raise NotServed(error.cause, error.remedy) from error


def check_served(spec: JobSpec) -> None:
    """Raise NotServed for settings that would make a worker read files, import code or send its keys elsewhere."""
    if ":" in spec.task or not (is_shipped(spec.task) or spec.task in installed_tasks()):
        if ":" in spec.task or is_description_file(spec.task):
            raise NotServed(f"The task {spec.task!r} is not installed, and {NOT_OPENED}", TO_INSTALL)
        raise NotServed(
            f"The workers have no task {spec.task!r}.",
            f"Set task to an id of `rewardsmith tasks list`. For a task of your own: {TO_INSTALL}",
        )
    if spec.description is not None:
        raise NotServed(
            "A submitted job may not contain a description of its task, because a worker would import its module.",
            "Remove `description`, and set task to an id of `rewardsmith tasks list`.",
        )
    if spec.record is not None or spec.replay is not None:
        raise NotServed(
            "A submitted job may not set record or replay, because they name files of the worker's machine.",
            "Remove them, or use `rewardsmith run`.",
        )
    if spec.api_base is not None:
        raise NotServed(
            "A submitted job may not set api_base, because the workers' API keys would be sent to that address.",
            "Remove api_base; the operator of the workers sets REWARDSMITH_API_BASE.",
        )
    for name, setting in JobSpec.model_fields.items():
        if name not in SERVED_SETTINGS and getattr(spec, name) != setting.get_default(call_default_factory=True):
            raise NotServed(f"A submitted job may not set {name}.", f"Remove {name}, or use `rewardsmith run`.")
    for model in asked_models(spec):
        _check_model(model)
    if recipe_of(spec).reads_files:
        raise NotServed(
            f"An option of {spec.method} names a file, but a submitted job may not read files of the worker's machine.",
            "Remove the option language_model, or use `rewardsmith run`.",
        )


def asked_models(spec: JobSpec) -> list[str]:
    """Return all models that a job's settings name, fallbacks included."""
    named = [spec.model, spec.designer_model, spec.critic_model, spec.analyzer_model, *spec.fallback_models]
    return [name for name in named if name]


def _check_model(name: str) -> None:
    if needs_files(name):
        raise NotServed(
            f"The model {name!r} reads files or starts programs, which a submitted job may not do.",
            "Use `rewardsmith run` for it.",
        )
    if not is_ours(name) and not _is_plain(name):
        raise NotServed(
            f"The model {name[:_LONGEST_NAME]!r} is not a plain name: an address in it would get the workers' keys.",
            "Write PROVIDER/MODEL, such as openai/gpt-4o.",
        )


def _is_plain(name: str) -> bool:
    _, arn, after = name.partition("arn:")
    named = not arn or _ARN.fullmatch(arn + after)
    return bool(len(name) <= _LONGEST_NAME and named and _MODEL_NAME.fullmatch(name))


def _check_names(snapshot: Snapshot) -> None:
    """Raise NotServed for ids that are not plain names, because ids become names of folders and files."""
    job = snapshot.job.id
    own = re.compile(rf"{re.escape(job)}-[0-9A-Za-z]+")
    strange = [c.id for c in snapshot.candidates if not own.fullmatch(c.id)]
    if strange or not re.fullmatch(r"[0-9A-Za-z]+", job):
        raise NotServed(
            f"The job contains the id {(strange or [job])[0]!r}, which rewardsmith did not create.",
            "Submit the job again.",
        )


def warm_up() -> None:
    """Prepare a worker before it claims its first item: refuse task files, load tasks and methods (about a second)."""
    refuse_task_files()
    list_tasks()
    installed_tasks()
    all_methods()
