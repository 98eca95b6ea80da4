"""A user's own prompt templates replace the shipped ones, and a job keeps to those that it was created with."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardsmith.agents.prompting import render, require_same_templates, template_hashes
from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.models.open import own_prompts
from rewardsmith.engine.served import NotServed, require_served
from rewardsmith.errors import UsageError
from rewardsmith.offline.dry_run import plan_calls
from rewardsmith.spec import JobSpec
from rewardsmith.spec.job import with_defaults
from rewardsmith.storage import records

MINE = "Mine: {{ sample + 1 }} of {{ samples }}. {% include contract %}"


def templates(folder: Path, text: str = MINE, name: str = "designer.md.j2") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def spec_of(folder: Path) -> JobSpec:
    values = {"task": "CartPole-v1", "method": "free", "model": "openai/gpt-4o", "prompts_dir": str(folder)}
    return JobSpec.model_validate(with_defaults(values))


def test_a_template_replaces_the_shipped_one_of_its_name_alone(tmp_path: Path) -> None:
    plan = plan_calls(spec_of(templates(tmp_path / "mine")))
    first = plan.prompts[0][1]
    assert first.startswith("Mine: 1 of 3. Write one Python function:"), "the contract is the shipped one"
    assert "You take part in designing" in render("system.md.j2", tmp_path / "mine")


def test_the_hashes_are_stored_and_a_change_is_noticed(tmp_path: Path) -> None:
    folder = templates(tmp_path / "mine")
    context = open_context(Settings(home=tmp_path / "home"))
    job_id = lifecycle.create_job(context, spec_of(folder))
    with context.database.connect() as connection:
        spec = JobSpec.model_validate(records.get_job(connection, job_id).spec)
    assert spec.prompts == template_hashes(folder) and own_prompts(spec) == folder
    templates(folder, MINE + " More.")
    with pytest.raises(UsageError, match="have changed since the job was created"):
        own_prompts(spec)
    with pytest.raises(UsageError, match="have changed"):
        require_same_templates(folder, spec.prompts or {})


def test_changed_templates_make_another_job_and_a_moved_folder_does_not(tmp_path: Path) -> None:
    from rewardsmith.engine.jobs.templates import with_templates

    here, there = templates(tmp_path / "here"), templates(tmp_path / "there")
    plain = JobSpec.model_validate(with_defaults({"task": "CartPole-v1", "method": "free", "model": "openai/gpt-4o"}))
    first, moved = (with_templates(spec_of(folder)).fingerprint() for folder in (here, there))
    templates(there, MINE + " More.")
    assert first == moved != plain.fingerprint()
    assert with_templates(spec_of(there)).fingerprint() != first


@pytest.mark.parametrize(
    ("text", "why"),
    [("{{ nothing }}", "'nothing' is undefined"), ("{% if %}", "line 1 of"), ("{{ ''.__class__ }}", "unsafe")],
)
def test_a_template_that_cannot_be_rendered_is_an_error_of_its_author(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError) as raised:
        plan_calls(spec_of(templates(tmp_path / "mine", text)))
    assert why in raised.value.cause and "designer.md.j2" in raised.value.remedy


def test_a_folder_without_templates_or_with_unknown_ones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="contains no template"):
        template_hashes(tmp_path / "missing")
    with pytest.raises(UsageError, match=r"contains desinger.md.j2, which replaces no template"):
        template_hashes(templates(tmp_path / "mine", name="desinger.md.j2"))


def test_a_submitted_job_may_not_bring_templates(tmp_path: Path) -> None:
    with pytest.raises(NotServed, match="may not set prompts_dir"):
        require_served(spec_of(templates(tmp_path / "mine")))
