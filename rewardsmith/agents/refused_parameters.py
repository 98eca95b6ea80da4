"""Learns from a provider's error which parameters of a call a deployment does not take.

A deployment's own name does not reveal which model it serves, so the first refusal teaches it. What was learned holds
for the process, by model and address.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

_REFUSAL = re.compile(
    r"(?i)unsupported|not support|unknown|unrecogni[sz]ed|unexpected|not (?:permitted|allowed|valid)|deprecated"
    r"|extra (?:inputs|fields)|only the default"
)
_LIMITS = ("max_tokens", "max_completion_tokens")
"""Names of the bound on an answer. It is renamed but never dropped, because it bounds the cost of a call."""
_OPTIONAL = ("temperature", "stream_options", "response_format")

_lock = threading.Lock()
_learned: dict[tuple[str, str | None], dict[str, str | None]] = {}


def without_refused(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call without what its deployment has refused before, or under the name it takes."""
    with _lock:
        changes = dict(_learned.get(_place(arguments), {}))
    return _changed(arguments, changes)


def learn(arguments: Mapping[str, Any], message: str) -> dict[str, Any] | None:
    """Return the arguments changed as a provider's error demands, and remember the change.

    Args:
        arguments: The arguments of the call that failed.
        message: The provider's error.

    Returns:
        None if the message refuses none of the parameters that may be changed, or if the change was already made.
    """
    change = _demanded(arguments, message)
    if change is None:
        return None
    with _lock:
        known = _learned.setdefault(_place(arguments), {})
        if any(new in known for new in change.values() if new is not None):
            return None  # both names of a limit are refused
        known.update(change)
    return _changed(arguments, change)


def refused_by(model: str, api_base: str | None) -> dict[str, str | None]:
    """Return what was learned of a deployment: parameters that it refuses, with the name that it takes or None."""
    with _lock:
        return dict(_learned.get((model, api_base), {}))


def forget() -> None:
    """Forget all that was learned."""
    with _lock:
        _learned.clear()


def _demanded(arguments: Mapping[str, Any], message: str) -> dict[str, str | None] | None:
    if _REFUSAL.search(message) is None:
        return None
    # The refused parameter is named first; a message about it may go on to name another one to use instead.
    named = [(m.start(), name) for name in (*_LIMITS, *_OPTIONAL) if (m := re.search(rf"\b{name}\b", message))]
    for _, name in sorted(named):
        if name in arguments:
            other = next((each for each in _LIMITS if each != name), None) if name in _LIMITS else None
            return {name: other}
    return None


def _changed(arguments: Mapping[str, Any], changes: Mapping[str, str | None]) -> dict[str, Any]:
    sent = dict(arguments)
    for name, other in changes.items():
        if name in sent:
            value = sent.pop(name)
            if other is not None:
                sent[other] = value
    return sent


def _place(arguments: Mapping[str, Any]) -> tuple[str, str | None]:
    return arguments["model"], arguments.get("api_base")
