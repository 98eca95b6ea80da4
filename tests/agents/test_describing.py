"""`tasks new --model`: a model names variables and actions and states success; its answer is data, and is examined."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from provider import Provider, completion
from running import in_process

from rewardsmith.agents.describing import Described
from rewardsmith.errors import UsageError
from rewardsmith.offline.draft_task import applied
from rewardsmith.tasks.described.description import Description, parse_description

CASES = Path(__file__).parents[1] / "cases"
KEY = {"OPENAI_API_KEY": "sk-test-7be1"}
ANSWER = {
    "goal": "Bring the cart to the right end.",
    "state": [{"name": "cart", "from": "observation[0]", "unit": "m", "doc": 'place: 0 is "left"\n\x1b[31m'}],
    "actions": [{"name": "push_left", "doc": "a force"}, {"name": "push_right"}],
    "success": "terminated and cart >= 3",
    "mechanics": ["An episode ends at the right end."],
}


def answered(**changes: object) -> str:
    return f"Here it is.\n```json\n{json.dumps({**ANSWER, **changes})}\n```"


def new(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return in_process(folder, "tasks", "new", "line_env:Line-v0", "--out", "line.yaml", *more, env=KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(CASES / "edited_yaml" / "line_env.py", tmp_path)
    return tmp_path


def test_a_draft_of_a_model_is_repaired_recorded_and_replayed(folder):
    wrong, unknown = answered(success="os:system"), answered(success="cartt > 3")
    with Provider(*map(completion, ("no JSON", wrong, unknown, answered()))) as provider:
        asked = ("--model", "openai/gpt-4o", "--api-base", provider.url, "--record", "calls.jsonl", "--yes")
        made = new(folder, *asked)
    assert made.returncode == 0, made.stderr
    prompts = [each.body["messages"][-1]["content"] for each in provider.asked]
    assert "class Line" in prompts[0] and "# seen:" in prompts[0] and "refused" not in prompts[0]
    assert "There is no JSON object" in prompts[1] and "functions are not accepted" in prompts[2]
    assert "no `cartt`, the nearest is `cart`" in prompts[3]
    assert "4 calls, 72 tokens, $" in made.stderr
    text = (folder / "line.yaml").read_text()
    found = parse_description(text, "line.yaml")
    assert found.success == ANSWER["success"] and found.action_names == ["push_left", "push_right"]
    assert found.state[0].name == "cart" and found.state[0].unit == "m" and "\x1b" not in text
    assert "seen: " in text and found.score is None

    (folder / "line.yaml").unlink()
    again = new(folder, "--replay", "calls.jsonl", "--yes")
    assert again.returncode == 0, again.stderr
    assert (folder / "line.yaml").read_text() == text


def test_without_a_terminal_no_model_is_asked_unless_yes_is_given(folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with Provider(completion(answered())) as provider:
        made = new(folder, "--model", "openai/gpt-4o", "--api-base", provider.url)
    assert made.returncode == 2 and "Pass --yes" in made.stderr and provider.asked == []
    assert not (folder / "line.yaml").exists()
    assert "writes no descriptions" in new(folder, "--model", "synth", "--yes").stderr
    assert "--record needs a model" in new(folder, "--record", "calls.jsonl").stderr


def test_a_model_without_a_sound_answer_leaves_no_file(folder):
    with Provider(completion(answered(actions=[{"name": "only"}]))) as provider:
        made = new(folder, "--model", "openai/gpt-4o", "--api-base", provider.url, "--yes")
    assert made.returncode == 2 and "no sound description in 3 attempts" in made.stderr
    assert "has 2 actions, the description names 1" in made.stderr and "3 calls" in made.stderr
    assert not (folder / "line.yaml").exists()


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"state": [{"name": "x", "from": "env.__class__.__name__"}]}, "hidden attribute"),
        ({"state": [{"name": "x"}]}, "x has no `from`"),
        ({"state": [{"name": "x", "from": "env.reset()"}]}, "is not understood from"),
        ({"state": [{"name": "X y", "from": "observation[0]"}]}, "state.0.name"),
        ({"success": "builtins:eval"}, "names a function"),
        ({"actions": [{"name": "import os"}]}, "not a valid name"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(changes, told):
    base = Description(id="A", goal="b", score="return", max_steps=9)
    with pytest.raises(UsageError, match=told):
        applied(base, Described.model_validate({**ANSWER, **changes}))


def test_what_a_model_adds_besides_is_left_out():
    base = Description(id="A", goal="b", score="return", max_steps=9, env_kwargs={"a": 1})
    more = {"env_id": "evil:Env-v0", "wrappers": ["evil:Wrapper"], "state_function": "evil:f", "env_kwargs": {"a": 2}}
    found = applied(base, Described.model_validate({**ANSWER, **more}))
    assert found.env_id is None and found.wrappers == [] and found.state_function is None
    assert found.env_kwargs == {"a": 1} and yaml.safe_dump(found.model_dump(mode="json"))
