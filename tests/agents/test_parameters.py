"""Models whose provider refuses common parameters, called by a name that does not reveal it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from listening import Listening
from provider import Provider, completion, error

from rewardsmith.agents import refused_parameters
from rewardsmith.agents.asking import Draft, Limits, ask
from rewardsmith.agents.litellm_model import LiteLLMModel
from rewardsmith.agents.models import Answer, ModelFailed, Patience, ReplayKey, Request
from rewardsmith.agents.parameters import VARIABLE, changed
from rewardsmith.agents.registry import Reach, open_model
from rewardsmith.config import Settings

CASE = Path(__file__).parents[1] / "cases" / "temperature_rejected"
RENAMED = '{"max_tokens": "max_completion_tokens"}'
BOTH = '{"max_tokens": "max_completion_tokens", "temperature": null}'
SENT = {"model": "m", "messages": [], "max_tokens": 9, "temperature": 0.7}


@contextmanager
def strict_server(*flags: str) -> Iterator[str]:
    """The case's server on a free port; its address."""
    program = (
        "import sys; sys.argv[1:] = ['0', *sys.argv[1:]]; import strict_server as s\n"
        "server = s.ThreadingHTTPServer(('127.0.0.1', 0), s.Strict)\n"
        "print(server.server_address[1], flush=True)\n"
        "server.serve_forever()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *flags], cwd=CASE, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(CASE)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def complete(
    address: str, parameters: str | None, model: str = "openai/house-reasoner", temperature: float = 1.0
) -> Answer:
    request = Request("designer", "Write it.", "", ReplayKey("designer", 0, 0), 4096, temperature=temperature)
    reach = Reach(address, Patience(attempts=2, deadline_s=20), parameters=parameters)
    return open_model(model, reach).complete(request)


@pytest.fixture(autouse=True)
def nothing_learned() -> None:
    refused_parameters.forget()


def test_what_a_deployment_refuses_is_renamed_or_omitted_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with strict_server() as address:
        first = complete(address, None, temperature=0.1)
        assert first.completed and first.attempts == 1
        learned = {"max_tokens": "max_completion_tokens", "temperature": None}
        assert refused_parameters.refused_by("openai/house-reasoner", address) == learned
        assert refused_parameters.refused_by("openai/another", address) == {}
        for parameters in (RENAMED, BOTH, f'{{"openai/house-reasoner": {RENAMED}}}'):
            assert complete(address, parameters, temperature=0.1).completed


def test_a_remembered_refusal_is_not_sent_again() -> None:
    unsupported = error(
        400, "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    )
    with Provider(unsupported, completion("words"), completion("words")) as provider:
        assert complete(provider.url, None).completed and complete(provider.url, None).completed
        limits = [{name for name in asked.body if name.startswith("max_")} for asked in provider.asked]
    assert limits == [{"max_tokens"}, {"max_completion_tokens"}, {"max_completion_tokens"}]


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported parameter: 'max_tokens' is not supported with this model.",
        "Unknown parameter: 'response_format'.",
        "temperature must be between 0 and 1",
    ],
)
def test_a_bound_on_the_answer_stays_and_other_errors_are_told(message: str) -> None:
    with Provider(error(400, message)) as provider:
        with pytest.raises(ModelFailed) as caught:
            complete(provider.url, None)
        assert all({"max_tokens", "max_completion_tokens"} & asked.body.keys() for asked in provider.asked)
    assert message[:20] in caught.value.cause and VARIABLE in caught.value.remedy
    advised = re.search(r"'(\{.*?\})'", caught.value.remedy)
    assert advised is not None and changed(SENT, "openai/m", advised[1])["max_completion_tokens"] == 9


def test_the_environment_variable_applies_to_every_opened_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, BOTH)
    assert Settings().model_parameters == BOTH
    with strict_server("--no-temperature") as address:
        model = LiteLLMModel("openai/house-reasoner", api_base=address, patience=Patience(attempts=1, deadline_s=20))
        assert model.complete(Request("designer", "Write it.", "", ReplayKey("designer", 0, 0))).completed


def test_models_of_different_roles_have_settings_of_their_own() -> None:
    setting = json.dumps({"openai/a": {"temperature": None}, "azure/b-5.5": json.loads(BOTH), "temperature": 0.2})
    assert changed(SENT, "openai/a", setting) == {"model": "m", "messages": [], "max_tokens": 9}
    assert changed(SENT, "azure/b-5.5", setting) == {"model": "m", "messages": [], "max_completion_tokens": 9}
    assert changed(SENT, "openai/c", setting)["temperature"] == 0.2
    assert changed(SENT, "openai/c", None) == changed(SENT, "openai/c", " ") == SENT


def test_a_parameter_of_the_providers_own_is_added_and_sent() -> None:
    with Provider(completion("words")) as provider:
        assert complete(provider.url, '{"reasoning_effort": "low", "max_tokens": "max_completion_tokens"}').completed
        body = provider.asked[0].body
    assert (body["reasoning_effort"], body["max_completion_tokens"]) == ("low", 4096)
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("max_tokens=max_completion_tokens", "is not valid JSON"),
        ("[1]", "is not a JSON object"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"api_base": "http://elsewhere"}', "may not set 'api_base'"),
        ('{"max_tokens": "api_key"}', "may not set 'api_key'"),
        ('{"m": {"base_url": "http://elsewhere"}}', "may not set"),
        ('{"openai/m": {"extra_headers": {"Authorization": "x"}}}', "may not set 'extra_headers'"),
        ('{"messages": []}', "may not set 'messages'"),
        ('{"Max Tokens": 3}', "not the name of a parameter"),
    ],
)
def test_a_malformed_setting_is_refused_with_an_example(setting: str, said: str) -> None:
    with pytest.raises(ModelFailed, match=re.escape(said)) as caught:
        changed(SENT, "m" if '"m"' in setting else "openai/m", setting)
    assert "max_completion_tokens" in caught.value.remedy


def test_a_tool_call_is_no_refusal_and_is_answered_in_words() -> None:
    with strict_server("--tool", "--any-limit") as address:
        answer = complete(address, None)
        assert answer.outcome == "tool call"
        assert "def reward" in answer.text
        model = Listening(open_model("openai/house-reasoner", Reach(address, Patience(attempts=1, deadline_s=20))))
        outcome = ask(model, ReplayKey("designer", 0, 0), Draft(lambda _: "Write it."), str, Limits())
    assert outcome.result is None
    assert "answer was a tool call" in str(outcome.reason) and "No tools" in str(outcome.reason)
    assert "answer was a tool call" in model.prompts[1]
