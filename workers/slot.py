"""The warm parent of a slot (a forked child of a Celery worker), from which its trials are forked."""

from __future__ import annotations

import os

from rewardsmith.config import settings
from rewardsmith.engine.items.supervise import trial_environment
from workers.warm import WarmParent

_WARM: dict[int, WarmParent] = {}
"""The warm parent of each slot, by the slot's process id. It ends with the slot."""


def warm_parent() -> WarmParent:
    """Return the warm parent of this slot. The first call starts it, and it loads its libraries in the background."""
    if os.getpid() not in _WARM:
        _WARM[os.getpid()] = WarmParent(trial_environment(settings()))
    return _WARM[os.getpid()]
