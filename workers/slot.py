"""What belongs to one slot, a forked child of a Celery worker: the parent that it forks trials from."""

from __future__ import annotations

import os

from rewardsmith.config import settings
from rewardsmith.engine.items.supervise import trial_environment
from workers.warm import WarmParent

_WARM: dict[int, WarmParent] = {}
"""By process: each slot's own, which ends with it."""


def warm_parent() -> WarmParent:
    """What forks this slot's trials; loads its libraries in the background when it is asked for first."""
    if os.getpid() not in _WARM:
        _WARM[os.getpid()] = WarmParent(trial_environment(settings()))
    return _WARM[os.getpid()]
