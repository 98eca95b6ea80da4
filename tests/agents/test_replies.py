"""Shapes of a reply that providers send today, from a server on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from provider import Provider, Reply, completion, error

from rewardsmith.agents.litellm_model import LiteLLMModel
from rewardsmith.agents.models import Patience, ReplayKey, Request
from rewardsmith.agents.parts import joined
from rewardsmith.agents.refused_parameters import forget

ASKED = Request("critic", "Review.", "You review.", ReplayKey("critic", 1, 0))
PARTS = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a draft"}]},
    {"type": "output_text", "text": "The "},
    {"type": "text", "text": "answer."},
]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    forget()
    with Provider(completion("hello")) as opened:
        yield opened
    forget()


def ask(provider: Provider, name: str = "openai/gpt-4o", request: Request = ASKED) -> Any:
    return LiteLLMModel(name, api_base=provider.url, patience=Patience(timeout_s=20, attempts=1)).complete(request)


@pytest.mark.parametrize(
    ("content", "text", "refusal"),
    [
        ("plain", "plain", None),
        (None, None, None),
        (PARTS, "The answer.", None),
        ([{"type": "text", "text": {"value": "wrapped"}}], "wrapped", None),
        (["a", "b"], "ab", None),
        ([{"type": "thinking", "thinking": "only a thought"}], "", None),
        ([{"type": "refusal", "refusal": "No."}], "", "No."),
    ],
)
def test_a_content_of_parts_is_joined_without_reasoning(content: Any, text: Any, refusal: Any) -> None:
    assert joined(content) == (text, refusal)


def test_an_answer_in_parts_over_http_is_one_text(provider: Provider) -> None:
    provider.script(completion(PARTS))  # type: ignore[arg-type]
    answer = ask(provider)
    assert (answer.outcome, answer.text) == ("completed", "The answer.")


def test_an_answer_of_the_responses_interface_is_read(provider: Provider) -> None:
    message = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [
        {"type": "output_text", "text": "The answer.", "annotations": []}]}  # fmt: skip
    thought = {"type": "reasoning", "id": "r1", "summary": []}
    body = {
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": "completed", "model": "gpt-4o",
        "output": [thought, message], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
    }  # fmt: skip
    provider.script(Reply(body=body))
    answer = ask(provider, "openai/responses/gpt-4o")
    assert (answer.outcome, answer.text, answer.usage.prompt_tokens) == ("completed", "The answer.", 11)
    assert provider.asked[0].path.endswith("/responses")


def test_the_fingerprint_of_the_provider_is_kept(provider: Provider) -> None:
    reply = completion("hello")
    provider.script(Reply(body={**reply.body, "system_fingerprint": "fp_44709d6fcb"}), reply)
    assert ask(provider).fingerprint == "fp_44709d6fcb"
    assert ask(provider).fingerprint is None


def test_cached_tokens_are_counted_and_cost_less(provider: Provider) -> None:
    whole = completion("hello", tokens=(1000, 7))
    cached = {**whole.body, "usage": {**whole.body["usage"], "prompt_tokens_details": {"cached_tokens": 900}}}
    provider.script(whole, Reply(body=cached))
    dear, cheap = ask(provider), ask(provider)
    assert dear.usage.cached_tokens in (None, 0) and cheap.usage.cached_tokens == 900
    # gpt-4o: a cached token of the prompt costs half, so the prompt's price falls by 45 %.
    assert dear.price_usd is not None and cheap.price_usd is not None
    assert dear.price_usd - cheap.price_usd == pytest.approx(900 * 1.25e-6)


def test_json_answers_are_enforced_until_the_deployment_refuses_it(provider: Provider) -> None:
    refused = error(400, "Unsupported parameter: 'response_format' is not supported with this model.")
    provider.script(completion("{}"), refused, completion("{}"))
    request = replace(ASKED, json=True)
    ask(provider, request=request)
    assert provider.asked[0].body["response_format"] == {"type": "json_object"}
    assert ask(provider, request=request).completed
    ask(provider, request=request)
    assert ["response_format" in asked.body for asked in provider.asked] == [True, True, False, False]
    provider.script(completion("x"))
    ask(provider)
    assert "response_format" not in provider.asked[-1].body
