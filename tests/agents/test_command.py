"""A local program as the model: stdin to stdout, without keys, ended with all its processes."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from rewardsmith.agents.command import CommandModel
from rewardsmith.agents.models import ModelFailed, Patience, ReplayKey, Request
from rewardsmith.agents.registry import open_model
from rewardsmith.engine.served import NotServed, require_served
from rewardsmith.spec import JobSpec

ASKED = Request("designer", "Write é.", "You design.", ReplayKey("designer", 1, 0))


def program(folder: Path, text: str) -> str:
    path = folder / "model.py"
    path.write_text(text)
    return f"{sys.executable} '{path}'"


def test_the_prompt_is_read_on_stdin_and_the_answer_on_stdout(tmp_path: Path) -> None:
    command = program(tmp_path, "import sys; text = sys.stdin.read(); print(text.upper())")
    model = open_model(f"command:{command}")
    answer = model.complete(ASKED)
    assert (answer.outcome, answer.text) == ("completed", "YOU DESIGN.\n\nWRITE É.\n")
    assert answer.price_usd is None and answer.usage.prompt_tokens is None and model.is_language_model
    assert CommandModel(program(tmp_path, "")).complete(ASKED).outcome == "empty"


def test_no_key_reaches_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "REWARDSMITH_DATABASE_URL"):
        monkeypatch.setenv(name, "planted-7f3a91c2")
    text = CommandModel(program(tmp_path, "import os; print(dict(os.environ), os.getcwd())")).complete(ASKED).text
    assert "planted" not in text and "PATH" in text and str(Path.cwd()) not in text.split("}")[1]


@pytest.mark.parametrize(
    ("text", "why", "fault"),
    [
        ("import sys; sys.exit('no model is loaded')", "exit code 1: no model is loaded", "server"),
        ("import time; time.sleep(60)", "gave no answer within 1 s", "timeout"),
        ("print('x' * 5_000_000)", "printed more than 4,000,000 bytes", "server"),
    ],
)
def test_a_program_that_fails_is_described(tmp_path: Path, text: str, why: str, fault: str) -> None:
    began = time.monotonic()
    patience = Patience(timeout_s=1.0 if fault == "timeout" else 30.0)
    with pytest.raises(ModelFailed, match="The command") as failed:
        CommandModel(program(tmp_path, text), patience).complete(ASKED)
    assert why in failed.value.cause and failed.value.fault == fault
    assert time.monotonic() - began < 50


@pytest.mark.parametrize("command", ["", "'", "/no/such/program"])
def test_a_command_that_cannot_be_started_is_refused(command: str) -> None:
    with pytest.raises(ModelFailed, match="The command") as failed:
        CommandModel(command).complete(ASKED)
    assert failed.value.fault == "request" and "--model command:" in failed.value.remedy


def test_a_submitted_job_may_not_start_programs() -> None:
    with pytest.raises(NotServed, match="starts programs"):
        require_served(JobSpec(task="CartPole-v1", model="command:ls"))
