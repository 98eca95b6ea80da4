"""Write an exported folder: the reward, and its policy as files that plain Stable-Baselines3 loads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rewardsmith.engine.context import Context
from rewardsmith.errors import RewardsmithError, StorageError, TaskError, UsageError
from rewardsmith.pages.report import report_html
from rewardsmith.plaintext import in_markdown
from rewardsmith.reporting.export import (
    REPORT,
    PolicySection,
    export_candidate,
    policy_trial,
    require_folder,
    stored_files,
)
from rewardsmith.reporting.standalone_reward import reader_of
from rewardsmith.spec import JobSpec, TrainingSpec
from rewardsmith.storage import records
from rewardsmith.storage.database import read
from rewardsmith.storage.records import Candidate
from rewardsmith.tasks import get_task

if TYPE_CHECKING:
    from rewardsmith.policy_files.results import PolicyFiles

POLICIES = ("auto", "onnx", "none")
"""What may be asked of an export's policy; `rewardsmith.export` describes it."""
_WEIGHTS = "policy.safetensors"
_MOST = 200  # episodes that the exported file plays on a task whose steps are slow


def export_files(
    context: Context, candidate: Candidate, out: Path, *, force: bool, policy: str
) -> tuple[list[Path], list[str]]:
    """Write a candidate's reward and policy to a folder.

    Args:
        context: The database and the settings.
        candidate: The candidate.
        out: Folder to write.
        force: Whether `out` may contain files already.
        policy: "auto", "onnx" or "none".

    Returns:
        The files, and notes on what is missing.

    Raises:
        UsageError: For another value of `policy`, if a required file cannot be written, or if `out` is not empty.
    """
    if policy not in POLICIES:
        raise UsageError(f"There is no export of a policy called {policy!r}.", f"Give one of {', '.join(POLICIES)}.")
    require_folder(candidate, out, force)
    files, notes = _stored(context, candidate)
    section = PolicySection()
    if policy == "none":
        files.pop(_WEIGHTS, None)
    elif _WEIGHTS in files:
        try:
            found = _policy(context, candidate, files[_WEIGHTS], onnx=policy == "onnx")
        except (UsageError, TaskError) as error:
            if policy == "onnx":
                raise
            notes.append(f"only the trained weights were exported: {error.cause}\n{error.remedy}")
        else:
            from rewardsmith.policy_files.export import manifest_of

            files |= found.files
            section = PolicySection(found.text, manifest_of(found))
            notes += found.notes
    elif policy == "onnx":
        raise _no_policy(candidate, notes)
    elif not notes:
        notes.append(f"exported without a policy: no trial of {candidate.id} is complete")
    if policy != "none" and not section.text and notes:
        section = PolicySection(f"\n## Policy\n\n{in_markdown(notes[0].splitlines()[0])}\n")
    options = {"files": files, "force": force, "isolation": context.settings.isolation, "policy": section}
    written = export_candidate(context.database, candidate, out, **options)
    report, missing = _report(context, candidate, out)
    return sorted([*written, *report]), notes + missing


def _report(context: Context, candidate: Candidate, out: Path) -> tuple[list[Path], list[str]]:
    """Write the report of the candidate's job; return its path, and a note if it would be too large."""
    path = out / REPORT
    path.unlink(missing_ok=True)
    with read(context.database) as connection:
        job = records.get_job(connection, candidate.job_id)
        try:
            path.write_text(report_html(connection, context.store, job), encoding="utf-8")
        except UsageError as error:
            return [], [f"exported without a report: {error.cause}\n{error.remedy}"]
    return [path], []


def _stored(context: Context, candidate: Candidate) -> tuple[dict[str, bytes], list[str]]:
    """Return a candidate's policy and failed episodes by file name, and a note if they cannot be read."""
    try:
        return stored_files(context.database, candidate, context.store), []
    except StorageError as error:
        # The reward itself is in the database; a laptop may have no access to the store.
        return {}, [f"exported without its policy: {error.cause}\n{error.remedy}"]


def _no_policy(candidate: Candidate, notes: list[str]) -> RewardsmithError:
    cause = f"{candidate.id} has no stored policy" + (": the store cannot be read." if notes else ".")
    return UsageError(cause, "Export without --policy onnx, or name a candidate whose training is complete.")


def _policy(context: Context, candidate: Candidate, weights: bytes, *, onnx: bool) -> PolicyFiles:
    from rewardsmith.policy_files.export import policy_files  # torch, which takes a second
    from rewardsmith.policy_files.results import PolicyRequest

    trial = policy_trial(context.database, candidate)
    assert trial is not None  # the weights are those of a trial
    with read(context.database) as connection:
        spec = JobSpec.model_validate(records.get_job(connection, candidate.job_id).spec)
    training = TrainingSpec.model_validate({**spec.training.model_dump(), **trial.training_changes})
    task = get_task(spec.task, spec.description)
    episodes = training.final_episodes if task.cheap_steps else min(training.final_episodes, _MOST)
    asked = PolicyRequest(task, training, trial.seed, weights, episodes, onnx=onnx or None)
    return policy_files(asked, reader_of(task).making)
