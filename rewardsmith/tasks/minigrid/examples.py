"""One example transition for an interface, taken from an episode that is played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import BatchEnv, Schema
from .captions import read_row

if TYPE_CHECKING:
    from .planner import Plan

TELLING = (
    "unlocked", "opened", "opened_box", "picked_up", "reached", "dropped", "declared", "blocked", "moved",
)  # fmt: skip
"""Events from the most to the least instructive."""
STEPS = 200
SEARCHED = 100_000
"""The most states of the search for an example's plan."""


def worked_example(batch: BatchEnv, names: Sequence[str], schema: Schema, plan: Plan | None) -> dict[str, Any]:
    """Return the most instructive transition of one episode.

    Args:
        batch: One environment, which is closed afterwards.
        names: Names of the actions.
        schema: The schema of the state rows.
        plan: The plan to play; None for random actions.

    Returns:
        A dict with "prev" and "state" as nested values, "action" as a name, and the environment's "reward".
    """
    batch.reset(0)
    actions = _random_actions(len(names)) if plan is None else plan.actions
    if plan is not None:
        batch.play(plan.layout)
    rows = np.zeros((2, 1, schema.width), np.int32)
    batch.state_rows(rows[1])
    best: dict[str, Any] = {}
    for action in actions:
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


def _random_actions(count: int) -> list[int]:
    return np.random.default_rng(0).integers(count, size=STEPS).tolist()
