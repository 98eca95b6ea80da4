"""The `listed` model returns its answers in order, for any prompt."""

from __future__ import annotations

import json

import pytest

from rewardsmith.agents.models import ModelFailed, ReplayKey, Request
from rewardsmith.agents.registry import is_ours, needs_files, open_model


def ask(path, role="designer", prompt="anything"):
    return open_model(f"listed:{path}").complete(Request(role, prompt, "", ReplayKey(role, 1, 0))).text


def test_answers_are_returned_in_order_across_processes(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({"designer": ["one", "two"], "critic": ["yes"]}))
    assert [ask(path), ask(path, "critic"), ask(path, prompt="else"), ask(path, "critic")] == [
        "one",
        "yes",
        "two",
        "yes",
    ]
    with pytest.raises(ModelFailed, match="holds 2 answers of the designer"):
        ask(path)
    with pytest.raises(ModelFailed, match="holds 0 answers of the analyzer"):
        ask(path, "analyzer")


def test_a_list_needs_no_key_and_reads_a_file():
    assert is_ours("listed:answers.json") and needs_files("listed:answers.json")
    assert not needs_files("synth") and not needs_files("openai/gpt-4o")
