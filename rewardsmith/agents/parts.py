"""The content of a message as a list of parts, as the Responses API and some servers send it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXTS = ("text", "output_text")
"""Types of the parts that belong to the answer. Others hold reasoning, a refusal or an image."""


def joined(content: Any) -> tuple[str | None, str | None]:
    """Return (text, refusal) of a message's content: a text, None, or a list of parts as in the Responses API."""
    if content is None or isinstance(content, str):
        return content, None
    texts, refusals = [], []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("type", "text") in _TEXTS:
            texts.append(_text_of(part.get("text")))
        elif isinstance(part, Mapping) and part.get("type") == "refusal":
            refusals.append(str(part.get("refusal") or ""))
    return "".join(texts), "\n".join(refusals) or None


def _text_of(value: Any) -> str:
    """The text of a part; the Assistants API wraps it as {"value": ...}."""
    return str(value.get("value") or "") if isinstance(value, Mapping) else str(value or "")
