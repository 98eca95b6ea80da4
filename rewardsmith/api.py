"""What the CLI and `rewardsmith.design` both do: open the database, start a job, run it, read its end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsmith.agents.models import is_ours
from rewardsmith.config import Settings, settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.task_files import accept_task_change, with_description
from rewardsmith.engine.models.open import recorded_job, write_cassette
from rewardsmith.engine.reward_files import method_of
from rewardsmith.errors import RewardsmithError, UsageError, no_cuda
from rewardsmith.executor import Executor
from rewardsmith.offline import dry_run
from rewardsmith.reporting import queries
from rewardsmith.reporting.queries import Claim
from rewardsmith.reporting.reward_file import read_program_file
from rewardsmith.spec import JobSpec, read_spec, with_changes, with_defaults
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read


@dataclass(frozen=True)
class Design:
    """How a job ended. `source` is the best program; `claim` is None if nothing was confirmed."""

    job_id: str
    state: str
    note: str | None
    best: str | None
    source: str | None
    claim: Claim | None


def design(task: str, *, home: str | Path | None = None, slots: int | None = None, **options: Any) -> Design:
    """Design a reward for `task` and wait for the end; `options` are the fields of a JobSpec.

    Does what `rewardsmith run --task TASK` does, without a screen. Raises RewardsmithError.
    """
    if not isinstance(task, str):
        raise UsageError(
            f"design() takes the id of a task or the path of a YAML file, not a {type(task).__name__}.",
            "A MiniGrid environment of your own can be checked, not trained: see `check_reward` in docs/check.md.",
        )
    chosen = settings() if home is None else Settings(home=Path(home))
    spec = read_spec(with_defaults({"task": task, **options}))
    context = open_context(chosen)
    job_id, _ = start(context, spec)
    with executor(context, job_id, slots) as process:
        process.wait()
    with read(context.database) as connection:
        job = records.get_job(connection, job_id)
        best = records.get_candidate(connection, job.best_candidate) if job.best_candidate else None
        claim = queries.read_claim(connection, job)
    if job.state == "running":
        cause, remedy = process.failure or ("The executor ended early.", "")
        raise RewardsmithError(cause, remedy or f"Call design() again to go on; see `rewardsmith logs {job.id}`.")
    return Design(job.id, job.state, job.note, best and best.id, best and best.source, claim)


def prepare(task: str) -> None:
    """Compile what a job on `task` runs, and build its layouts, ahead of the first one.

    Runs a tiny job in a temporary folder: nothing else is sure to touch all that a job touches.
    Raises RewardsmithError, UsageError for an unknown task.
    """
    few = {"eval_episodes": 10, "final_episodes": 10}
    tiny = {"iterations": 1, "samples": 1, "steps": 20_000, "rungs": [1.0], "confirm": 1, "training": few}
    with tempfile.TemporaryDirectory() as folder:
        ended = design(task, home=folder, **tiny)
    if ended.state != "done":
        raise RewardsmithError(f"The tiny job on {task} ended as {ended.state}.", ended.note or "Run a job to see why.")


def open_here(*, must_exist: bool = False, allow_weak_sandbox: bool = False) -> Context:
    """The database of this folder (or of the settings)."""
    chosen = settings()
    if allow_weak_sandbox:
        os.environ["REWARDSMITH_ALLOW_WEAK_SANDBOX"] = "1"
        chosen = chosen.model_copy(update={"allow_weak_sandbox": True})
    return open_context(chosen, must_exist=must_exist)


def start(context: Context, spec: JobSpec, seed_reward: str | None = None) -> tuple[str, bool]:
    """Create the job, or find the unfinished one that asked for the same; (id, whether it goes on).

    Raises ModelFailed or RewardsmithError, and creates nothing, where an API key or a GPU is missing: a baseline
    would be trained first, or in vain.
    """
    spec = with_description(spec)
    _require_keys(spec)
    _require_device(spec)
    found = lifecycle.find_unfinished(context, spec, seed_reward)
    if found is not None:
        lifecycle.resume_job(context, found)
        return found, True
    return lifecycle.create_job(context, spec, seed_reward), False


def _require_keys(spec: JobSpec) -> None:
    roles = {spec.model_of(role) for role in ("designer", "critic", "analyzer")}
    asked = {name for name in roles if not is_ours(name)}
    if not asked or spec.replay is not None or spec.fallback_models:
        return
    from rewardsmith.agents.litellm_model import require_key

    for name in sorted(asked):
        require_key(name, spec.api_base)


def _require_device(spec: JobSpec) -> None:
    if spec.training.device != "cuda":
        return
    import torch

    if not torch.cuda.is_available():
        raise no_cuda()


def plan_calls(spec: JobSpec) -> dry_run.Plan:
    """The first prompts of a job and the most that its calls can take; creates and sends nothing."""
    return dry_run.plan_calls(spec)


def describe_methods() -> list[dict[str, Any]]:
    """Name, summary, whether it combines, and options with their defaults, of every method."""
    return dry_run.describe_methods()


def notices(spec: JobSpec) -> list[str]:
    """What a user is to know of who answers in a language model's place."""
    return dry_run.notices(spec)


def asks_designer(spec: JobSpec) -> bool:
    """Whether somebody is asked for programs."""
    return dry_run.asks_designer(spec)


def calibrate_guide(
    task: str, options: dict[str, Any], out: Path | None = None, told: Callable[[str], None] | None = None
) -> Any:
    """The language model that a ULPS job would use, fitted if need be, and how far it can be believed: a
    rewardsmith.offline.calibrate_teacher.Report. `told` hears how the fit goes. Raises UsageError."""
    from rewardsmith.offline import calibrate_teacher

    return calibrate_teacher.calibrate_guide(task, options, out, told)


def judge_arms(mode: str | None, subgoals: str | None, view: str | None) -> tuple[tuple[Any, ...], ...]:
    """The arms of `evaluate_judge` that fit; None means any. Raises UsageError where none does."""
    from rewardsmith.offline.evaluate_verifier import ARMS

    for place, named in enumerate((mode, subgoals, view)):
        known = sorted({arm[place] for arm in ARMS})
        if named is not None and named not in known:
            raise UsageError(f"{named!r} is none of an arm's settings.", f"Use one of: {', '.join(known)}.")
    found = tuple(
        arm for arm in ARMS
        if (mode in (None, arm[0])) and (subgoals in (None, arm[1])) and (arm[0] == "code" or view in (None, arm[2]))
    )  # fmt: skip
    if not found:
        arms = "; ".join(", ".join(arm) for arm in ARMS)
        raise UsageError("No arm has that mode, those subgoals and that view.", f"There are: {arms}.")
    return found


def evaluate_judge(on_arm: Any = lambda text: None, **test: Any) -> list[Any]:
    """How well a model says which steps terminate a subgoal; `test` are the fields of `JudgeTest`."""
    from rewardsmith.offline import evaluate_verifier

    return evaluate_verifier.evaluate_judge(evaluate_verifier.JudgeTest(isolation=settings().isolation, **test), on_arm)


def start_training(
    context: Context, task: str, source: str, steps: int | None, seeds: int, changes: Sequence[str] = ()
) -> str:
    """A job that designs nothing: it checks a reward file, trains it, and confirms it on fresh seeds.

    `changes`: settings of the job's spec as KEY=VALUE, such as training.entropy=0.01.
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
    }
    if steps is not None:
        values["steps"] = steps
    spec = read_spec(with_changes(with_defaults(values), changes))
    return start(context, spec, source)[0]


@contextmanager
def executor(context: Context, job_id: str, slots: int | None) -> Iterator[Executor]:
    """The local executor of a job; it is ended on the way out."""
    process = Executor(context, job_id, slots)
    try:
        yield process
    finally:
        if process.running:
            _end(context, job_id, process)


def _end(context: Context, job_id: str, process: Executor) -> None:
    process.end()
    # What it was killed too soon to give back itself. An interruption is not counted as an attempt.
    queue.release(context.database, job_id, queue.owners_of(process.pid))


def interrupt(context: Context, job_id: str, process: Executor) -> None:
    """Finish and keep: trials stop and go on later from their checkpoints; the best so far stays."""
    _end(context, job_id, process)
    lifecycle.pause_job(context, job_id, lifecycle.INTERRUPTED)


def job_id(context: Context, text: str) -> str:
    """The id of the job that `text` means."""
    with read(context.database) as connection:
        return queries.find_job(connection, text).id


def is_submitted(context: Context, job_id: str) -> bool:
    """Whether the job is the service's, rather than of a local executor."""
    with read(context.database) as connection:
        return records.get_job(connection, job_id).service


def read_reward_file(path: Path) -> str:
    """The text of a reward file. Raises UsageError."""
    source = read_program_file(path)
    method_of(source, str(path))
    return source


__all__ = ["Design", "RewardsmithError", "accept_task_change", "design", "recorded_job", "write_cassette"]
