"""The order of events in the planner's shortest solutions, which a designer may be given as privileged information."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.base import Schema, Task
from rewardsmith.tasks.capabilities import events_of, solutions_of

_USUAL = 0.6  # fraction of solutions in which an event must occur to be in the order
MOTION = frozenset({"none", "turned", "moved", "blocked", "nothing"})
"""Events that change at most the agent's position and direction."""

PLANS = 12


@lru_cache(maxsize=16)
def subgoal_order(task: Task) -> tuple[dict[str, Any], ...] | None:
    """Return the events of shortest solutions in their usual order, or None without a planner.

    Returns:
        A dict per event: "event" is its name, "kind" the kind of object that it concerns, and "final" is true if it
        solves the task in most solutions.
    """
    plans = solutions_of(task, PLANS)
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


@lru_cache(maxsize=16)
def planner_events(task: Task) -> tuple[str, ...] | None:
    """Return the events of shortest solutions in their usual order, repeated ones included, or None without a planner.

    An event that occurs k times in most solutions occurs k times here, and the last event is the one that solves the
    task. `subgoal_order` names each kind of event once.

    Returns:
        Texts such as "picked_up key".
    """
    plans = solutions_of(task, PLANS)
    if not plans:
        return None
    places: dict[tuple[str, str | None, int], list[float]] = defaultdict(list)
    last: list[tuple[str, str | None]] = []
    for layout, actions in plans:
        passed = [(event, kind) for _, event, kind in plan_events(task, layout, actions)]
        for place, found in enumerate(passed):
            places[(*found, passed[:place].count(found))].append(place / len(passed))
        last += passed[-1:]
    usual = [key for key, where in places.items() if len(where) >= _USUAL * len(plans)]
    usual.sort(key=lambda key: float(np.mean(places[key])))
    order = [(event, kind) for event, kind, _ in usual]
    final = Counter(last).most_common(1)
    if final and order[-1:] != [final[0][0]]:
        order.append(final[0][0])
    return tuple(f"{event} {kind or ''}".strip() for event, kind in order)


_SAYS = {
    "picked_up": "pick up the {kind}",
    "dropped": "put the {kind} down once nothing is locked any more",
    "unlocked": "unlock the {kind}",
    "opened": "open a {kind} that was closed",
    "closed": "close the {kind}",
    "opened_box": "open the {kind}",
    "reached": "step onto the {kind}",
}


@dataclass(frozen=True)
class Subgoal:
    """An intermediate goal that ends with an event of the symbolic state.

    Attributes:
        name: EVENT_KIND, such as "picked_up_key".
        says: Its description for a language model.
        event: The event that terminates it.
        kind: The kind of object that the event concerns.
    """

    name: str
    says: str
    event: str
    kind: str


def preset_subgoals(task: Task) -> tuple[Subgoal, ...]:
    """Return the subgoals of shortest solutions before the final event, in order; empty without a planner."""
    order = subgoal_order(task) or ()
    return tuple(
        Subgoal(f"{e['event']}_{e['kind']}", _SAYS[e["event"]].format(kind=e["kind"]), e["event"], e["kind"])
        for e in order
        if e["kind"] is not None and not e["final"] and e["event"] in _SAYS
    )


def named_subgoal(name: str, task: Task) -> Subgoal | None:
    """Return the subgoal called EVENT_KIND, or None if the task has no such event or kind."""
    events = task.schema.field("event").values if "event" in task.schema else ()
    event = next((e for e in sorted(events, key=len, reverse=True) if name.startswith(f"{e}_")), None)
    if event not in _SAYS:
        return None
    kind = name.removeprefix(f"{event}_")
    known = task.schema.field("objects").field("kind").values
    return Subgoal(name, _SAYS[event].format(kind=kind), event, kind) if kind in known else None


def terminated(rows: NDArray[Any], subgoals: Sequence[Subgoal], schema: Schema) -> NDArray[np.bool_]:
    """Return which subgoals each transition terminated, according to the simulator.

    Args:
        rows: State rows after the transitions, [..., W].
        subgoals: The G subgoals.
        schema: The schema of the rows.

    Returns:
        bool [..., G].
    """
    told, objects = schema.field("event"), schema.field("objects")
    events, slots = rows[..., told.column], rows[..., schema.field("event_object").column]
    kind, state, starts = objects.field("kind"), objects.field("state"), objects.slots()
    at = starts[np.maximum(slots, 0)] + kind.column
    kinds = np.where(slots >= 0, np.take_along_axis(rows, at[..., None], -1)[..., 0], -1)
    locked = rows[..., starts + state.column] == state.number("locked")
    found = np.zeros((*rows.shape[:-1], len(subgoals)), dtype=bool)
    for g, subgoal in enumerate(subgoals):
        found[..., g] = (events == told.number(subgoal.event)) & (kinds == kind.number(subgoal.kind))
        if subgoal.event == "dropped":
            found[..., g] &= ~(locked & (rows[..., starts + objects.present] > 0)).any(-1)
    return found


def plan_events(task: Task, layout: int, actions: list[int]) -> list[tuple[int, str, str | None]]:
    """Play a plan on a training layout and return (step, event, kind of object) for each event except motion."""
    told = events_of(task)
    if told is None:
        return []
    batch = task.batch(1, "train")
    batch.play(layout)
    rows = task.schema.rows(1)
    found = []
    for t, action in enumerate(actions):
        batch.step(np.array([action], dtype=np.int64))
        batch.state_rows(rows)
        event, kind = told.read_event(rows[0])
        if event not in MOTION:
            found.append((t, event, kind))
    batch.close()
    return found
