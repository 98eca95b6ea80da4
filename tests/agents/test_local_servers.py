"""Servers of open models, imitated on the loopback interface: Ollama, vLLM and llama.cpp."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rewardsmith.agents.litellm_model import LiteLLMModel
from rewardsmith.agents.models import ModelFailed, Patience, ReplayKey, Request

ASKED = Request("critic", "Review.", "You review.", ReplayKey("critic", 1, 0), 512, json=True)
Answering = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]


@contextmanager
def serving(answering: Answering) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A server that answers POST requests by path and body; yields its address and the requests."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body))
            status, reply = answering(self.path, body)
            text = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(name: str, api_base: str, attempts: int = 1) -> Any:
    patience = Patience(timeout_s=20, attempts=attempts, backoff_s=0.01)
    return LiteLLMModel(name, api_base=api_base, patience=patience, parameters="").complete(ASKED)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def ollama(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    if path == "/api/show":
        return 200, {"template": "", "model_info": {"general.architecture": "qwen3"}, "capabilities": ["completion"]}
    message = {"role": "assistant", "content": '{"verdict": "accept"}', "thinking": "A draft."}
    return 200, {
        "model": body["model"], "created_at": "2026-11-29T10:00:00.0Z", "message": message, "done_reason": "stop",
        "done": True, "total_duration": 5, "load_duration": 1, "prompt_eval_count": 26, "eval_count": 9,
    }  # fmt: skip


def test_ollama_s_chat_is_read_without_its_thinking() -> None:
    with serving(ollama) as (url, asked):
        answer = ask("ollama_chat/qwen3:14b", url)
    body = next(body for path, body in asked if path == "/api/chat")
    assert body["model"] == "qwen3:14b" and body["options"]["num_predict"] == 512
    assert (answer.outcome, answer.text) == ("completed", '{"verdict": "accept"}')
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.price_usd) == (26, 9, None)


def vllm(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    message = {"role": "assistant", "content": "{}", "reasoning_content": "A draft.", "refusal": None, "tool_calls": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    usage = {"prompt_tokens": 40, "total_tokens": 49, "completion_tokens": 9, "prompt_tokens_details": None}
    return 200, {
        "id": "chatcmpl-7", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice],
        "usage": usage, "prompt_logprobs": None, "kv_transfer_params": None, "service_tier": None,
    }  # fmt: skip


def test_vllm_s_answer_is_read_without_its_reasoning() -> None:
    with serving(vllm) as (url, asked):
        answer = ask("openai/Qwen/Qwen3-14B", f"{url}/v1")
    path, body = asked[-1]
    assert path == "/v1/chat/completions" and body["model"] == "Qwen/Qwen3-14B"
    assert body["response_format"] == {"type": "json_object"}
    assert (answer.outcome, answer.text, answer.usage.prompt_tokens) == ("completed", "{}", 40)


def vllm_too_long(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    message = "This model's maximum context length is 4096 tokens. However, you requested 5012 tokens."
    return 400, {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400}


def llama_cpp(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    choice = {"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": "{}"}}
    return 200, {
        "choices": [choice], "created": 1, "model": body["model"], "system_fingerprint": "b6123-abcdef01",
        "object": "chat.completion", "usage": {"completion_tokens": 9, "prompt_tokens": 40, "total_tokens": 49},
        "id": "chatcmpl-9", "timings": {"prompt_n": 40, "prompt_ms": 12.5, "predicted_n": 9, "predicted_ms": 99.0},
    }  # fmt: skip


def test_llama_cpp_is_waited_for_while_it_loads_and_its_build_is_kept() -> None:
    loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    replies = [(503, loading)]

    def answering(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return replies.pop() if replies else llama_cpp(path, body)

    with serving(answering) as (url, _):
        answer = ask("openai/local", f"{url}/v1", attempts=3)
    assert (answer.text, answer.attempts, answer.fingerprint) == ("{}", 2, "b6123-abcdef01")


def llama_cpp_too_long(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    message = "the request exceeds the available context size, try increasing it"
    kind = {"type": "exceed_context_size_error", "n_prompt_tokens": 5012, "n_ctx": 4096}
    return 400, {"error": {"code": 400, "message": message, **kind}}


@pytest.mark.parametrize("refusing", [vllm_too_long, llama_cpp_too_long])
def test_a_prompt_that_is_too_long_is_recognised(refusing: Answering) -> None:
    with serving(refusing) as (url, _), pytest.raises(ModelFailed) as failed:
        ask("openai/local", f"{url}/v1")
    assert failed.value.fault == "context"
