"""Subgoals and predicates of `synth`, for CALM and Words as Beacons."""

from __future__ import annotations

import re
from typing import Any

from rewardsmith.agents.models import ModelFailed
from rewardsmith.agents.synth_programs import Composed, Milestone, has_passages, milestones_of

_PASSAGES = 3
"""Largest number of subgoals for opened passages: exploring several rooms begins with their doors."""


def compose_subgoals(machine: dict[str, Any]) -> Composed:
    """Compose subgoals from the machine-readable part of a designer's prompt.

    Raises ModelFailed for a task without events.
    """
    if "kinds" not in machine["interface"]:
        text = "synth finds no events in this task's interface, so it cannot name subgoals."
        raise ModelFailed(text, "Set --model to a language model, or choose another --method.", "request")
    if machine["method"].endswith("-judge"):
        return _sentences(machine)
    if "preset" in machine["given"]:
        return _preset(machine["given"]["preset"])
    return _predicates(machine)


def compose_beacons(machine: dict[str, Any]) -> Composed:
    """Compose the list of an episode's subgoals: what opens a lock, the lock, and what the mission names.

    Raises ModelFailed for a task without objects of kinds.
    """
    kinds: dict[str, Any] = machine["interface"].get("kinds", {})
    if not kinds:
        text = "synth finds no kinds of objects in this task's interface, so it cannot list subgoals."
        raise ModelFailed(text, "Set --model to a language model, or choose another --method.", "request")
    openers = {kind: about["unlocked_by"]["kind"] for kind, about in kinds.items() if about.get("unlocked_by")}
    source = f"""def beacons(prev, action, state, memory):
    openers = {openers!r}
    found = []
    for lock in (o for o in state.objects if o.state == "locked"):
        found += [o for o in state.objects if o.kind == openers.get(lock.kind) and o.color == lock.color][:1]
        found.append(lock)
    found += [o for o in state.objects if o.target]
    ids = list(dict.fromkeys(o.id for o in found))[:8]
    return {{f"s{{k + 1}}": float(i) for k, i in enumerate(ids)}}
"""
    return Composed(source, "Subgoals: what opens each lock, the lock, and what the mission names.")


def _sentences(machine: dict[str, Any]) -> Composed:
    """Names have the form EVENT_KIND, which the oracle verifier maps back to events of the interface."""
    order = machine.get("subgoal_order") or _events_of(machine["interface"])
    found = {
        f"{e['event']}_{e['kind']}": f"the agent's action {e['event'].replace('_', ' ')} the {e['kind']}"
        for e in order
        if e.get("kind") and not e.get("final")
    }
    body = "".join(f"        {name!r}: {says!r},\n" for name, says in found.items())
    return Composed(f"def subgoals():\n    return {{\n{body}    }}\n", f"Events on the way: {', '.join(found)}.")


def _events_of(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Events of objects that unlock or open others, in no particular order."""
    found: list[dict[str, Any]] = []
    for kind, about in facts.get("kinds", {}).items():
        if about.get("unlocked_by") and "locked" in about.get("states_at_start", []):
            found += [{"event": "picked_up", "kind": about["unlocked_by"]["kind"]}, {"event": "unlocked", "kind": kind}]
        if "closed" in about.get("states_at_start", []):
            found.append({"event": "opened", "kind": kind})
    return found


def _preset(given: list[dict[str, Any]]) -> Composed:
    lines = ["def subgoals():", "    return {"]
    lines += [f"        {g['says']!r}: {g['name']}," for g in given]
    lines += ["    }", ""]
    for g in given:
        test = f"state.event == {g['event']!r} and state.event_object is not None"
        test += f" and state.event_object.kind == {g['kind']!r}"
        if g["event"] == "dropped":
            test += " and not any(o.state == 'locked' for o in state.objects)"
        lines += ["", f"def {g['name']}(prev, action, state, memory):", f"    return 1.0 if {test} else 0.0", ""]
    return Composed("\n".join(lines), "Each given subgoal is the event that completes it.")


def _predicates(machine: dict[str, Any]) -> Composed:
    """A subgoal is a milestone's condition becoming true, or one more open passage. Samples differ in the passages."""
    facts = machine["interface"]
    milestones = milestones_of(facts, machine.get("subgoal_order"))
    if has_passages(facts) and machine["sample"] % 3 != 1:
        kinds = tuple(kind for kind, about in facts["kinds"].items() if about.get("blocks_when"))
        most = max(facts.get("object_counts", {}).get(kind, {}).get("max", 1) for kind in kinds)
        wanted = min(_PASSAGES if machine["sample"] % 3 == 0 else 1, most)
        opened = f"sum(o.kind in {kinds!r} and o.state == 'open' for o in state.objects)"
        found = [Milestone(f"open {n} of the passages", f"{opened} >= {n}", "") for n in range(1, wanted + 1)]
        milestones = [*found, *milestones]
    names = [_name(m.says) for m in milestones]
    lines = ['USES = ["walk_distance"]', "", ""] if any("walk_distance" in m.test for m in milestones) else []
    lines += ["def subgoals():", "    return {"]
    lines += [f"        {m.says!r}: {name}," for m, name in zip(milestones, names, strict=True)]
    lines += ["    }", ""]
    for m, name in zip(milestones, names, strict=True):
        lines += ["", f"def holds_{name}(state):", f"    return {m.test}", ""]
        lines += ["", f"def {name}(prev, action, state, memory):"]
        # The last result is kept in memory: testing every state twice would double the cost of a step.
        lines += [f'    before = memory["{name}"] if "{name}" in memory else holds_{name}(prev)']
        lines += [f'    after = memory["{name}"] = holds_{name}(state)']
        lines += ["    return 1.0 if after and not before else 0.0", ""]
    says = "; ".join(m.says for m in milestones)
    return Composed("\n".join(lines), f"Subgoals: {says}. Each is terminated by the step that makes it true.")


def _name(says: str) -> str:
    return re.sub(r"\W+", "_", says.lower()).strip("_")[:31]
