"""Goals and reward machines of `synth`, as JSON: milestones of the facts, in the form of the contracts."""

from __future__ import annotations

import json
from typing import Any

from rewardsmith.agents.models import ModelFailed
from rewardsmith.agents.synth_programs import has_walks
from rewardsmith.agents.synth_variables import goal_length, numbers_of, thresholds_of

Condition = dict[str, Any]
Stage = dict[str, Any]

_NEAR = 0.05  # of the desired goal; the same as the tolerance of most goal-conditioned tasks
_MIDDLE = 0.2  # of a range, in which a variable counts as near its middle


def compose_specification(machine: dict[str, Any]) -> tuple[str, str]:
    """Return (JSON, reasoning) for a designer's request. Raises ModelFailed if the state has nothing to compare."""
    facts = machine["interface"]
    found = _of_variables(facts) if facts.get("family") == "variables" else _of_objects(machine)
    if not found:
        text = "synth finds neither objects nor numbers in this task's interface, so it cannot name stages."
        raise ModelFailed(text, "Set --model to a language model, or choose another --method.", "request")
    turn = machine["sample"] + machine["samples"] * (machine["iteration"] - 1)
    turn += machine["move"] in ("revise", "combine")
    write = _goal if machine["method"] == "goal" else _machine
    thoughts = f"Stages in order: {'; '.join(stage['name'] for stage in found)}."
    return json.dumps(write(found, turn), indent=1), thoughts


def _goal(stages: list[Stage], turn: int) -> dict[str, Any]:
    """Samples differ in how stages are counted, and in the size of the potential."""
    plain = [{"name": stage["name"], "all": stage["all"]} for stage in stages]
    made: dict[str, Any] = {"stages": plain}
    if turn % 3 == 1:
        made["done"] = "latched"
    if turn % 3 == 2:
        made["scale"] = 2.0
    return made


def _machine(stages: list[Stage], turn: int) -> dict[str, Any]:
    names = [f"stage_{k}" for k in range(len(stages) + 1)]
    propositions = {f"holds_{k + 1}": stage["all"] for k, stage in enumerate(stages)}
    edges: list[dict[str, Any]] = []
    for k, stage in enumerate(stages):
        if k > 0 and stages[k - 1]["lost"]:  # in front, as the first transition that applies is taken
            skipped = ["not " + f"holds_{k}", "not " + f"holds_{k + 1}"]
            edges.append({"from": names[k], "on": skipped, "to": names[k - 1]})
        edges.append({"from": names[k], "on": f"holds_{k + 1}", "to": names[k + 1], "distance": True})
        if turn % 3 == 1 and k + 1 < len(stages) and not stage["lost"]:
            edges[-1]["reward"] = 0.1
    return {"propositions": propositions, "start": names[0], "goal": [names[-1]], "transitions": edges}


# ---- objects


def _of_objects(machine: dict[str, Any]) -> list[Stage]:
    facts = machine["interface"]
    found: list[Stage] = []
    lasting: list[Condition] = []
    for event in machine.get("subgoal_order") or _events_from(facts):
        stage = _stage_of(event, facts, lasting)
        if stage is not None:
            found.append(stage)
            lasting = lasting if stage["lost"] else stage["all"]
    return [*found, *_final(facts)]


def _events_from(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Events on the way to success, from which kind opens which."""
    found: list[dict[str, Any]] = []
    goal, world = facts["goal"], facts.get("world", {})
    for kind, about in facts["kinds"].items():
        unlocking = about.get("unlocked_by")
        if not unlocking or "locked" not in about.get("states_at_start", []):
            continue
        tool = unlocking["kind"]
        found += [{"event": "picked_up", "kind": tool}, {"event": "unlocked", "kind": kind}]
        if goal["relation"] == "carry" and world.get("one_carried_at_most") and tool not in goal["kinds"]:
            found.append({"event": "dropped", "kind": tool})
    return found


def _stage_of(event: dict[str, Any], facts: dict[str, Any], lasting: list[Condition]) -> Stage | None:
    kind, name = event.get("kind"), event["event"]
    if kind is None or event.get("final"):
        return None
    if name == "picked_up":
        chosen: dict[str, Any] = {"kind": kind}
        opens = facts["kinds"].get(kind, {})
        if opens.get("same") and facts.get("object_counts", {}).get(kind, {}).get("max", 1) > 1:
            chosen[opens["same"]] = {"same_as": {"kind": opens["opens"], "state": "locked"}}
        carried = {"object": chosen, "attribute": "carried", "distance": True}
        return {"name": f"carry the {kind}", "all": [carried], "lost": True}
    if name == "unlocked":
        none = {"object": {"kind": kind}, "attribute": "state", "value": "locked", "match": "none", "distance": True}
        return {"name": f"unlock the {kind}", "all": [none], "lost": False}
    if name == "opened_box":
        gone = {"object": {"kind": kind}, "attribute": "exists", "value": False, "distance": True}
        return {"name": f"open every {kind}", "all": [gone], "lost": False}
    if name == "dropped" and lasting:
        near = {
            "object": {"target": True},
            "attribute": "distance",
            "relation": "at_most",
            "value": 3,
            "distance": True,
        }
        free = {"variable": "carrying", "value": None}
        plain = [{key: value for key, value in each.items() if key != "distance"} for each in lasting]
        return {"name": f"put down the {kind} beside the target", "all": [*plain, free, near], "lost": True}
    return None


def _final(facts: dict[str, Any]) -> list[Stage]:
    """The stages that the goal's own relation gives."""
    goal = facts["goal"]
    relation, targets = goal["relation"], {"target": True}
    if relation == "open_in_order":
        order = [{**targets, goal["order"]: rank} for rank in range(1, goal["targets"]["max"] + 1)]
        opened = [{"object": o, "attribute": "state", "value": "open", "distance": True} for o in order]
        names = [f"open number {rank}" for rank in range(1, len(order) + 1)]
        return [{"name": name, "all": [each], "lost": False} for name, each in zip(names, opened, strict=True)]
    if relation == "carry":
        return [_one("carry the target", {"object": targets, "attribute": "carried", "distance": True})]
    if relation in ("put_near", "put_next") and "reference" in goal:
        moved, other = {**targets, "rank": 1}, {"rank": goal["reference"]["rank"]}
        held = {"object": {"rank": 1}, "attribute": "carried", "distance": True}
        beside = {"object": moved, "attribute": "distance_to", "to": other, "value": 1, "distance": True}
        return [_one("carry it", held), _one("bring it there", beside)]
    least = 0 if relation == "reach" else 1
    near = {"object": targets, "attribute": "distance", "relation": "at_most", "value": least, "distance": True}
    if not has_walks(facts) and relation != "reach":
        near["value"] = 1
    return [_one("reach the target", near)]


def _one(name: str, condition: Condition) -> Stage:
    return {"name": name, "all": [condition], "lost": False}


# ---- variables


def _of_variables(facts: dict[str, Any]) -> list[Stage]:
    if goal_length(facts["fields"]) is not None:
        near = {"variable": "achieved_goal", "to": "desired_goal", "value": _NEAR, "distance": True}
        return [_one("reach the goal", near)]
    numbers = numbers_of(facts["fields"])
    scored = "score" in facts
    thresholds = [] if scored else thresholds_of(facts.get("success", ""), numbers)
    if thresholds:
        return [
            _one(f"{name} {'up' if sign > 0 else 'down'}", _threshold(name, sign, limit))
            for name, sign, limit in thresholds
        ]
    bounded = [f for f in numbers if "low" in f and "high" in f]
    middle = [_middle(f) for f in bounded] or [
        {"variable": f["name"], "relation": "between", "value": [-_MIDDLE, _MIDDLE], "distance": True} for f in numbers
    ]
    return [{"name": "stay near the middle", "all": middle[:16], "lost": True}] if middle else []


def _threshold(name: str, sign: int, limit: float) -> Condition:
    relation = "at_least" if sign > 0 else "at_most"
    return {"variable": name, "relation": relation, "value": limit, "distance": True}


def _middle(field: dict[str, Any]) -> Condition:
    half, centre = (field["high"] - field["low"]) / 2, (field["high"] + field["low"]) / 2
    ends = [round(centre - _MIDDLE * half, 6), round(centre + _MIDDLE * half, 6)]
    return {"variable": field["name"], "relation": "between", "value": ends, "distance": True}
