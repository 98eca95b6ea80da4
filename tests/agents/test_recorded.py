"""Recorded answers are found by their call, and a recording says who wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardsmith.agents.models import AnswersUsedUp, ModelFailed, ReplayKey, Request
from rewardsmith.agents.pricing import has_price
from rewardsmith.agents.recorded import RecordedModel, read_about
from rewardsmith.agents.registry import is_ours, needs_files, open_model
from rewardsmith.engine.served import NotServed, require_served
from rewardsmith.errors import UsageError
from rewardsmith.spec import JobSpec
from rewardsmith.starting import _require_recording

ABOUT = {"task": "MiniGrid-Empty-5x5-v0", "method": "free", "date": "2026-11-29"}
SHIPPED = Path(__file__).parents[2] / "examples" / "recorded"


def recording(folder: Path, **answers: str) -> Path:
    (folder / "about.json").write_text(json.dumps(ABOUT))
    for name, text in answers.items():
        (folder / f"{name.replace('_', '-')}.md").write_text(text)
    return folder


def request(role: str, sample: int, attempt: int = 0) -> Request:
    return Request(role, "a prompt", "", ReplayKey(role, 1, sample, attempt))  # type: ignore[arg-type]


def test_an_answer_belongs_to_its_call_whatever_the_prompt_and_the_order(tmp_path: Path) -> None:
    folder = recording(tmp_path, designer_i1_s0_a0="first", designer_i1_s1_a0="second", critic_i1_s0_a0="fine")
    model = open_model(f"recorded:{folder}")
    assert model.is_language_model and model.name == f"recorded:{folder}"
    assert model.complete(request("designer", 1)).text == "second"
    assert [model.complete(request("designer", 0)).text for _ in range(2)] == ["first", "first"]
    answer = model.complete(request("critic", 0))
    assert (answer.text, answer.model, answer.price_usd) == ("fine", "unknown", 0.0)


def test_a_call_without_an_answer_says_that_the_answers_are_used_up(tmp_path: Path) -> None:
    model = RecordedModel(recording(tmp_path, designer_i1_s0_a0="first"))
    with pytest.raises(AnswersUsedUp, match="1 recorded answers of the designer are used up"):
        model.complete(request("designer", 0, attempt=2))


def test_a_recording_names_its_author_or_says_that_the_name_is_unknown(tmp_path: Path) -> None:
    assert "name of the model unknown" in read_about(recording(tmp_path)).words
    (tmp_path / "about.json").write_text(json.dumps({**ABOUT, "model": "gpt-x"}))
    assert "the language model gpt-x gave them on 2026-11-29" in read_about(tmp_path).words


@pytest.mark.parametrize("text", ["", "[]", '{"task": "x"}', '{"task": 1, "method": "free", "date": "d"}'])
def test_an_unreadable_recording_is_refused_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "about.json").write_text(text)
    with pytest.raises(ModelFailed, match="cannot be read") as failed:
        RecordedModel(tmp_path)
    assert "--model recorded:" in failed.value.remedy
    with pytest.raises(ModelFailed, match="cannot be read"):
        RecordedModel(tmp_path / "missing")


def test_a_recording_is_free_local_and_for_one_task(tmp_path: Path) -> None:
    name = f"recorded:{recording(tmp_path)}"
    assert is_ours(name) and needs_files(name) and has_price(name)
    spec = JobSpec(task=ABOUT["task"], method="free", model=name)
    assert spec.asks_nobody and not spec.shows_planner()
    _require_recording(spec)
    with pytest.raises(UsageError, match="holds answers for --task MiniGrid-Empty-5x5-v0 --method free"):
        _require_recording(spec.model_copy(update={"task": "CartPole-v1"}))
    with pytest.raises(NotServed, match="reads files"):
        require_served(spec)


@pytest.mark.parametrize("folder", sorted(SHIPPED.glob("*/")), ids=lambda path: path.name)
def test_a_shipped_recording_is_labelled_and_has_a_first_round(folder: Path) -> None:
    about = read_about(folder)
    assert not about.planner and about.date >= "2026-11-29" and folder.name in about.task
    model = RecordedModel(folder)
    assert all(model.complete(request("designer", sample)).text for sample in range(2))
