"""rewardsmith designs reward functions for sparse-reward reinforcement learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardsmith.api import Design, design

__version__ = "0.1.0"
__all__ = ["Design", "__version__", "design"]


def __getattr__(name: str) -> Any:
    # The API pulls in the database; `import rewardsmith` alone stays light.
    if name in ("design", "Design"):
        from rewardsmith import api

        return getattr(api, name)
    raise AttributeError(f"module 'rewardsmith' has no attribute {name!r}")
