"""What a call may cost before it is made, and did cost afterwards: litellm's price list, and bounds of ours."""

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
"""Tokens that chat templates put around a system text and a message; the widest known add some thirty."""

_BYTES_PER_TOKEN = 3.5
"""English and code make 3.5 to 4.5 bytes a token; the low end, because an estimate should err upwards."""

_OWN_LIST = "LITELLM_LOCAL_MODEL_COST_MAP"
_LIST = "model_prices_and_context_window_backup.json"

UNPAID = ("synth", "manual", "none")
"""Models that no provider bills."""


@dataclass(frozen=True)
class Bound:
    """The most that one request can take. usd: dollars, None where the price is unknown."""

    tokens: int
    usd: float | None


def import_litellm() -> Any:
    """litellm, imported so that it fetches nothing and retries nothing by itself."""
    # Without these two, the import itself fetches price lists over the network.
    os.environ.setdefault(_OWN_LIST, "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "true")
    # Else it reads a .env file of any folder above its own, which may name another address for the provider's key.
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm

    litellm.suppress_debug_info = True
    litellm.drop_params = True  # reasoning models reject a temperature; leaving it out beats failing
    return litellm


def bound_of(name: str, request: Request) -> Bound:
    """An upper bound of what `request` takes from the model called `name`.

    A token of byte-level vocabularies stands for at least one byte, so the prompt's bytes bound its tokens.
    """
    if name in UNPAID:
        return Bound(0, 0.0)
    prompt = len((request.system + request.prompt).encode("utf-8", "surrogatepass")) + _TEMPLATE_TOKENS
    rates = _rates(name)
    usd = None if rates is None else prompt * rates[0] + request.max_tokens * rates[1]
    return Bound(prompt + request.max_tokens, usd)


def estimated_tokens(*texts: str) -> int:
    """About how many tokens the texts have, without any model's own vocabulary."""
    return math.ceil(sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / _BYTES_PER_TOKEN)


def has_price(name: str) -> bool:
    """Whether litellm lists a price for the model called `name`."""
    return name in UNPAID or _rates(name) is not None


def _rates(name: str) -> tuple[float, float] | None:
    """Dollars per token of prompt and of answer, each the highest that the model's list price names."""
    listed = _listed(name)
    if listed is None:
        return None

    def highest(*parts: str) -> float | None:
        # Longer contexts cost more; tiers that nobody asks for do not count.
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
    """litellm's list. Importing litellm takes seconds, so where it is not yet imported the file it reads is read."""
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
    """The list under every name: since litellm 1.110 a row may name another (`alias_of`), or list its own `aliases`."""
    named = {name: row for name, row in prices.items() if "alias_of" not in row}
    for row in list(named.values()):
        for alias in row.get("aliases") or ():
            named.setdefault(alias, row)
    for name, row in prices.items():
        if row.get("alias_of") in prices:
            named.setdefault(name, prices[row["alias_of"]])
    return named


def price_of(litellm: Any, response: Any, name: str, usage: Usage) -> float | None:
    """List price of an answer in dollars; None where litellm lists none for the model called `name`."""
    # litellm would fall back on the price of whichever model the reply names.
    if usage.prompt_tokens is None or _listed(name) is None:
        return None
    try:
        return float(litellm.completion_cost(completion_response=response, model=name))
    except Exception:
        return None  # it raises where a list price lacks what this reply used
