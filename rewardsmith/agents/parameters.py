"""Parameters of a model's call that its provider takes under another name, or not at all: what the user says of them.

Clients know a provider's habits by the model's name; behind a proxy, or under a deployment's own name, nobody does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from rewardsmith.agents.models import ModelFailed

VARIABLE = "REWARDSMITH_MODEL_PARAMETERS"
EXAMPLE = '{"max_tokens": "max_completion_tokens", "temperature": null}'

_OURS = frozenset({"max_tokens", "temperature", "stream_options"})
"""What is sent and may be renamed or left out."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Where a request goes, and with whose key, is not for this setting to say.
_RESERVED = re.compile(
    r"^(model|messages|stream|tools?|functions?|timeout|n)$|api|base|url|key|secret|header|client|proxy|region|project"
    r"|credential|vertex|aws|azure|callback|mock|custom|fallback|retries|router|metadata|cache|litellm|config"
)


def changed(arguments: Mapping[str, Any], model: str, setting: str | None) -> dict[str, Any]:
    """`arguments` of a call of `model` as the setting wants them.

    setting: a JSON object. Of max_tokens, temperature and stream_options null leaves one out, and a text is its new
    name; any other name adds a parameter with its value. An object under a model's name holds for that model alone.
    Raises ModelFailed for a setting that says anything else.
    """
    sent = dict(arguments)
    for name, value in _changes(model, setting).items():
        if name not in _OURS:
            sent[name] = value
        elif value is None:
            sent.pop(name, None)
        elif isinstance(value, str):
            if name in sent:
                sent[value] = sent.pop(name)
        elif name in sent:
            sent[name] = value
    return sent


def _changes(model: str, setting: str | None) -> dict[str, Any]:
    if setting is None or not setting.strip():
        return {}
    try:
        values = json.loads(setting)
    except (ValueError, RecursionError) as error:
        raise _refused(f"is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise _refused("is no JSON object")
    general = {name: value for name, value in values.items() if not _is_of_a_model(name, value)}
    own = values.get(model, {})
    for name, value in [*general.items(), *own.items()]:
        target = value if name in _OURS and isinstance(value, str) else name
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(target):
            raise _refused(f"names {name!r}, which is no parameter")
        if _RESERVED.search(name) or _RESERVED.search(target):
            raise _refused(f"may not set {target!r}")
    return {**general, **own}


def _is_of_a_model(name: str, value: Any) -> bool:
    return isinstance(value, dict) and _NAME.fullmatch(name) is None


def _refused(what: str) -> ModelFailed:
    return ModelFailed(f"{VARIABLE} {what}.", f"Write it as, for example, {EXAMPLE}; see docs/models.md.", "request")
