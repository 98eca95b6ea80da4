"""Classifies the exceptions that litellm raises, and removes API keys from error texts."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from rewardsmith.agents.models import Answer, Fault

_SHOWN = 300  # characters of a provider's message that an error repeats


@dataclass(frozen=True)
class Failure:
    """One attempt without an answer.

    Attributes:
        fault: The class of the error.
        message: The provider's message on one line, without keys.
        retry_after: Seconds that the provider asks to wait, or None.
        maybe_billed: Whether the provider may have billed the request although no answer arrived.
    """

    fault: Fault
    message: str
    retry_after: float | None = None
    maybe_billed: bool = False

    @property
    def worth_repeating(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.fault in ("rate_limit", "server", "network", "timeout")


_BY_STATUS: dict[int, Fault] = {
    401: "key",
    402: "quota",
    403: "key",
    404: "unknown_model",
    408: "timeout",
    429: "rate_limit",
}


# Providers' messages about a prompt that is too long; litellm recognises only some of them.
_TOO_LONG = re.compile(
    r"(?i)context[ _](length|window|size)[ _]?(exceed|limit)|maximum context length|prompt is too long"
    r"|input (token count|is too long|length).{0,40}(exceed|maximum|too long)|exceeds? the (context|maximum number of"
    r" (input )?tokens)|too many (input )?tokens|exceeds? (the )?(available )?context|larger than the context"
)


def judge(error: Exception) -> Answer | Failure:
    """Classify an exception that litellm raised.

    A request that a content policy declined becomes an answer: a refusal.
    """
    words = _words(error)
    if _declined(error):
        return Answer("refused", words, model=getattr(error, "model", None) or "")
    headers = getattr(error, "litellm_response_headers", None) or {}
    return Failure(_fault(error), words, _retry_after(headers), maybe_billed=not _rejected(error))


def _rejected(error: Exception) -> bool:
    """Whether the provider certainly gave no answer: it sent an error status, or was never reached."""
    import httpx
    import openai

    causes = list(_chain(error))
    # litellm's own exceptions are status errors by class, whatever arrived.
    foreign = [cause for cause in causes if not type(cause).__module__.startswith("litellm")]
    sent = any(isinstance(cause, openai.APIStatusError | httpx.HTTPStatusError) for cause in foreign)
    unreached = any(isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout) for cause in causes)
    return sent or unreached or getattr(error, "status_code", None) in (400, 401, 402, 403, 404)


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
    if type(error).__name__ == "ContextWindowExceededError" or _TOO_LONG.search(str(error)):
        return "context"
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
    """Seconds to wait according to `Retry-After`, which is a number or a date (RFC 9110, section 10.2.3)."""
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


_HEADER = re.compile(
    r"(?i)(\b(?:(?:x-)?(?:goog-)?api[-_]?key|authorization)['\"]?\s*[:=]\s*['\"]?)(?:basic )?[^\s,'\"&}]{8,}"
)


def _words(error: Exception) -> str:
    """The provider's message: shortened, on one line, without litellm's class names and without API keys."""
    text = scrub(" ".join(str(error).split()))
    text = re.sub(r"(?i)\bbearer\s+[\w.~+/*=-]{8,}", "Bearer [key]", text)
    text = _HEADER.sub(r"\1[key]", text)
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
