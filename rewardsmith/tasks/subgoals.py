"""The order of events that the planner's shortest solutions pass: what a designer may be shown as an oracle's."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import Any

import numpy as np

from rewardsmith.tasks.base import Schema, Task

_USUAL = 0.6  # share of solutions in which an event must occur to be listed
_MOTION = frozenset({"none", "turned", "moved", "blocked", "nothing"})
PLANS = 12


@lru_cache(maxsize=16)
def subgoal_order(task: Task) -> tuple[dict[str, Any], ...] | None:
    """Events of shortest solutions in their usual order, or None where there is no planner.

    Each is {"event", "kind", "final"}; `final` marks the one that solves the task.
    """
    plans = task.oracle_plans(PLANS)
    if not plans:
        return None
    places: dict[tuple[str, str | None], list[float]] = defaultdict(list)
    last: dict[tuple[str, str | None], int] = defaultdict(int)
    for layout, actions in plans:
        passed = plan_events(task, layout, actions)
        seen: set[tuple[str, str | None]] = set()
        for place, (_, event, kind) in enumerate(passed):
            if (event, kind) not in seen:
                seen.add((event, kind))
                places[(event, kind)].append(place / max(len(passed), 1))
        if passed:
            last[passed[-1][1:]] += 1
    usual = [key for key, where in places.items() if len(where) >= _USUAL * len(plans)]
    usual.sort(key=lambda key: float(np.mean(places[key])))
    return tuple({"event": e, "kind": k, "final": last[(e, k)] > len(plans) / 2} for e, k in usual)


def plan_events(task: Task, layout: int, actions: list[int]) -> list[tuple[int, str, str | None]]:
    """What happens when a plan is played on a training layout: (step, event, kind of object) beyond motion."""
    batch = task.batch(1, "train")
    batch.play(layout)
    rows = np.zeros((1, task.schema["width"]), dtype=task.schema["dtype"])
    found = []
    for t, action in enumerate(actions):
        batch.step(np.array([action], dtype=np.int64))
        batch.state_rows(rows)
        event, kind = read_event(rows[0], task.schema)
        if event is not None and event not in _MOTION:
            found.append((t, event, kind))
    batch.close()
    return found


def read_event(row: Any, schema: Schema) -> tuple[str | None, str | None]:
    """The last event in a state row, and the kind of object it concerned; (None, None) without events."""
    fields = {f["name"]: f for f in schema["fields"]}
    if "event" not in fields:
        return None, None
    event = fields["event"]["values"][int(row[fields["event"]["column"]])]
    slot = int(row[fields["event_object"]["column"]])
    if slot < 0:
        return event, None
    objects = fields[fields["event_object"]["of"]]
    kind = next(f for f in objects["fields"] if f["name"] == "kind")
    value = int(row[objects["start"] + slot * objects["stride"] + kind["column"]])
    return event, kind["values"][value] if value >= 0 else None
