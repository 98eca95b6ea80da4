"""Whether a class is MiniGrid's, found without importing that library."""

from __future__ import annotations

import inspect
import sys
from typing import Any

PAID_AT_THE_END = "terminated and reward > 0"
"""MiniGrid's rule of success, as a condition."""


def is_grid_class(kind: Any) -> bool:
    """Whether an object is a class of MiniGridEnv's kind; minigrid is not imported for it."""
    module = sys.modules.get("minigrid.minigrid_env")
    return module is not None and inspect.isclass(kind) and issubclass(kind, module.MiniGridEnv)
