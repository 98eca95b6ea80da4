"""Opens the model of a role: the primary model and its fallbacks, with budget limits, recording and replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rewardsmith.agents.asking import Limits
from rewardsmith.agents.fallback import FallbackModel
from rewardsmith.agents.models import LanguageModel, Patience, ReplayKey
from rewardsmith.agents.prompting import require_same_templates
from rewardsmith.agents.registry import Reach, open_model
from rewardsmith.agents.replay import Header, Recorded, RecordingModel, read_header
from rewardsmith.engine.context import Context
from rewardsmith.engine.models.limited import Account, LimitedModel, answer_of
from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.engine.served import is_served, require_served
from rewardsmith.spec import JobSpec
from rewardsmith.storage import ledger, records
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item


def open_role(context: Context, snapshot: Snapshot, item: Item, role: str, candidate: str) -> LanguageModel:
    """Open the model of a role for a work item.

    Args:
        context: The process's context.
        snapshot: The job's rows.
        item: The work item that makes the calls.
        role: "designer", "critic", "analyzer", or a role of the method.
        candidate: Id of the candidate that the calls are made for.

    Raises:
        ModelFailed: The recording to replay cannot be read.
        NotServed: The job was submitted and its settings are not allowed. This is checked again here, because from
            here on the workers' API keys are used for a stranger's settings.
    """
    spec, served = snapshot.spec, is_served(context, snapshot.job)
    if served:
        require_served(spec)
    account = Account(snapshot.job.id, candidate, spec.budget, str(item.owner))
    names = models_of(spec, role)
    if spec.replay is not None:
        # Priced as the recorded model, so that the budget decides as it did in the recorded job.
        model: LanguageModel = LimitedModel(open_model(f"replay:{spec.replay}"), context, account, names[0])
    else:
        # A submitter must not choose the address that the worker's API keys are sent to.
        base = context.settings.api_base if served else spec.api_base
        own = context.settings.model_parameters
        reach = Reach(base, _patience(context), directory=manual_folder(context), stream=spec.stream, parameters=own)
        limited = [LimitedModel(open_model(name, reach), context, account) for name in names]
        model = limited[0] if len(limited) == 1 else FallbackModel(limited)
    return model if spec.record is None else RecordingModel(model, Path(spec.record))


def _patience(context: Context) -> Patience:
    settings = context.settings
    return Patience(settings.call_seconds, settings.call_deadline, backoff_s=settings.call_backoff)


def models_of(spec: JobSpec, role: str) -> list[str]:
    """Return the names of a role's models: the primary one, then its fallbacks."""
    if spec.model == "none":
        return ["synth"]
    first = spec.model_of(role)
    # If rules or a person cannot answer, another model cannot either.
    return [first] if first in ("synth", "manual") else [first, *spec.fallback_models]


def manual_folder(context: Context) -> Path:
    """Return the folder in which people find prompts and write answers (model `manual`)."""
    return context.settings.home.resolve() / "manual"


def reads_facts(spec: JobSpec, role: str) -> bool:
    """Return whether the role's prompts need a machine-readable part, which `synth` reads."""
    return "synth" in models_of(spec, role)


def lengths(spec: JobSpec) -> Limits:
    """Return the job's limits on the lengths of prompts and answers, in tokens."""
    return Limits(spec.prompt_tokens, spec.answer_tokens)


def own_prompts(spec: JobSpec) -> Path | None:
    """Return the folder of the job's own prompt templates, or None. Raises UsageError if they have changed."""
    if spec.prompts_dir is None:
        return None
    folder = Path(spec.prompts_dir)
    require_same_templates(folder, spec.prompts or {})
    return folder


def recorded_job(path: Path) -> tuple[dict[str, Any], str | None]:
    """Read the settings and the seed reward of the job recorded in a cassette. Raises ModelFailed."""
    header = read_header(path)
    if header is None:
        return {}, None
    settings = {k: v for k, v in header.job.items() if k not in ("record", "replay", "name")}
    return settings, header.seed_reward


def write_cassette(context: Context, job_id: str, path: Path) -> Path:
    """Write all answered calls of a job to a cassette, which `rewardsmith run --replay` reads."""
    with read(context.database) as connection:
        job = records.get_job(connection, job_id)
        rows = ledger.answered_of(connection, job_id)
        seed = next((c.source for c in records.candidates_of(connection, job_id) if c.kind == "seeded"), None)
    spec = JobSpec.model_validate(job.spec)
    lines = [Header(job=job.spec, seed_reward=seed).model_dump_json()]
    for row in rows:
        names = models_of(spec, row["role"])
        call = Recorded(
            key=ReplayKey(row["role"], row["iteration"], row["sample"], row["attempt"]),
            prompt_sha256=row["prompt_hash"],
            is_language_model=names[0] not in ("synth", "manual"),
            answer=answer_of(row),
            prompt=row["prompt"],
        )
        lines.append(call.model_dump_json(exclude_none=True))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
