"""Worked examples of specifications, written with the names of the task at hand but without its solution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rewardsmith.programs.specified.answers import written
from rewardsmith.programs.specified.conditions import EXTRA
from rewardsmith.programs.specified.relations import RELATIONS
from rewardsmith.programs.specified.vocabulary import HISTORY, TIME, Vocabulary


def words_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names that a specification for this task may use, for the designer's prompt."""
    words = Vocabulary.of(facts)
    variables = [name for name in words.variables if name not in TIME | HISTORY]
    found: dict[str, Any] = {"variables": variables, "relations": list(RELATIONS)}
    if words.objects:
        extra = [name for name in EXTRA if words.placed or not name.startswith("distance")]
        found |= {"attributes": [*words.attributes, *extra], "kinds": list(words.kinds), "events": list(words.events)}
    return found


def example_goal(facts: Mapping[str, Any]) -> str:
    """Return a goal in two stages as JSON text."""
    first, second = _conditions(Vocabulary.of(facts))
    stages = [{"name": "first this", "all": [first]}, {"name": "then this", "all": [second]}]
    return written({"stages": stages})


def example_machine(facts: Mapping[str, Any]) -> str:
    """Return a reward machine of three states as JSON text."""
    words = Vocabulary.of(facts)
    first, second = _conditions(words)
    on = "turned" if "turned" in words.events else "this_holds"
    propositions = {"this_holds": first, "that_holds": second}
    edges = [
        {"from": "begin", "on": "this_holds", "to": "halfway", "distance": bool(first.get("distance"))},
        {"from": "halfway", "on": ["that_holds", f"not {on}"], "to": "won", "reward": 0.1},
    ]
    return written({"propositions": propositions, "start": "begin", "goal": ["won"], "transitions": edges})


def _conditions(words: Vocabulary) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two conditions that show the form: on two kinds of objects, or on two variables."""
    if words.objects and words.kinds:
        one, two = words.kinds[0], words.kinds[-1]
        first: dict[str, Any] = {"object": {"kind": one}, "attribute": "exists", "relation": "is", "value": True}
        second: dict[str, Any] = {"object": {"kind": two}, "attribute": "count", "relation": "at_least", "value": 1}
        if words.placed:
            first |= {"attribute": "distance", "relation": "at_most", "value": 4, "distance": True}
        return first, second
    names = [n for n, v in words.variables.items() if v.kind == "number" and n not in TIME]
    if not names:
        other = next((n for n, v in words.variables.items() if v.kind == "bool"), "solved")
        return {"variable": other, "relation": "is", "value": True}, {
            "variable": other,
            "relation": "is",
            "value": False,
        }
    return _threshold(words, names[0], "at_least"), _threshold(words, names[-1], "at_most")


def _threshold(words: Vocabulary, name: str, relation: str) -> dict[str, Any]:
    about = words.variables[name]
    low, high = (-1.0 if about.low is None else about.low), (1.0 if about.high is None else about.high)
    middle = json.loads(f"{(low + high) / 2:.3g}")
    return {"variable": name, "relation": relation, "value": middle, "distance": True}
