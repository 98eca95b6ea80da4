"""One example transition for an interface, from random play, because a step of a solution would give it away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import BatchEnv, Schema
from .captions import read_row

TELLING = (
    "unlocked", "opened", "opened_box", "picked_up", "reached", "dropped", "declared", "blocked", "moved",
)  # fmt: skip
"""Events from the most to the least instructive."""
STEPS = 200


def worked_example(batch: BatchEnv, names: Sequence[str], schema: Schema) -> dict[str, Any]:
    """Return the most instructive transition of one episode of random play.

    Args:
        batch: One environment, which is closed afterwards.
        names: Names of the actions.
        schema: The schema of the state rows.

    Returns:
        A dict with "prev" and "state" as nested values, "action" as a name, and the environment's "reward".
    """
    batch.reset(0)
    rows = np.zeros((2, 1, schema.width), np.int32)
    batch.state_rows(rows[1])
    best: dict[str, Any] = {}
    for action in np.random.default_rng(0).integers(len(names), size=STEPS).tolist():
        rows[0] = rows[1]
        batch.step(np.array([action]))
        batch.state_rows(rows[1])
        found = {
            "prev": read_row(rows[0, 0], batch.tables, schema),
            "action": names[action],
            "state": read_row(rows[1, 0], batch.tables, schema),
            "reward": round(float(batch.rewards[0]), 4),
        }
        if not best or _telling(found) < _telling(best):
            best = found
        if batch.terminated[0] or batch.truncated[0]:
            break
    batch.close()
    return best


def _telling(transition: dict[str, Any]) -> int:
    event = transition["state"]["event"]
    return TELLING.index(event) if event in TELLING else len(TELLING)
