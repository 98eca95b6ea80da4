"""Any provider's model through litellm, with a single retry loop and a deadline.

litellm's own retries stay off: they hide the real error, multiply attempts and repeat requests with rejected keys. Only
faults that may pass are retried. No answer and no error that leaves this module contains an API key.
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

from rewardsmith.agents.faults import Failure, judge
from rewardsmith.agents.models import Answer, Fault, ModelFailed, Patience, Request
from rewardsmith.agents.parameters import EXAMPLE, VARIABLE, changed
from rewardsmith.agents.pricing import import_litellm
from rewardsmith.agents.refused_parameters import learn, without_refused
from rewardsmith.agents.replies import read_reply


class LiteLLMModel:
    """A model that litellm reaches. API keys come from the environment.

    Args:
        name: litellm's id, such as "openai/gpt-4o" or "ollama/llama3".
        api_base: Address of a server to use instead of the provider's.
        patience: Timeouts and retries.
        stream: Whether to receive the answer in pieces.
        parameters: JSON text that renames or omits parameters of the call (see agents/parameters.py). None: the value
            of REWARDSMITH_MODEL_PARAMETERS.
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
        """Return an answer within the deadline of `patience`, or raise ModelFailed."""
        litellm = import_litellm()
        started = time.monotonic()
        deadline = started + self.patience.deadline_s
        arguments = without_refused(self._arguments(litellm, request))
        failure = Failure("timeout", "no attempt was made")
        attempt = 0
        while attempt < self.patience.attempts and time.monotonic() < deadline:
            attempt += 1
            timeout_s = min(self.patience.timeout_s, deadline - time.monotonic())
            result = _attempt(litellm, arguments, timeout_s)
            if isinstance(result, Answer):
                return replace(result, latency_s=time.monotonic() - started, attempts=attempt)
            failure = result
            if failure.fault == "request" and (other := learn(arguments, failure.message)) is not None:
                # The provider has answered nothing, so this was no attempt: it is repeated at once.
                arguments, attempt = other, attempt - 1
                continue
            if not failure.worth_repeating:
                break
            wait_s = self._wait_s(attempt, failure)
            if attempt == self.patience.attempts or time.monotonic() + wait_s >= deadline:
                break
            time.sleep(wait_s)
            if request.again is not None:
                request.again(failure.maybe_billed)
        # Raised outside of any `except`, so that the provider's exception, which may quote the key, is never chained.
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
        if request.json:
            arguments["response_format"] = {"type": "json_object"}
        if self.stream:
            arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        arguments = changed(arguments, self.name, self.parameters)
        if self.api_base is not None:
            arguments["api_base"] = self.api_base
        missing = _missing_keys(litellm, self.name)
        if missing and self.api_base is not None:
            # Self-hosted servers need no key, but the OpenAI client refuses to start without one.
            arguments["api_key"] = "none"
        elif missing:
            raise _no_key(self.name, missing)
        return arguments

    def _wait_s(self, attempt: int, failure: Failure) -> float:
        # Jitter: parallel calls that were rejected together must not be repeated together.
        if failure.retry_after is not None:
            return failure.retry_after * random.uniform(1.0, 1.1)
        ceiling = min(self.patience.backoff_max_s, self.patience.backoff_s * 2 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)

    def _failed(self, failure: Failure, attempts: int, seconds: float) -> ModelFailed:
        cause = f"{self.name}: {failure.message}"
        if attempts > 1:
            cause += f" ({attempts} attempts in {seconds:.1f} s)"
        if failure.retry_after is not None:
            cause += f" The provider asks for a wait of {failure.retry_after:.0f} s."
        return ModelFailed(
            cause, self._remedy(failure.fault), failure.fault, attempts, maybe_billed=failure.maybe_billed
        )

    def _remedy(self, fault: Fault) -> str:
        at = f" at {_without_password(self.api_base)}" if self.api_base else ""
        remedies: dict[Fault, str] = {
            "key": f"Check the API key of {self.name.split('/')[0]}, and whether it may use this model.",
            "unknown_model": f'Check the spelling of --model: "PROVIDER/MODEL", as the provider writes it{at}.',
            "request": (
                "Lower --answer-tokens, or use another model. If the provider rejects a parameter, rename or omit it: "
                f"export {VARIABLE}='{EXAMPLE}'"
            ),
            "context": "Lower --prompt-tokens, or set --model to one with a longer context.",
            "quota": "Add credit to the account, or use another model.",
            "rate_limit": "Try again later, or lower REWARDSMITH_CALLS_AT_ONCE.",
            "server": f"Try again later. If the error persists, check that the address serves chat completions{at}.",
            "network": f"Check that the server is running and reachable{at}.",
            "timeout": f"Raise REWARDSMITH_CALL_SECONDS or REWARDSMITH_CALL_DEADLINE, or check the server{at}.",
        }
        return remedies[fault]


def require_key(name: str, api_base: str | None = None) -> None:
    """Raise ModelFailed if litellm knows no provider of the model `name`, or if its API key is not set.

    Sends no request.
    """
    if api_base is not None:
        return
    litellm = import_litellm()
    known = True
    try:
        litellm.get_llm_provider(model=name)
    except Exception:
        known = False
    if not known:
        remedy = 'Set --model to "PROVIDER/MODEL", such as openai/gpt-4o or ollama/llama3, or to "synth".'
        raise ModelFailed(f"litellm knows no provider of the model {name!r}.", remedy, "unknown_model")
    if missing := _missing_keys(litellm, name):
        raise _no_key(name, missing)


def _no_key(name: str, missing: list[str]) -> ModelFailed:
    return ModelFailed(
        f"The model {name} needs an API key, and {' and '.join(missing)} is not set.",
        f"Set it with `export {missing[0]}=...`, or use another model, such as --model synth.",
        "key",
    )


def _missing_keys(litellm: Any, name: str) -> list[str]:
    # litellm accepts an empty variable as a key.
    empty = {key: os.environ.pop(key) for key, value in [*os.environ.items()] if "KEY" in key and not value.strip()}
    try:
        found = litellm.validate_environment(model=name)
    except Exception:
        return []  # litellm does not know the provider; the request itself will fail with that error
    finally:
        os.environ.update(empty)
    return [] if found["keys_in_environment"] else [key for key in found["missing_keys"] if "KEY" in key]


def _attempt(litellm: Any, arguments: dict[str, Any], timeout_s: float) -> Answer | Failure:
    """Send one request; return after `timeout_s` seconds at the latest.

    The client's timeout bounds each read, so a server that sends single bytes could block it indefinitely. The daemon
    thread left behind ends with its connection and does not keep the process alive.
    """
    results: queue.SimpleQueue[Answer | Failure] = queue.SimpleQueue()

    def ask() -> None:
        try:
            response = litellm.completion(**arguments, timeout=timeout_s, max_retries=0, num_retries=0)
            if arguments.get("stream"):
                response = litellm.stream_chunk_builder(list(response), messages=arguments["messages"])
            results.put(read_reply(litellm, response, arguments["model"]))
        except Exception as error:
            results.put(judge(error))

    threading.Thread(target=ask, name="language-model-call", daemon=True).start()
    try:
        return results.get(timeout=timeout_s + 0.25)
    except queue.Empty:
        return Failure("timeout", f"no complete answer within {timeout_s:.1f} s.", maybe_billed=True)


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)
