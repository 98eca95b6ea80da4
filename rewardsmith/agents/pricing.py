"""Cost of calls: an upper bound before a call, and litellm's list price after it."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rewardsmith.agents.models import Request, Usage

_TEMPLATE_TOKENS = 64
"""Upper bound of the tokens that a chat template adds to a system text and a message; the longest known adds about
30."""

_BYTES_PER_TOKEN = 3.5
"""English and code have 3.5 to 4.5 bytes per token. The lower end makes the estimate err upwards."""

_OWN_LIST = "LITELLM_LOCAL_MODEL_COST_MAP"
_LIST = "model_prices_and_context_window_backup.json"

UNPAID = ("synth", "manual", "none")
"""Models that cause no provider costs."""


@dataclass(frozen=True)
class Bound:
    """Upper bound of one request: tokens, and dollars (None if the price is unknown)."""

    tokens: int
    usd: float | None


def import_litellm() -> Any:
    """Import litellm with its downloads and retries turned off."""
    # Without these two, the import itself fetches price lists over the network.
    os.environ.setdefault(_OWN_LIST, "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "true")
    # Otherwise it reads a .env file of any parent folder, which may set another address for the provider's key.
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm

    litellm.suppress_debug_info = True
    litellm.drop_params = True  # reasoning models reject a temperature; omitting it is better than failing
    _take_parts()
    return litellm


def _take_parts() -> None:
    """Let litellm take a message whose content is a list of parts; by itself it calls such a reply invalid."""
    from litellm.litellm_core_utils.llm_response_utils import convert_dict_to_response as converting

    from rewardsmith.agents.parts import joined

    plain: Any = converting.Message
    if getattr(plain, "takes_parts", False):
        return

    def message(content: Any = None, **more: Any) -> Any:
        text, refusal = joined(content)
        made = plain(content=text, **more)
        if refusal is not None:
            made.refusal = refusal
        return made

    message.takes_parts = True  # type: ignore[attr-defined]
    converting.Message = message  # type: ignore[misc, assignment]


def bound_of(name: str, request: Request) -> Bound:
    """Return an upper bound of the tokens and the price of `request` to the model called `name`.

    A token of a byte-level vocabulary covers at least one byte, so the prompt's length in bytes bounds its tokens.
    """
    if _costs_nothing(name):
        return Bound(0, 0.0)
    prompt = len((request.system + request.prompt).encode("utf-8", "surrogatepass")) + _TEMPLATE_TOKENS
    rates = _rates(name)
    usd = None if rates is None else prompt * rates[0] + request.max_tokens * rates[1]
    return Bound(prompt + request.max_tokens, usd)


def estimated_tokens(*texts: str) -> int:
    """Estimate the number of tokens of the texts, independent of any model's vocabulary."""
    return math.ceil(sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / _BYTES_PER_TOKEN)


def has_price(name: str) -> bool:
    """Whether litellm lists a price for the model called `name`."""
    return _costs_nothing(name) or _rates(name) is not None


def estimated_price(name: str, prompt_tokens: int, answer_tokens: int) -> float | None:
    """Return the list price in dollars of a call with these tokens; None if it is unknown."""
    if _costs_nothing(name):
        return 0.0
    rates = _rates(name)
    return None if rates is None else prompt_tokens * rates[0] + answer_tokens * rates[1]


def _costs_nothing(name: str) -> bool:
    return name in UNPAID or name.startswith("recorded:")


def _rates(name: str) -> tuple[float, float] | None:
    """Dollars per token of prompt and of answer: the highest rates in the model's list price."""
    listed = _listed(name)
    if listed is None:
        return None

    def highest(*parts: str) -> float | None:
        # Longer contexts cost more. Tiers that no request selects do not count.
        rates = [
            float(rate)
            for key, rate in listed.items()
            if any(part in key for part in parts)
            and isinstance(rate, int | float)
            and not any(tier in key for tier in ("priority", "flex", "batch", "audio", "image", "video", "character"))
        ]
        return max(rates, default=None)

    prompt = highest("input_cost_per_token")
    answer = highest("output_cost_per_token", "output_cost_per_reasoning_token")
    return None if prompt is None or answer is None else (prompt, answer)


def _listed(name: str) -> dict[str, Any] | None:
    prices = _price_list()
    return prices.get(name) or prices.get(name.partition("/")[2])


def _price_list() -> dict[str, dict[str, Any]]:
    """litellm's price list.

    Importing litellm takes seconds, so its file is read directly if litellm is not imported yet.
    """
    if "litellm" in sys.modules or os.environ.get(_OWN_LIST, "True").lower() != "true":
        return import_litellm().model_cost
    return _shipped_list() or import_litellm().model_cost


@lru_cache(maxsize=1)
def _shipped_list() -> dict[str, dict[str, Any]]:
    found = find_spec("litellm")
    path = Path(found.origin).with_name(_LIST) if found is not None and found.origin else None
    if path is None or not path.exists():
        return {}
    return _with_aliases(json.loads(path.read_text(encoding="utf-8")))


def _with_aliases(prices: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add aliases to the list: since litellm 1.110 a row may name another row (`alias_of`) or its own `aliases`."""
    named = {name: row for name, row in prices.items() if "alias_of" not in row}
    for row in list(named.values()):
        for alias in row.get("aliases") or ():
            named.setdefault(alias, row)
    for name, row in prices.items():
        if row.get("alias_of") in prices:
            named.setdefault(name, prices[row["alias_of"]])
    return named


def price_of(litellm: Any, response: Any, name: str, usage: Usage) -> float | None:
    """Return the list price of an answer in dollars; None if litellm lists no price for the model called `name`."""
    # Otherwise litellm would use the price of the model that the reply names.
    if usage.prompt_tokens is None or _listed(name) is None:
        return None
    try:
        return float(litellm.completion_cost(completion_response=response, model=name))
    except Exception:
        return None  # litellm raises if its list lacks a price for part of this usage
