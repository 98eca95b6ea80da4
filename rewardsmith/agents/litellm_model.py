"""Any provider's model through litellm, with one retry loop and one deadline of our own.

litellm's own retries stay off: they hide the real error, multiply attempts and repeat rejected keys. Only
what may succeed is asked again. No text that leaves this module, answers and errors alike, holds an API key.
"""

from __future__ import annotations

import math
import os
import queue
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from rewardsmith.agents.models import Answer, Fault, ModelFailed, Outcome, Patience, Request, Usage

_SHOWN = 300  # characters of a provider's own words that an error repeats


@dataclass(frozen=True)
class _Failure:
    """One attempt that brought no answer. retry_after: seconds the provider asks to wait, if it said."""

    fault: Fault
    message: str
    retry_after: float | None = None

    @property
    def worth_repeating(self) -> bool:
        return self.fault in ("rate_limit", "server", "network", "timeout")


class LiteLLMModel:
    """A litellm id, such as "openai/gpt-4o" or "ollama/llama3"; keys come from the environment."""

    is_language_model = True

    def __init__(self, name: str, *, api_base: str | None = None, patience: Patience | None = None) -> None:
        self.name = name
        self.api_base = api_base
        self.patience = patience or Patience()

    def complete(self, request: Request) -> Answer:
        """Answer `request` within the patience's deadline, or raise ModelFailed."""
        started = time.monotonic()
        deadline = started + self.patience.deadline_s
        litellm = _import_litellm()
        arguments = self._arguments(litellm, request)
        failure = _Failure("timeout", "no attempt was made")
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
        if self.api_base is not None:
            arguments["api_base"] = self.api_base
        missing = _missing_keys(litellm, self.name)
        if missing and self.api_base is not None:
            # Servers at home ask for no key, but the OpenAI client refuses to start without one.
            arguments["api_key"] = "none"
        elif missing:
            names = " and ".join(missing)
            raise ModelFailed(
                f"The model {self.name} needs an API key, and {names} is not set.",
                f'Set it, for example `export {missing[0]}=...`, or name another model, such as "synth".',
                "key",
            )
        return arguments

    def _wait_s(self, attempt: int, failure: _Failure) -> float:
        if failure.retry_after is not None:
            return failure.retry_after
        ceiling = min(self.patience.backoff_max_s, self.patience.backoff_s * 2 ** (attempt - 1))
        # Half of it is jitter: parallel designers that were turned away together must not return together.
        return ceiling * random.uniform(0.5, 1.0)

    def _failed(self, failure: _Failure, attempts: int, seconds: float) -> ModelFailed:
        cause = f"{self.name}: {failure.message}"
        if attempts > 1:
            cause += f" ({attempts} attempts in {seconds:.1f} s)"
        if failure.retry_after is not None:
            cause += f" The provider asks to wait {failure.retry_after:.0f} s."
        return ModelFailed(cause, self._remedy(failure.fault), failure.fault, attempts)

    def _remedy(self, fault: Fault) -> str:
        at = f" at {_without_password(self.api_base)}" if self.api_base else ""
        remedies: dict[Fault, str] = {
            "key": f"Check the API key of {self.name.split('/')[0]} and what it is allowed to use.",
            "unknown_model": f'Check the name: "PROVIDER/MODEL", as the provider spells it{at}.',
            "request": "Change the request: a shorter prompt, fewer max_tokens, or another model.",
            "quota": "Add credit to the account, or name another model.",
            "rate_limit": "Try again later, or with fewer calls at once.",
            "server": f"Try again later; if it stays, check that the address answers chat completions{at}.",
            "network": f"Check that the server runs and can be reached{at}.",
            "timeout": f"Allow more time, or check the server{at}.",
        }
        return remedies[fault]


def _import_litellm() -> Any:
    # Without these two, the import itself fetches price lists over the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "true")
    import litellm

    litellm.suppress_debug_info = True
    litellm.drop_params = True  # reasoning models reject a temperature; leaving it out beats failing
    return litellm


def has_price(name: str) -> bool:
    """Whether litellm lists a price for the model called `name`."""
    litellm = _import_litellm()
    listed = litellm.model_cost
    return name in listed or name.partition("/")[2] in listed


def _missing_keys(litellm: Any, name: str) -> list[str]:
    try:
        found = litellm.validate_environment(model=name)
    except Exception:
        return []  # litellm does not know the provider; the request itself will say so
    return [] if found["keys_in_environment"] else [key for key in found["missing_keys"] if "KEY" in key]


def _attempt(litellm: Any, arguments: dict[str, Any], timeout_s: float) -> Answer | _Failure:
    """One request, over after `timeout_s` seconds whatever the server does.

    The client's timeout bounds each read, so a server that drips bytes could hold it for ever. The thread
    that is left behind then ends with its connection, and does not keep the process alive.
    """
    results: queue.SimpleQueue[Answer | _Failure] = queue.SimpleQueue()

    def ask() -> None:
        try:
            response = litellm.completion(**arguments, timeout=timeout_s, max_retries=0, num_retries=0)
            results.put(_read(litellm, response, arguments["model"]))
        except Exception as error:
            results.put(_judge(error))

    threading.Thread(target=ask, name="language-model-call", daemon=True).start()
    try:
        return results.get(timeout=timeout_s + 0.25)
    except queue.Empty:
        return _Failure("timeout", f"no complete answer within {timeout_s:.1f} s.")


def _read(litellm: Any, response: Any, name: str) -> Answer:
    usage = _usage(response)
    choices = getattr(response, "choices", None) or []
    outcome, text = _outcome(choices[0]) if choices else ("empty", "")
    return Answer(
        outcome=outcome,
        text=_storable(scrub(text)),
        model=getattr(response, "model", None) or name,
        usage=usage,
        price_usd=_price(litellm, response, name, usage),
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


def _price(litellm: Any, response: Any, name: str, usage: Usage) -> float | None:
    # litellm would fall back on the price of whichever model the reply names.
    listed = name in litellm.model_cost or name.partition("/")[2] in litellm.model_cost
    if usage.prompt_tokens is None or not listed:
        return None
    try:
        return float(litellm.completion_cost(completion_response=response, model=name))
    except Exception:
        return None  # it raises where a list price lacks what this reply used


_BY_STATUS: dict[int, Fault] = {
    401: "key",
    402: "quota",
    403: "key",
    404: "unknown_model",
    408: "timeout",
    429: "rate_limit",
}


def _judge(error: Exception) -> Answer | _Failure:
    """The fault class of what litellm raised; a request declined by a content policy is an answer."""
    words = _words(error)
    if _declined(error):
        return Answer("refused", words, model=getattr(error, "model", None) or "")
    headers = getattr(error, "litellm_response_headers", None) or {}
    return _Failure(_fault(error), words, _retry_after(headers))


def _declined(error: Exception) -> bool:
    return type(error).__name__ == "ContentPolicyViolationError" or getattr(error, "code", None) in (
        "content_policy_violation",
        "content_filter",
    )


def _fault(error: Exception) -> Fault:
    import openai

    body = getattr(error, "body", None)
    kinds = {str(body.get("code")), str(body.get("type"))} if isinstance(body, dict) else set()
    if "insufficient_quota" in kinds:
        return "quota"
    if "LLM Provider NOT provided" in str(error):
        return "unknown_model"
    causes = list(_chain(error))
    if any(isinstance(cause, openai.APITimeoutError) for cause in causes):
        return "timeout"
    if any(isinstance(cause, openai.APIConnectionError) for cause in causes):
        return "network"
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return "server"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return "request" if 400 <= status < 500 and status not in (409, 425) else "server"


def _chain(error: BaseException | None):
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait from `Retry-After`, which is a number or a date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _words(error: Exception) -> str:
    """What the provider said, on one line, short, and without litellm's class names or anybody's key."""
    text = scrub(" ".join(str(error).split()))
    text = re.sub(r"(?i)\bbearer\s+[\w.~+/*=-]{8,}", "Bearer [key]", text)
    # Providers quote rejected keys half masked, which no comparison with the environment finds.
    text = re.sub(r"\b(sk|pk|gsk|xai)-[\w*-]{6,}", "[key]", text)
    text = re.sub(r"([?&]key=)[^\s&'\"]+", r"\1[key]", text)
    text = re.sub(r"^((litellm\.)?\w+(Error|Exception)( - |: ))+", "", text)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def scrub(text: str) -> str:
    """`text` without the values of this process's *_KEY, *_TOKEN and *_SECRET environment variables."""
    for name, value in os.environ.items():
        # Shorter values are placeholders such as "none", and parts of ordinary words.
        if name.upper().endswith(("_KEY", "_TOKEN", "_SECRET")) and len(value) >= 8:
            text = text.replace(value, f"[{name}]")
    return text


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)
