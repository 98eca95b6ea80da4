"""Finds methods by name: each module of this folder that defines `METHOD` is a method. There is no other list."""

from __future__ import annotations

import importlib
import pkgutil

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method


def get_method(name: str) -> Method:
    """Return the method called `name`. Raises UsageError if there is none."""
    known = all_methods()
    if name not in known:
        raise UsageError(f"There is no method {name!r}.", f"Set --method or --with to one of: {', '.join(known)}.")
    return known[name]


def all_methods() -> dict[str, Method]:
    """Return all methods by name, sorted. Their modules load quickly: torch is imported only when a learner is made."""
    modules = [m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg]
    found = [getattr(importlib.import_module(f"{__name__}.{name}"), "METHOD", None) for name in modules]
    return {method.name: method for method in sorted(filter(None, found), key=lambda m: m.name)}
