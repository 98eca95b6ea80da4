"""REWARDSMITH_MODEL_PARAMETERS: renames, omits or adds parameters of a model's call.

litellm recognises a provider's parameters by the model's name. Behind a proxy or under a deployment's own name it
cannot, so the user sets them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from rewardsmith.agents.models import ModelFailed

VARIABLE = "REWARDSMITH_MODEL_PARAMETERS"
EXAMPLE = '{"max_tokens": "max_completion_tokens", "temperature": null}'

_OURS = frozenset({"max_tokens", "temperature", "stream_options", "response_format"})
"""Parameters that rewardsmith sends, and that the setting may rename or omit."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
# This setting must not decide to which address a request goes, nor with which key.
_RESERVED = re.compile(
    r"^(model|messages|stream|tools?|functions?|timeout|n)$|api|base|url|key|secret|header|client|proxy|region|project"
    r"|credential|vertex|aws|azure|callback|mock|custom|fallback|retries|router|metadata|cache|litellm|config"
)


def changed(arguments: Mapping[str, Any], model: str, setting: str | None) -> dict[str, Any]:
    """Return the arguments of a call, changed according to the setting.

    Args:
        arguments: Arguments of `litellm.completion`.
        model: litellm's name of the model.
        setting: JSON text of an object, or None. For max_tokens, temperature, stream_options and response_format, null
            omits the parameter and a text renames it. Any other name adds a parameter with its value. An object under a
            model's name applies to that model only.

    Raises:
        ModelFailed: The setting is not such an object, or it sets a reserved parameter.
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
        raise _refused(f"is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise _refused("is not a JSON object")
    general = {name: value for name, value in values.items() if not _is_of_a_model(name, value)}
    own = values.get(model, {})
    for name, value in [*general.items(), *own.items()]:
        target = value if name in _OURS and isinstance(value, str) else name
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(target):
            raise _refused(f"contains {name!r}, which is not the name of a parameter")
        if _RESERVED.search(name) or _RESERVED.search(target):
            raise _refused(f"may not set {target!r}")
    return {**general, **own}


def _is_of_a_model(name: str, value: Any) -> bool:
    return isinstance(value, dict) and _NAME.fullmatch(name) is None


def _refused(what: str) -> ModelFailed:
    return ModelFailed(f"{VARIABLE} {what}.", f"Set it to, for example, {EXAMPLE}; see docs/models.md.", "request")
