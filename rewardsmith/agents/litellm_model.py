"""Any provider's model through litellm, with one retry loop and one deadline of our own.

litellm's own retries stay off: they hide the real error, multiply attempts and repeat rejected keys. Only
what may succeed is asked again. No text that leaves this module, answers and errors alike, holds an API key.
"""

from __future__ import annotations

import os
import queue
import random
import re
import threading
import time
from dataclasses import replace
from typing import Any

from rewardsmith.agents.faults import Failure, judge, scrub
from rewardsmith.agents.models import Answer, Fault, ModelFailed, Outcome, Patience, Request, Usage
from rewardsmith.agents.parameters import EXAMPLE, VARIABLE, changed
from rewardsmith.agents.pricing import import_litellm, price_of


class LiteLLMModel:
    """A litellm id, such as "openai/gpt-4o" or "ollama/llama3"; keys come from the environment.

    parameters: which of the call's parameters are renamed or left out (see agents.parameters); None: as the
    environment variable says.
    """

    is_language_model = True

    def __init__(
        self,
        name: str,
        *,
        api_base: str | None = None,
        patience: Patience | None = None,
        stream: bool = False,
        parameters: str | None = None,
    ) -> None:
        self.name = name
        self.api_base = api_base
        self.patience = patience or Patience()
        self.stream = stream
        self.parameters = os.environ.get(VARIABLE) if parameters is None else parameters

    def complete(self, request: Request) -> Answer:
        """Answer `request` within the patience's deadline, or raise ModelFailed."""
        litellm = import_litellm()
        started = time.monotonic()
        deadline = started + self.patience.deadline_s
        arguments = self._arguments(litellm, request)
        failure = Failure("timeout", "no attempt was made")
        attempt = 0
        while attempt < self.patience.attempts and time.monotonic() < deadline:
            attempt += 1
            timeout_s = min(self.patience.timeout_s, deadline - time.monotonic())
            result = _attempt(litellm, arguments, timeout_s)
            if isinstance(result, Answer):
                return replace(result, latency_s=time.monotonic() - started, attempts=attempt)
            failure = result
            if not failure.worth_repeating:
                break
            wait_s = self._wait_s(attempt, failure)
            if attempt == self.patience.attempts or time.monotonic() + wait_s >= deadline:
                break
            time.sleep(wait_s)
            if request.again is not None:
                request.again(failure.maybe_billed)
        # Raised outside any `except`: a provider's exception, which may quote the key, is never chained.
        raise self._failed(failure, attempt, time.monotonic() - started)

    def _arguments(self, litellm: Any, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.name,
            "messages": [
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.prompt},
            ],
            "max_tokens": request.max_tokens,
        }
        if not request.system:
            del arguments["messages"][0]
        if request.temperature is not None:
            arguments["temperature"] = request.temperature
        if self.stream:
            arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        arguments = changed(arguments, self.name, self.parameters)
        if self.api_base is not None:
            arguments["api_base"] = self.api_base
        missing = _missing_keys(litellm, self.name)
        if missing and self.api_base is not None:
            # Servers at home ask for no key, but the OpenAI client refuses to start without one.
            arguments["api_key"] = "none"
        elif missing:
            raise _no_key(self.name, missing)
        return arguments

    def _wait_s(self, attempt: int, failure: Failure) -> float:
        # Jitter: parallel designers that were turned away together must not return together.
        if failure.retry_after is not None:
            return failure.retry_after * random.uniform(1.0, 1.1)
        ceiling = min(self.patience.backoff_max_s, self.patience.backoff_s * 2 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)

    def _failed(self, failure: Failure, attempts: int, seconds: float) -> ModelFailed:
        cause = f"{self.name}: {failure.message}"
        if attempts > 1:
            cause += f" ({attempts} attempts in {seconds:.1f} s)"
        if failure.retry_after is not None:
            cause += f" The provider asks to wait {failure.retry_after:.0f} s."
        return ModelFailed(
            cause, self._remedy(failure.fault), failure.fault, attempts, maybe_billed=failure.maybe_billed
        )

    def _remedy(self, fault: Fault) -> str:
        at = f" at {_without_password(self.api_base)}" if self.api_base else ""
        remedies: dict[Fault, str] = {
            "key": f"Check the API key of {self.name.split('/')[0]} and what it is allowed to use.",
            "unknown_model": f'Check the name: "PROVIDER/MODEL", as the provider spells it{at}.',
            "request": (
                "Take fewer --answer-tokens or another model. If a parameter is refused, rename it or leave it out: "
                f"export {VARIABLE}='{EXAMPLE}'"
            ),
            "context": "Lower --prompt-tokens, or name a model with a longer context.",
            "quota": "Add credit to the account, or name another model.",
            "rate_limit": "Try again later, or with fewer calls at once.",
            "server": f"Try again later; if it stays, check that the address answers chat completions{at}.",
            "network": f"Check that the server runs and can be reached{at}.",
            "timeout": f"Allow more time, or check the server{at}.",
        }
        return remedies[fault]


def require_key(name: str, api_base: str | None = None) -> None:
    """Raises ModelFailed if nobody offers litellm's model `name`, or if its API key is not set; sends nothing."""
    if api_base is not None:
        return
    litellm = import_litellm()
    known = True
    try:
        litellm.get_llm_provider(model=name)
    except Exception:
        known = False
    if not known:
        remedy = 'Name it "PROVIDER/MODEL", such as openai/gpt-4o or ollama/llama3, or take "synth".'
        raise ModelFailed(f"litellm knows no provider of the model {name!r}.", remedy, "unknown_model")
    if missing := _missing_keys(litellm, name):
        raise _no_key(name, missing)


def _no_key(name: str, missing: list[str]) -> ModelFailed:
    return ModelFailed(
        f"The model {name} needs an API key, and {' and '.join(missing)} is not set.",
        f'Set it, for example `export {missing[0]}=...`, or name another model, such as "synth".',
        "key",
    )


def _missing_keys(litellm: Any, name: str) -> list[str]:
    # litellm takes a variable that is there for a key, though it is empty.
    empty = {key: os.environ.pop(key) for key, value in [*os.environ.items()] if "KEY" in key and not value.strip()}
    try:
        found = litellm.validate_environment(model=name)
    except Exception:
        return []  # litellm does not know the provider; the request itself will say so
    finally:
        os.environ.update(empty)
    return [] if found["keys_in_environment"] else [key for key in found["missing_keys"] if "KEY" in key]


def _attempt(litellm: Any, arguments: dict[str, Any], timeout_s: float) -> Answer | Failure:
    """One request, over after `timeout_s` seconds whatever the server does.

    The client's timeout bounds each read, so a server that drips bytes could hold it for ever. The thread
    that is left behind then ends with its connection, and does not keep the process alive.
    """
    results: queue.SimpleQueue[Answer | Failure] = queue.SimpleQueue()

    def ask() -> None:
        try:
            response = litellm.completion(**arguments, timeout=timeout_s, max_retries=0, num_retries=0)
            if arguments.get("stream"):
                response = litellm.stream_chunk_builder(list(response), messages=arguments["messages"])
            results.put(_read(litellm, response, arguments["model"]))
        except Exception as error:
            results.put(judge(error))

    threading.Thread(target=ask, name="language-model-call", daemon=True).start()
    try:
        return results.get(timeout=timeout_s + 0.25)
    except queue.Empty:
        return Failure("timeout", f"no complete answer within {timeout_s:.1f} s.", maybe_billed=True)


def _read(litellm: Any, response: Any, name: str) -> Answer:
    usage = _usage(response)
    choices = getattr(response, "choices", None) or []
    outcome, text = _outcome(choices[0]) if choices else ("empty", "")
    return Answer(
        outcome=outcome,
        text=_storable(scrub(text)),
        model=getattr(response, "model", None) or name,
        usage=usage,
        price_usd=price_of(litellm, response, name, usage),
    )


def _storable(text: str) -> str:
    """`text` without lone surrogates and NULs, which JSON can carry but files and databases refuse."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _outcome(choice: Any) -> tuple[Outcome, str]:
    text = choice.message.content
    extra = getattr(choice.message, "provider_specific_fields", None) or {}
    refusal = getattr(choice.message, "refusal", None) or extra.get("refusal")
    if refusal or choice.finish_reason == "content_filter":
        return "refused", refusal or text or ""
    if choice.finish_reason == "length":
        return "truncated", text or ""
    if not (text or "").strip() and (calls := getattr(choice.message, "tool_calls", None)):
        # No tools were offered; what the call says goes into the ledger.
        return "tool call", "\n".join(str(getattr(call.function, "arguments", "")) for call in calls)
    if text is None:
        # A model that only thought has not refused.
        return ("empty" if getattr(choice.message, "reasoning_content", None) else "refused"), ""
    return ("completed" if text.strip() else "empty"), text


def _usage(response: Any) -> Usage:
    usage = getattr(response, "usage", None)
    prompt = getattr(usage, "prompt_tokens", None)
    if not prompt:
        # litellm fills a missing count with zeros, and no prompt has zero tokens.
        return Usage()
    return Usage(int(prompt), int(getattr(usage, "completion_tokens", 0) or 0))


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)
