"""Methods by name. Each module of this folder that holds a `METHOD` is one; nothing else lists them."""

from __future__ import annotations

import importlib
import pkgutil

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method


def get_method(name: str) -> Method:
    """The method called `name`. Raises UsageError."""
    known = all_methods()
    if name not in known:
        raise UsageError(f"There is no method {name!r}.", f"Use one of: {', '.join(known)}.")
    return known[name]


def all_methods() -> dict[str, Method]:
    """Every method by its name, sorted. Their modules load nothing heavy: learners import torch when they are made."""
    modules = [m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg]
    found = [getattr(importlib.import_module(f"{__name__}.{name}"), "METHOD", None) for name in modules]
    return {method.name: method for method in sorted(filter(None, found), key=lambda m: m.name)}
