"""The litellm adapter against a real HTTP server: every fault ends in an Answer or ModelFailed, in time."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from provider import Provider, Reply, completion, error, streamed

from rewardsmith.agents import pricing
from rewardsmith.agents.faults import scrub
from rewardsmith.agents.litellm_model import LiteLLMModel, require_key
from rewardsmith.agents.models import (
    Answer,
    LanguageModel,
    ModelFailed,
    Patience,
    ReplayKey,
    Request,
    Usage,
    prompt_hash,
)
from rewardsmith.agents.pricing import import_litellm
from rewardsmith.agents.registry import Reach, open_model

SECRET = "sk-test-51f0c9a7d2e84b6f"
QUICK = Patience(timeout_s=5.0, deadline_s=10.0, attempts=3, backoff_s=0.01, backoff_max_s=0.05)
REQUEST = Request(
    "designer",
    "Write a reward.",
    "You design rewards.",
    ReplayKey("designer", 1, 2),
    max_tokens=321,
    temperature=0.7,
)


@pytest.fixture(autouse=True)
def openai_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture(scope="module", autouse=True)
def litellm_imported() -> None:
    """Import litellm once, so that its 3 s are not counted against any test's deadline."""
    import_litellm()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(completion("def reward(prev, action, state, memory): return 0.0")) as running:
        yield running


def ask(provider: Provider, *replies: Reply, model: str = "openai/gpt-4o", patience: Patience = QUICK) -> Answer:
    if replies:
        provider.script(*replies)
    return LiteLLMModel(model, api_base=provider.url, patience=patience).complete(REQUEST)


def fail(provider: Provider, *replies: Reply, patience: Patience = QUICK) -> ModelFailed:
    started = time.monotonic()
    with pytest.raises(ModelFailed) as caught:
        ask(provider, *replies, patience=patience)
    assert time.monotonic() - started < patience.deadline_s + 1.0
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert len(str(caught.value).splitlines()) == 2
    return caught.value


def test_a_completion_is_returned_with_its_tokens_price_and_model(provider: Provider) -> None:
    answer = ask(provider)
    assert answer.completed
    assert answer.text == "def reward(prev, action, state, memory): return 0.0"
    assert answer.usage == Usage(11, 7)
    # 2.5 and 10 dollars per million tokens.
    assert answer.price_usd == pytest.approx(11 * 2.5e-6 + 7 * 1e-5, rel=0.5)
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.attempts == 1
    assert 0 < answer.latency_s < 5


def test_the_request_is_sent_once_and_unchanged(provider: Provider) -> None:
    ask(provider)
    (asked,) = provider.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.body == {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "You design rewards."},
            {"role": "user", "content": "Write a reward."},
        ],
        "max_tokens": 321,
        "temperature": 0.7,
    }


def test_no_system_text_and_no_temperature_send_neither(provider: Provider) -> None:
    request = Request("critic", "Look.", "", ReplayKey("critic", 0, 0), temperature=None)
    LiteLLMModel("openai/gpt-4o", api_base=provider.url, patience=QUICK).complete(request)
    assert provider.asked[0].body["messages"] == [{"role": "user", "content": "Look."}]
    assert "temperature" not in provider.asked[0].body


def test_an_unknown_price_is_none_and_never_zero(provider: Provider) -> None:
    assert ask(provider, model="openai/some-model-of-ours").price_usd is None


def test_prices_are_known_without_importing_litellm_and_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (
        "import sys; from rewardsmith.agents import pricing; "
        "print({n: pricing._rates(n) for n in sys.stdin.read().split()}, 'litellm' in sys.modules)"
    )
    names = sorted(name for name in import_litellm().model_cost if " " not in name)
    monkeypatch.delenv("LITELLM_LOCAL_MODEL_COST_MAP")
    ran = subprocess.run([sys.executable, "-c", listed], input="\n".join(names), capture_output=True, text=True)
    assert ran.stdout.strip() == f"{ {name: pricing._rates(name) for name in names} } False"


def test_uncounted_tokens_have_no_number_and_no_price(provider: Provider) -> None:
    answer = ask(provider, completion("hello", tokens=None))
    assert answer.usage == Usage(None, None)
    assert answer.price_usd is None


@pytest.mark.parametrize(
    ("reply", "outcome", "text"),
    [
        (completion(None), "refused", ""),
        (completion(None, refusal="I cannot help with that."), "refused", "I cannot help with that."),
        (completion(None, finish_reason="content_filter"), "refused", ""),
        (completion("def rew", finish_reason="length"), "truncated", "def rew"),
        (completion("", finish_reason="length"), "truncated", ""),
        (completion(""), "empty", ""),
        (completion(" \n"), "empty", " \n"),
        (Reply(body={**completion("x").body, "choices": []}), "empty", ""),
    ],
    ids=["none", "refusal", "filter", "cut", "cut-empty", "empty", "blank", "no-choices"],
)
def test_an_answer_that_is_no_completion_is_described(
    provider: Provider, reply: Reply, outcome: str, text: str
) -> None:
    answer = ask(provider, reply)
    assert (answer.outcome, answer.text, answer.completed) == (outcome, text, False)
    assert answer.usage == Usage(11, 7)
    assert len(provider.asked) == 1


def test_a_request_against_the_providers_policy_is_a_refusal(provider: Provider) -> None:
    answer = ask(provider, error(400, "rejected by our safety system", code="content_policy_violation"))
    assert answer.outcome == "refused"
    assert "safety system" in answer.text
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (error(401, f"Incorrect API key provided: {SECRET}"), "key"),
        (error(401, "Incorrect API key provided: sk-test-****************4b6f"), "key"),
        (error(403, f"Bearer {SECRET} may not use this model"), "key"),
        (error(402, "Insufficient balance"), "quota"),
        (error(429, "You exceeded your current quota", code="insufficient_quota"), "quota"),
        (error(404, "The model `gpt-4o` does not exist", code="model_not_found"), "unknown_model"),
        (error(400, "bad parameter"), "request"),
        (error(400, "maximum context length is 10", code="context_length_exceeded"), "context"),
    ],
)
def test_a_permanent_error_is_not_retried(provider: Provider, reply: Reply, fault: str) -> None:
    failed = fail(provider, reply)
    assert failed.fault == fault
    assert not failed.may_pass
    assert "4b6f" not in str(failed)
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (error(429, "slow down"), "rate_limit"),
        (error(500, f"boom with {SECRET}"), "server"),
        (error(503, "overloaded"), "server"),
        (error(529, "overloaded"), "server"),
        (Reply(body=completion("x").body, cut=True), "network"),
        (Reply(body=b"<html>Bad gateway</html>", headers={"Content-Type": "text/html"}), "server"),
        (Reply(body=b"<html>Bad gateway</html>"), "server"),
        (Reply(body=b""), "server"),
    ],
    ids=["429", "500", "503", "529", "cut-off", "html", "html-as-json", "nothing"],
)
def test_a_temporary_error_is_retried_and_then_given_up(provider: Provider, reply: Reply, fault: str) -> None:
    failed = fail(provider, reply)
    assert failed.fault == fault
    assert failed.may_pass
    assert failed.attempts == QUICK.attempts == len(provider.asked)


def test_an_answer_after_a_temporary_error_counts_its_attempts(provider: Provider) -> None:
    answer = ask(provider, error(500, "boom"), error(429, "slow down"), completion("hello"))
    assert (answer.text, answer.attempts) == ("hello", 3)


def test_retry_after_in_seconds_is_waited_for(provider: Provider) -> None:
    answer = ask(provider, error(429, "slow down", retry_after="1"), completion("hello"))
    assert answer.attempts == 2
    assert 1.0 <= answer.latency_s < 4.0


def test_retry_after_as_a_date_is_waited_for(provider: Provider) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    answer = ask(provider, error(429, "slow down", retry_after=soon), completion("hello"))
    assert answer.attempts == 2
    assert 0.5 <= answer.latency_s < 5.0


def test_a_wait_beyond_the_deadline_is_not_begun(provider: Provider) -> None:
    started = time.monotonic()
    failed = fail(provider, error(429, "slow down", retry_after="3600"))
    assert failed.fault == "rate_limit"
    assert "3600 s" in failed.cause
    assert time.monotonic() - started < 3
    assert len(provider.asked) == 1


@pytest.mark.parametrize("reply", [completion("late"), Reply(body=b" " * 400, drip_s=0.05)], ids=["silent", "drips"])
def test_a_server_that_hangs_is_left_at_the_deadline(provider: Provider, reply: Reply) -> None:
    hanging = Reply(reply.status, reply.body, delay_s=0.0 if reply.drip_s else 20.0, drip_s=reply.drip_s)
    patience = Patience(timeout_s=0.8, deadline_s=1.5, attempts=5, backoff_s=0.01)
    failed = fail(provider, hanging, patience=patience)
    assert failed.fault == "timeout"
    assert failed.may_pass
    assert 1 <= failed.attempts <= 2


def test_an_unreachable_host_is_a_network_fault() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://user:pass-{SECRET}@127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(ModelFailed) as caught:
            LiteLLMModel("openai/gpt-4o", api_base=address, patience=QUICK).complete(REQUEST)
    assert caught.value.fault == "network"
    assert caught.value.attempts == QUICK.attempts
    assert SECRET not in str(caught.value)


def test_a_missing_key_names_its_variable_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelFailed) as caught:
        LiteLLMModel("openai/gpt-4o", patience=QUICK).complete(REQUEST)
    assert str(caught.value).splitlines() == [
        "The model openai/gpt-4o needs an API key, and OPENAI_API_KEY is not set.",
        "Set it with `export OPENAI_API_KEY=...`, or use another model, such as --model synth.",
    ]
    assert caught.value.fault == "key"


def test_a_local_server_needs_no_key(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(provider, model="openai/qwen").completed
    assert SECRET not in provider.asked[0].headers["authorization"]


def test_an_unknown_provider_is_named() -> None:
    with pytest.raises(ModelFailed) as caught:
        LiteLLMModel("no-such-model", patience=QUICK).complete(REQUEST)
    assert caught.value.fault == "unknown_model"
    assert caught.value.attempts == 1
    assert "no-such-model" in caught.value.cause


def test_a_key_echoed_in_an_answer_does_not_get_through(provider: Provider) -> None:
    assert ask(provider, completion(f"you sent {SECRET}")).text == "you sent [OPENAI_API_KEY]"


def test_characters_that_cannot_be_encoded_are_replaced(provider: Provider) -> None:
    assert ask(provider, completion("a\ud800b\0c")).text == "a?b\ufffdc"


@pytest.mark.parametrize(
    "quoted",
    [
        "Incorrect API key provided: {key}. You can find yours at https://example.com",
        "headers were {{'Authorization': 'Bearer {key}', 'x-api-key': '{key}'}}",
        "https://host/v1?key={key}&alt=json",
        "api_key=sk-other-0123456789abcdef was rejected",
        "x-api-key: abcdef0123456789abcdef",
        "Authorization: Basic dXNlcjpwYXNzd29yZA==",
    ],
)
def test_no_error_text_repeats_a_key_or_a_header(provider: Provider, quoted: str) -> None:
    reported = str(fail(provider, error(401, quoted.format(key=SECRET))))
    for secret in (SECRET, "sk-other-0123456789abcdef", "abcdef0123456789abcdef", "dXNlcjpwYXNzd29yZA"):
        assert secret not in reported


def streaming(provider: Provider, *replies: Reply, patience: Patience = QUICK) -> Answer:
    provider.script(*replies)
    return LiteLLMModel("openai/gpt-4o", api_base=provider.url, patience=patience, stream=True).complete(REQUEST)


def test_a_streamed_answer_is_put_together_with_its_usage_and_price(provider: Provider) -> None:
    answer = streaming(provider, streamed("def reward(prev, action, state, memory): return 0.0"))
    assert provider.asked[0].body["stream"] is True
    assert provider.asked[0].body["stream_options"] == {"include_usage": True}
    assert answer.text == "def reward(prev, action, state, memory): return 0.0"
    assert (answer.outcome, answer.usage) == ("completed", Usage(11, 7))
    assert answer.price_usd is not None and answer.price_usd > 0


def test_a_truncated_stream_is_reported(provider: Provider) -> None:
    assert streaming(provider, streamed("def rew", finish_reason="length")).outcome == "truncated"


def test_a_stream_that_breaks_or_hangs_ends_in_time(provider: Provider) -> None:
    whole = streamed("def reward(prev, action, state, memory): return 0.0")
    broken = Reply(body=whole.encoded()[:400], headers=whole.headers, cut=True)
    assert streaming(provider, broken, whole).attempts == 2
    slow = Reply(body=whole.encoded(), headers=whole.headers, drip_s=0.05)
    with pytest.raises(ModelFailed) as caught:
        streaming(provider, slow, patience=Patience(timeout_s=0.6, deadline_s=1.2, attempts=2, backoff_s=0.01))
    assert caught.value.fault == "timeout" and caught.value.maybe_billed


def test_a_request_is_repeated_only_when_the_budget_allows_it(provider: Provider) -> None:
    reported: list[bool] = []
    provider.script(error(503, "overloaded"), Reply(body=b"<html>"), completion("hello"))
    request = replace(REQUEST, again=reported.append)
    assert LiteLLMModel("openai/gpt-4o", api_base=provider.url, patience=QUICK).complete(request).attempts == 3
    assert reported == [False, True], "a rejection costs nothing, an answer that could not be read may have been billed"


def test_scrub_leaves_placeholders_and_other_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "none")
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    assert scrub("none of hf_0123456789") == "none of [HF_TOKEN]"


def test_models_are_opened_by_name() -> None:
    model: LanguageModel = open_model("ollama/llama3", Reach("http://127.0.0.1:1"))
    assert (model.name, model.is_language_model) == ("ollama/llama3", True)
    assert (open_model("manual").name, open_model("manual").is_language_model) == ("manual", False)
    with pytest.raises(ModelFailed, match="empty"):
        open_model(" ")


def test_opening_a_model_imports_no_litellm() -> None:
    code = (
        "import sys; from rewardsmith.agents.registry import open_model; open_model('openai/gpt-4o');"
        "sys.exit('litellm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}).returncode == 0


def test_a_failure_survives_being_sent_between_processes() -> None:
    failed = pickle.loads(pickle.dumps(ModelFailed("cause", "remedy", "quota", 2)))
    assert (failed.cause, failed.remedy, failed.fault, failed.attempts) == ("cause", "remedy", "quota", 2)


def test_a_prompts_hash_depends_on_where_the_system_text_ends() -> None:
    assert prompt_hash("ab", "c") != prompt_hash("a", "bc")
    assert prompt_hash("a", "b") == prompt_hash("a", "b")
    assert len(prompt_hash("", "")) == 64


def test_a_request_carries_its_own_roles_key() -> None:
    with pytest.raises(ValueError, match="designer"):
        Request("designer", "p", "s", ReplayKey("critic", 0, 0))


def test_a_model_without_a_provider_is_refused_before_any_call():
    with pytest.raises(ModelFailed, match="no provider of the model 'gpt-nonsense'") as caught:
        require_key("gpt-nonsense")
    assert caught.value.fault == "unknown_model" and "PROVIDER/MODEL" in caught.value.remedy
    require_key("ollama/llama3")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_details"])
def test_reasoning_without_text_is_an_empty_answer_and_no_refusal(provider: Provider, name: str) -> None:
    provider.script(completion(None, **{name: "a thought" if name != "reasoning_details" else [{"text": "a thought"}]}))
    assert LiteLLMModel("openai/gpt-4o", api_base=provider.url, patience=QUICK).complete(REQUEST).outcome == "empty"
