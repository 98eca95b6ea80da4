"""Which actions an environment allows: its own method, or an entry of its infos."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.actions import ActionSpace


def allowed(env: Any, info: Any, actions: ActionSpace) -> NDArray[np.bool_] | None:
    """Which actions an environment allows now, bool [number of actions]; None if it does not say."""
    if not actions.discrete:
        return None
    if callable(getattr(env.unwrapped, "action_masks", None)):
        return np.asarray(env.unwrapped.action_masks(), dtype=bool)
    found: Any = info.get("action_mask") if isinstance(info, Mapping) else None
    return np.asarray(found, dtype=bool) if found is not None and np.shape(found) == (len(actions),) else None


def action_mask(env: Any, actions: ActionSpace) -> Callable[[Any, Mapping[str, Any]], NDArray[np.bool_]] | None:
    """Return a reader of the allowed actions: action_masks() of the environment, `action_mask` of infos; or None."""
    _, info = env.reset(seed=0)
    if allowed(env, info, actions) is None:
        return None

    def read(env: Any, info: Mapping[str, Any]) -> NDArray[np.bool_]:
        found = allowed(env, info, actions)
        # An info may lack it on the last step, when no action follows.
        return np.ones(len(actions), dtype=bool) if found is None else found

    return read
