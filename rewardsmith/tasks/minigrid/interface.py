"""The interface of a MiniGrid task for designers: a goal, a typed text, and the same as machine-readable facts.

The facts do not depend on MiniGrid's names: if kinds, colours and ids were renamed, rewards could still be composed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..actions import ActionSpace
from ..base import Interface, Schema
from .columns import EVENT_DOCS, OWN_EVENT_DOCS
from .families import FETCH, FOREIGN, MATCH, OPEN_IN_ORDER, PUT_NEAR, STAND_BESIDE, Family
from .pools import (
    OBJECT_COLOR,
    OBJECT_CONTENT,
    OBJECT_KIND,
    OBJECT_STATE,
    OBJECT_TARGET,
    Pool,
)
from .state_tracker import STATES

ACTION_DOCS = {
    "TURN_LEFT": "turn left in place",
    "TURN_RIGHT": "turn right in place",
    "FORWARD": "step into the cell ahead if it can be entered",
    "PICK_UP": "pick up the carryable object ahead; hands must be empty",
    "DROP": "put the carried object into the empty cell ahead",
    "TOGGLE": "open or close the door ahead, unlock it with the matching key in hand, or open the box ahead",
    "DONE": "say that the task is done; changes nothing in the world",
}
OWN_ACTION = "an action of this environment's own"
KIND_FACTS: dict[str, dict[str, Any]] = {
    "key": {"carryable": True, "opens": "door", "same": "color"},
    "door": {
        "carryable": False,
        "states": list(STATES),
        "blocks_when": ["closed", "locked"],
        "opened_by": "TOGGLE",
        "unlocked_by": {"kind": "key", "same": "color", "action": "TOGGLE"},
    },
    "ball": {"carryable": True},
    "box": {"carryable": True, "opened_by": "TOGGLE", "opening": "the box vanishes and shows its contents"},
    "goal": {"carryable": False, "reachable": True},
}
VERBS = {
    "get to": "reach", "reach": "reach", "go to": "stand_beside", "pick up": "carry", "open": "open",
    "put": "put_near",
}  # fmt: skip
KIND_MECHANICS = {
    "key": "A key can be carried. It opens locked doors of its own colour, if any, and is kept after use.",
    "door": (
        "A door can be entered only while open. TOGGLE opens a closed door and closes an open one; a locked "
        "door opens when toggled while carrying a key of its colour. Closed and locked doors block the view."
    ),
    "ball": "A ball can be carried. Lying in a passage it blocks the way.",
    "box": "A box can be carried, unopened. Toggling it destroys it and leaves what it held, if anything.",
    "goal": "The goal square can be stepped on.",
}


HELPERS = (
    "HELPERS (methods of prev and state; a place is an object, state.agent or (x, y); a call costs little)",
    "state.walk_steps(a, b): steps of a shortest walk from a to b as if all doors were open and no object stood in the "
    "way; -1 if walls and lava leave no way",
    "state.room_of(place): number of its room, from 0 in reading order of the map; None on a door",
    "state.rooms_between(a, b): numbers of the rooms that a shortest walk from a to b passes, in order",
    "state.doors_between(a, b): the doors that this walk passes, in order; with two numbers of rooms, the doors that "
    "connect the two",
    "state.neighbours(place): the cells (x, y) beside it that are neither wall nor lava",
    "They know walls, lava and the places of doors only, so they say nothing about keys or closed doors.",
)
"""The helpers of sandbox/grid.py, as designers are told of them."""


@dataclass(frozen=True)
class Told:
    """What an interface says besides what layouts show.

    Attributes:
        pay_rule: The environment's reward in one sentence.
        example: One transition, see examples.worked_example.
        goal: The goal in a sentence; "" where the mission alone states it.
        kinds: Facts of kinds of a user's own, by name, with a sentence each as "doc".
        mechanics: Further sentences about the dynamics.
        rule: The rule of success, if it is not the family's.
    """

    pay_rule: str
    example: dict[str, Any]
    goal: str = ""
    kinds: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    mechanics: tuple[str, ...] = ()
    rule: str = ""


def build_interface(
    task_id: str, family: Family, pool: Pool, schema: Schema, actions: ActionSpace, told: Told
) -> Interface:
    """Assemble a task's interface.

    Args:
        task_id: The task's id.
        family: Its family.
        pool: Its training layouts.
        schema: The schema of its state rows.
        actions: Its actions.
        told: What the layouts do not show.
    """
    family = replace(family, success=told.rule or family.success)
    facts = _facts(family, pool, schema, actions, told)
    facts["world"]["moves_by_itself"] = "Dynamic" in task_id
    missions = facts["goal"]["example_missions"]
    quoted = "; or: ".join(f'"{mission}"' for mission in missions if mission)
    first = f"{told.goal} " if told.goal and told.goal not in missions else ""
    goal = f"{first}Mission: {quoted or 'none is given'}. {family.success}"
    text = _text(task_id, facts, goal, told)
    return Interface(task_id, goal, text, facts, told.example)


def _facts(family: Family, pool: Pool, schema: Schema, actions: ActionSpace, told: Told) -> dict[str, Any]:
    counts = _object_counts(pool, family)
    docs = actions.docs or ("",) * len(actions)
    events = schema.field("event").values
    return {
        "fields": schema.as_dict()["fields"],
        "actions": [
            {"name": name, "doc": doc or ACTION_DOCS.get(name, OWN_ACTION)}
            for name, doc in zip(actions.names, docs, strict=True)
        ],
        "events": [{"name": name, "doc": {**EVENT_DOCS, **OWN_EVENT_DOCS}[name]} for name in events],
        "kinds": {kind: _kind_facts(kind, pool, family, told) for kind in counts},
        "colors": list(family.colors),
        "goal": _goal_facts(family, pool),
        "max_steps": schema.field("max_steps").exact,
        "object_counts": counts,
        "world": {
            "width": int(pool.cells.shape[2]),
            "height": int(pool.cells.shape[1]),
            "lava": bool((pool.cells // 18 == 9).any()),
            "one_carried_at_most": True,
        },
    }


def _object_counts(pool: Pool, family: Family) -> dict[str, dict[str, float]]:
    """Minimum, maximum and mean number of objects of each kind at an episode's start, over the training pool."""
    counts = {}
    for index, kind in enumerate(family.kinds):
        found = (pool.objects[:, :, OBJECT_KIND] == index).sum(1)
        if found.max(initial=0):
            counts[kind] = {
                "min": int(found.min()), "max": int(found.max()), "mean": round(float(found.mean()), 2)
            }  # fmt: skip
    return counts


def _kind_facts(kind: str, pool: Pool, family: Family, told: Told) -> dict[str, Any]:
    """The facts of a kind, restricted to the colours, states and contents that occur in the pool."""
    facts = dict(told.kinds.get(kind) or KIND_FACTS[kind])
    objects = pool.objects.reshape(-1, pool.objects.shape[2])
    mine = objects[objects[:, OBJECT_KIND] == family.kinds.index(kind)]
    facts["colors"] = [family.colors[i] for i in np.unique(mine[:, OBJECT_COLOR]) if i >= 0]
    if kind == "key" and not (pool.objects[:, :, OBJECT_KIND] == family.kinds.index("door")).any():
        facts = {"carryable": True, "colors": facts["colors"]}
    if kind == "door":
        facts["states_at_start"] = [STATES[i] for i in np.unique(mine[:, OBJECT_STATE])]
    if kind == "box":
        facts["may_hide"] = sorted(_hidden_kinds(pool, family))
    return facts


def _hidden_kinds(pool: Pool, family: Family) -> set[str]:
    """Kinds of the objects that start inside a box."""
    layouts, slots = np.nonzero(pool.objects[:, :, OBJECT_CONTENT] >= 0)
    contents = pool.objects[layouts, slots, OBJECT_CONTENT]
    return {family.kinds[k] for k in pool.objects[layouts, contents, OBJECT_KIND] if k >= 0}


def _goal_facts(family: Family, pool: Pool) -> dict[str, Any]:
    """The goal as a relation between the agent and the objects with `target` set."""
    targets = pool.objects[pool.objects[:, :, OBJECT_TARGET] > 0]
    kinds = [family.kinds[i] for i in np.unique(targets[:, OBJECT_KIND]) if i >= 0]
    goal: dict[str, Any] = {
        "relation": family.relation,
        "kind": kinds[0] if len(kinds) == 1 else None,
        "kinds": kinds,
        "select": {"target": True},
        "targets": {"min": int((pool.objects[:, :, OBJECT_TARGET] > 0).sum(1).min()),
                    "max": int((pool.objects[:, :, OBJECT_TARGET] > 0).sum(1).max())},
        "rule": family.success,
        "example_missions": list(dict.fromkeys(pool.missions.tolist()))[:3],
    }  # fmt: skip
    rule = family.rule
    if rule == FOREIGN:
        goal["relations"] = _relations_in(pool)
        goal["relation"] = goal["relations"][0] if len(goal["relations"]) == 1 else "mission"
        if goal["relation"] == "stand_beside":
            goal["facing"] = True
    if rule in (OPEN_IN_ORDER, PUT_NEAR):
        goal["order"] = "rank"
    if rule == PUT_NEAR:
        goal["reference"] = {"rank": 2}
        goal["distance"] = {"metric": "chebyshev", "at_most": 1}
    if rule in (STAND_BESIDE, MATCH):
        goal["distance"] = {"metric": "manhattan", "at_most": 1}
    if rule == STAND_BESIDE:
        goal["then"] = "DONE"
    if rule in (FETCH, OPEN_IN_ORDER, STAND_BESIDE, PUT_NEAR, MATCH):
        goal["fails_on_mistake"] = True
    return goal


def _relations_in(pool: Pool) -> list[str]:
    """The goal relations in the missions of a foreign task, recognised by their verbs."""
    text = " ".join(pool.missions.tolist())
    return [relation for verb, relation in VERBS.items() if verb in text]


def _text(task_id: str, facts: dict[str, Any], goal: str, told: Told) -> str:
    """The interface as prose and typed lists."""
    example = told.example
    docs = {**KIND_MECHANICS, **{kind: facts["doc"] for kind, facts in told.kinds.items()}}
    kinds = [*(f"- {docs[kind]}" for kind in facts["kinds"]), *(f"- {sentence}" for sentence in told.mechanics)]
    counts = [f"{kind}: {_range(count)}" for kind, count in facts["object_counts"].items()]
    lava = ["- Stepping into lava ends the episode without success."] if facts["world"]["lava"] else []
    moving = ["- Balls move by themselves; stepping into one ends the episode with reward -1."]
    lines = [
        f"TASK {task_id}", "", "GOAL", goal, "", "STATE", *_field_lines(facts["fields"], ""), "",
        *HELPERS, "",
        "ACTIONS", *[f"{i} {a['name']}: {a['doc']}" for i, a in enumerate(facts["actions"])], "",
        "EVENTS (values of event)", *[f"{e['name']}: {e['doc']}" for e in facts["events"]], "",
        "MECHANICS",
        "- The agent stands in one cell and faces one of four directions; x grows to the right, y downwards.",
        "- It carries one object at most and acts on the cell ahead only. Objects and walls block its way.",
        *kinds, *lava, *(moving if facts["world"]["moves_by_itself"] else []),
        f"- An episode ends with success, by a fatal action, or after {facts['max_steps']} steps.",
        f"- {told.pay_rule}",
        f"- At the start of an episode there are: {'; '.join(counts) or 'no objects'}.", "",
        "EXAMPLE of one transition", "prev:", *_brief(example["prev"]),
        f"action: {example['action']}", "state:", *_brief(example["state"]),
        f"reward of the environment: {example['reward']}",
    ]  # fmt: skip
    return "\n".join(lines)


def _range(count: dict[str, float]) -> str:
    low, high = int(count["min"]), int(count["max"])
    return str(low) if low == high else f"{low} to {high}"


def _field_lines(fields: list[dict[str, Any]], prefix: str) -> list[str]:
    """One line per field: path, type, range, unit, meaning."""
    lines = []
    for field in fields:
        path = prefix + field["name"]
        lines.append(f"{path}: {_type(field)}. {field['doc']}")
        if field["kind"] == "record":
            lines += _field_lines(field["fields"], f"{path}.")
        elif field["kind"] == "list":
            lines += _field_lines(field["fields"], f"{path}[i].")
    return lines


def _type(field: dict[str, Any]) -> str:
    """A field's type in words."""
    kind = field["kind"]
    if kind == "int":
        unit = f" {field['unit']}" if field["unit"] else ""
        if field["low"] == field["high"]:
            return f"int, always {field['low']}{unit}"
        return f"int, {field['low']} to {field['high']}{unit}"
    if kind == "choice":
        return "one of " + ", ".join(field["values"])
    words = {
        "bool": "bool", "record": "record", "text": "str", "table": "bool array [width, height]",
        "item": "one of objects, or None", "list": f"list of at most {field.get('length')} objects",
    }  # fmt: skip
    return words[kind]


def _brief(state: dict[str, Any]) -> list[str]:
    """A state of an example, a line per group; items appear as objects[id]."""
    plain = {k: v for k, v in state.items() if k not in ("mission", "agent", "objects")}
    for name in ("event_object", "front", "carrying"):
        plain[name] = None if plain[name] is None else f"the object of id {plain[name]}"
    return [
        "  " + ", ".join(f"{name}={value}" for name, value in plain.items()),
        "  agent: " + ", ".join(f"{name}={value}" for name, value in state["agent"].items()),
        *["  object: " + ", ".join(f"{n}={v}" for n, v in item.items()) for item in state["objects"]],
    ]
