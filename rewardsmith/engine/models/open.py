"""Which models a job speaks to: a role's model and its fallbacks, each within the budget; recorded, replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rewardsmith.agents.asking import Limits
from rewardsmith.agents.fallback import FallbackModel
from rewardsmith.agents.models import LanguageModel, Patience, ReplayKey
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
    """The model that plays `role` for a work item. Raises ModelFailed for a recording that cannot be read, and
    NotServed for a submitted job that may not have it: here the workers' keys meet what somebody else asked for."""
    spec, served = snapshot.spec, is_served(context, snapshot.job)
    if served:
        require_served(spec)
    account = Account(snapshot.job.id, candidate, spec.budget, str(item.owner))
    names = models_of(spec, role)
    if spec.replay is not None:
        # Priced as the model it stands for, so that the budget decides as it did then.
        model: LanguageModel = LimitedModel(open_model(f"replay:{spec.replay}"), context, account, names[0])
    else:
        # A submitter may not have the worker's keys sent to an address of his own.
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
    """The names of the models that are asked in turn."""
    if spec.model == "none":
        return ["synth"]
    first = spec.model_of(role)
    # A rule-based or human answer fails for no reason that another model could mend.
    return [first] if first in ("synth", "manual") else [first, *spec.fallback_models]


def manual_folder(context: Context) -> Path:
    """Where people find prompts and leave answers."""
    return context.settings.home.resolve() / "manual"


def reads_facts(spec: JobSpec, role: str) -> bool:
    """Whether the role's model is the one that reads the machine-readable part of prompts."""
    return "synth" in models_of(spec, role)


def lengths(spec: JobSpec) -> Limits:
    """How long prompts and answers may be, in tokens."""
    return Limits(spec.prompt_tokens, spec.answer_tokens)


def recorded_job(path: Path) -> tuple[dict[str, Any], str | None]:
    """The settings of the job that a cassette was recorded from, and its seed reward. Raises ModelFailed."""
    header = read_header(path)
    if header is None:
        return {}, None
    settings = {k: v for k, v in header.job.items() if k not in ("record", "replay", "name")}
    return settings, header.seed_reward


def write_cassette(context: Context, job_id: str, path: Path) -> Path:
    """Write every answered call of a job as a cassette that `run --replay` takes."""
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
