"""A job's own prompt templates: their hashes are stored when it is created."""

from __future__ import annotations

from pathlib import Path

from rewardsmith.agents.prompting import template_hashes
from rewardsmith.spec import JobSpec


def with_templates(spec: JobSpec) -> JobSpec:
    """Return `spec` with the hashes of its own prompt templates, if it has any.

    Raises UsageError if the folder holds none, or one that replaces no template of rewardsmith.
    """
    if spec.prompts_dir is None or spec.prompts is not None:
        return spec
    return spec.model_copy(update={"prompts": template_hashes(Path(spec.prompts_dir))})
