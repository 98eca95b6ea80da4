"""Methods: which functions a designer is asked for, and which channels are made of them."""

from __future__ import annotations

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method


def get_method(name: str) -> Method:
    """The method called `name`. Raises UsageError."""
    from rewardsmith.methods import auto_mc_reward, free

    methods = {m.name: m for m in (auto_mc_reward.METHOD, free.METHOD)}
    if name not in methods:
        raise UsageError(f"There is no method {name!r}.", f"Use one of: {', '.join(methods)}.")
    return methods[name]
