"""Recording, replay, and a person's answers: real files throughout."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rewardsmith.agents.manual import ManualModel
from rewardsmith.agents.models import Answer, ModelFailed, ReplayKey, Request, Usage
from rewardsmith.agents.registry import open_model
from rewardsmith.agents.replay import RecordingModel, ReplayModel, read_cassette


class Scripted:
    """Answers with the prompt's own words, or raises what it was given."""

    name = "scripted"

    def __init__(self, failure: ModelFailed | None = None, is_language_model: bool = True) -> None:
        self.failure = failure
        self.is_language_model = is_language_model

    def complete(self, request: Request) -> Answer:
        if self.failure is not None:
            raise self.failure
        return Answer("completed", f"about: {request.prompt}", "scripted-1", Usage(3, None), 0.25, 1.5, 2)


def request(sample: int = 0, prompt: str = "first\nsecond", role: str = "designer") -> Request:
    return Request(role, prompt, "system", ReplayKey(role, 1, sample, 0))  # type: ignore[arg-type]


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "calls.jsonl"


def test_a_recorded_answer_is_replayed_with_all_fields(cassette: Path) -> None:
    recording = RecordingModel(Scripted(), cassette)
    answers = [recording.complete(request(sample, f"näh {sample}\r\n\u2028")) for sample in range(3)]
    replayed = open_model(f"replay:{cassette}")
    assert [replayed.complete(request(s, f"näh {s}\r\n\u2028")) for s in (0, 1, 2)] == answers
    assert (recording.name, replayed.name) == ("scripted", f"replay:{cassette}")


def test_a_cassette_is_one_json_object_per_call_with_key_hash_and_answer(cassette: Path) -> None:
    RecordingModel(Scripted(), cassette).complete(request())
    (line,) = cassette.read_text().splitlines()
    call = json.loads(line)
    assert call["key"] == {"role": "designer", "iteration": 1, "sample": 0, "attempt": 0}
    assert len(call["prompt_sha256"]) == 64
    assert call["answer"]["text"] == "about: first\nsecond"
    assert call["answer"]["price_usd"] == 0.25


def test_a_prompt_that_differs_is_refused_with_the_call_and_the_line(cassette: Path) -> None:
    RecordingModel(Scripted(), cassette).complete(request())
    with pytest.raises(ModelFailed) as caught:
        ReplayModel(cassette).complete(request(prompt="first\nthird"))
    assert caught.value.fault == "replay"
    assert "designer, iteration 1, sample 0, attempt 0" in caught.value.cause
    assert 'Line 2 of the prompt was "second" and is "third".' in caught.value.cause
    assert len(str(caught.value).splitlines()) == 2


def test_a_longer_prompt_and_another_system_text_differ_too(cassette: Path) -> None:
    RecordingModel(Scripted(), cassette).complete(request())
    with pytest.raises(ModelFailed, match="Line 3 of the prompt was absent"):
        ReplayModel(cassette).complete(request(prompt="first\nsecond\nthird"))
    with pytest.raises(ModelFailed, match="Line 1 of the system text"):
        ReplayModel(cassette).complete(replace(request(), system="other"))


def test_a_cassette_without_texts_shows_the_hashes(cassette: Path) -> None:
    RecordingModel(Scripted(), cassette).complete(request())
    call = json.loads(cassette.read_text())
    del call["system"], call["prompt"]
    cassette.write_text(json.dumps(call))
    assert ReplayModel(cassette).complete(request()).completed
    with pytest.raises(ModelFailed, match=f"hash was {call['prompt_sha256'][:12]}"):
        ReplayModel(cassette).complete(request(prompt="other"))


def test_a_call_missing_from_the_recording_is_named(cassette: Path) -> None:
    RecordingModel(Scripted(), cassette).complete(request())
    with pytest.raises(ModelFailed, match="no answer for this call: critic, iteration 1, sample 0"):
        ReplayModel(cassette).complete(request(role="critic"))


def test_a_failure_is_replayed_and_a_later_answer_replaces_it(cassette: Path) -> None:
    failed = ModelFailed("no credit", "add some", "quota", 1)
    with pytest.raises(ModelFailed):
        RecordingModel(Scripted(failed), cassette).complete(request())
    with pytest.raises(ModelFailed) as caught:
        ReplayModel(cassette).complete(request())
    assert (str(caught.value), caught.value.fault, caught.value.attempts) == (str(failed), "quota", 1)
    RecordingModel(Scripted(), cassette).complete(request())
    assert ReplayModel(cassette).complete(request()).completed


def test_answers_that_no_language_model_wrote_are_replayed_as_such(cassette: Path) -> None:
    RecordingModel(Scripted(), cassette).complete(request(0))
    assert ReplayModel(cassette).is_language_model
    RecordingModel(Scripted(is_language_model=False), cassette).complete(request(1))
    assert not ReplayModel(cassette).is_language_model


def test_recorders_in_several_threads_do_not_mix_their_lines(cassette: Path) -> None:
    models = [RecordingModel(Scripted(), cassette) for _ in range(4)]
    long = "x" * 50_000
    threads = [
        threading.Thread(target=lambda n=n: [models[n].complete(request(n * 10 + i, long)) for i in range(10)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {call.key.sample for call in read_cassette(cassette)} == set(range(40))


def test_an_incomplete_line_is_named_and_the_others_are_read(cassette: Path) -> None:
    recording = RecordingModel(Scripted(), cassette)
    recording.complete(request(0))
    with cassette.open("a") as file:
        file.write('{"version":1,"key":{"ro')
    recording.complete(request(1))
    with pytest.raises(ModelFailed, match=r"Line 2 of .*calls\.jsonl is not a recorded call"):
        ReplayModel(cassette)
    lines = cassette.read_text().splitlines()
    cassette.write_text("\n".join([lines[0], lines[2]]))
    assert ReplayModel(cassette).complete(request(1)).completed


def test_a_missing_or_binary_cassette_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match=r"cannot be read"):
        open_model(f"replay:{tmp_path / 'none.jsonl'}")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFailed, match=r"cannot be read"):
        open_model(f"replay:{tmp_path / 'binary'}")
    (tmp_path / "neither").write_text(
        '{"key":{"role":"critic","iteration":0,"sample":0},"prompt_sha256":"","is_language_model":true}'
    )
    with pytest.raises(ModelFailed, match="either an answer or a failure"):
        ReplayModel(tmp_path / "neither")


def test_a_person_is_waited_for_until_the_answers_file_holds_text(tmp_path: Path) -> None:
    model = ManualModel(tmp_path, interactive=False)
    question, reply = model.files(request())
    for _ in range(2):
        with pytest.raises(ModelFailed) as caught:
            model.complete(request())
        assert caught.value.fault == "person"
        assert str(reply) in caught.value.remedy
        assert "first\nsecond" in question.read_text()
        reply.write_text(" \n")
    reply.write_text("def reward(prev, action, state, memory): return 1.0")
    answer = model.complete(request())
    assert (answer.outcome, answer.text, answer.model) == ("completed", reply.read_text(), "manual")


def test_an_answer_to_another_prompt_is_not_taken(tmp_path: Path) -> None:
    model = ManualModel(tmp_path, interactive=False)
    model.files(request())[1].write_text("an answer")
    with pytest.raises(ModelFailed, match="waits for a person"):
        model.complete(request(prompt="another"))


def test_at_a_terminal_the_editor_gets_the_answers_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "an editor.sh"
    editor.write_text('#!/bin/sh\nprintf "%s" "$1" > "$2"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", f"'{editor}' --wait")
    answer = ManualModel(tmp_path / "manual", interactive=True).complete(request())
    assert answer.text == "--wait"


def test_an_editor_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    with pytest.raises(ModelFailed, match="editor") as caught:
        ManualModel(tmp_path, interactive=True).complete(request())
    assert caught.value.fault == "person"


def test_recording_a_person_writes_nothing_while_they_are_awaited(tmp_path: Path, cassette: Path) -> None:
    with pytest.raises(ModelFailed):
        RecordingModel(ManualModel(tmp_path, interactive=False), cassette).complete(request())
    assert not cassette.exists()
