"""Reads a provider's reply, in the shapes that litellm returns: its outcome, text, tokens and fingerprint."""

from __future__ import annotations

from typing import Any

from rewardsmith.agents.faults import scrub
from rewardsmith.agents.models import Answer, Outcome, Usage
from rewardsmith.agents.parts import joined
from rewardsmith.agents.pricing import price_of

_LONGEST_FINGERPRINT = 200
_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")
"""Fields in which servers return reasoning beside the answer."""


def read_reply(litellm: Any, response: Any, name: str) -> Answer:
    """Return the answer in a reply of litellm to a call of the model `name`."""
    usage = usage_of(response)
    choices = getattr(response, "choices", None) or []
    outcome, text = _outcome(choices[0]) if choices else ("empty", "")
    fingerprint = getattr(response, "system_fingerprint", None)
    return Answer(
        outcome=outcome,
        text=storable(scrub(text)),
        model=getattr(response, "model", None) or name,
        usage=usage,
        price_usd=price_of(litellm, response, name, usage),
        fingerprint=storable(str(fingerprint))[:_LONGEST_FINGERPRINT] if fingerprint else None,
    )


def storable(text: str) -> str:
    """Return `text` without lone surrogates and NULs, which JSON can carry but files and databases refuse."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _outcome(choice: Any) -> tuple[Outcome, str]:
    text, refused = joined(choice.message.content)
    extra = getattr(choice.message, "provider_specific_fields", None) or {}
    refusal = refused or getattr(choice.message, "refusal", None) or extra.get("refusal")
    if refusal or choice.finish_reason == "content_filter":
        return "refused", refusal or text or ""
    if choice.finish_reason == "length":
        return "truncated", text or ""
    if not (text or "").strip() and (calls := getattr(choice.message, "tool_calls", None)):
        # No tools were offered; the arguments of the call are stored in the ledger.
        return "tool call", "\n".join(str(getattr(call.function, "arguments", "")) for call in calls)
    if text is None:
        # Reasoning tokens but no text: an empty answer, not a refusal.
        reasoned = any(getattr(choice.message, name, None) or extra.get(name) for name in _REASONING)
        return ("empty" if reasoned else "refused"), ""
    return ("completed" if text.strip() else "empty"), text


def usage_of(response: Any) -> Usage:
    """Return the tokens that a reply reports; None where it reports no count."""
    usage = getattr(response, "usage", None)
    prompt = getattr(usage, "prompt_tokens", None)
    if not prompt:
        # litellm fills a missing count with zeros, and no prompt has zero tokens.
        return Usage()
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None)
    answer = int(getattr(usage, "completion_tokens", 0) or 0)
    return Usage(int(prompt), answer, None if cached is None else int(cached))
