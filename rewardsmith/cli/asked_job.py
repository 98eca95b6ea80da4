"""Settings of the job that `run` starts: from the environment, a recording, a spec file, options and `--set`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardsmith.spec import JobSpec

_COMPOSED = ("combine", "weights", "transforms", "options")
"""Settings whose options are parsed and merged with the values of the spec file."""


@dataclass(frozen=True)
class AskedJob:
    """The job settings that a command line gives.

    Attributes:
        settings: Value of each option by the setting's name; budget.calls is the field `calls` of `budget`.
        spec_file: YAML file of settings, which the options override.
        language_model: Language model of the method ulps.
        changes: KEY=VALUE texts of `--set`; they override everything else.
        environment: Values by setting from environment variables; everything else overrides them.
    """

    settings: Mapping[str, Any]
    spec_file: Path | None = None
    language_model: str | None = None
    changes: Sequence[str] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)


def read_job(asked: AskedJob, seed_reward: str | None) -> tuple[JobSpec, str | None]:
    """Return the job's settings and its seed reward, which may come from the recording. Raises UsageError."""
    from rewardsmith.engine.models.open import recorded_job
    from rewardsmith.errors import UsageError
    from rewardsmith.spec import read_spec, read_spec_file, with_changes, with_defaults

    values: dict[str, Any] = dict(asked.environment)
    replay = asked.settings.get("replay")
    if replay is not None:
        recorded, recorded_seed = recorded_job(replay)
        values |= recorded
        seed_reward = seed_reward or recorded_seed
    named = read_spec_file(asked.spec_file) if asked.spec_file is not None else {}
    if "task" in named or "task" in asked.settings:
        values.pop("description", None)  # it describes the recording's task, not the one named now
    values |= named
    for setting, value in asked.settings.items():
        if setting not in _COMPOSED:
            _put(values, setting, str(value.resolve()) if isinstance(value, Path) else value)
    values |= _composed(values, asked)
    values = with_changes(values, asked.changes)
    if "task" not in values and replay is not None:
        raise UsageError(
            f"The recording {replay} does not begin with a job's settings.",
            "Pass a file written by --record or `export --with-cassette`, or add --task ID.",
        )
    if "task" not in values:
        raise UsageError("No task is given.", "Pass --task ID; `rewardsmith tasks list` shows the ids.")
    return read_spec(with_defaults(values)), seed_reward


def _put(values: dict[str, Any], setting: str, value: Any) -> None:
    """Set key `a`, or key `b` of the mapping `a`; an `a` of another type is replaced by a mapping."""
    outer, dot, inner = setting.partition(".")
    if dot:
        there = values.get(outer)
        values[outer] = {**(there if isinstance(there, dict) else {}), inner: value}
    else:
        values[outer] = value


def _composed(values: dict[str, Any], asked: AskedJob) -> dict[str, Any]:
    """Return the settings that `--with`, `--weight`, `--option` and `--language-model` change, merged with `values`."""
    from rewardsmith.cli.methods import read_combined, read_options, read_transforms, read_weights
    from rewardsmith.spec import JobSpec

    found: dict[str, Any] = {}
    if combine := asked.settings.get("combine"):
        found["combine"] = read_combined(combine)
    if weights := asked.settings.get("weights"):
        found["weights"] = {**(values.get("weights") or {}), **read_weights(weights)}
    if transforms := asked.settings.get("transforms"):
        found["transforms"] = {**(values.get("transforms") or {}), **read_transforms(transforms)}
    if options := asked.settings.get("options"):
        method = str(values.get("method", JobSpec.model_fields["method"].default))
        found["options"] = dict(values.get("options") or {})
        for name, own in read_options(options, method).items():
            found["options"][name] = {**(found["options"].get(name) or {}), **own}
    if asked.language_model:
        given = found.setdefault("options", dict(values.get("options") or {}))
        given["ulps"] = {**(given.get("ulps") or {}), "language_model": asked.language_model}
    return found
