"""What the conditions of a specification may read: variables, objects and their attributes, and events of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIME = frozenset({"step", "max_steps"})
HISTORY = frozenset({"event", "event_object"})
_NUMBERS = {"int": "number", "float": "number", "bool": "bool", "choice": "choice", "item": "item"}


@dataclass(frozen=True)
class Readable:
    """A value that a condition may read.

    Attributes:
        code: Python text that follows `state.`, or `o.` for an attribute of an object.
        kind: "number", "bool", "choice", "item" (an object or None) or "vector".
        values: The values of a choice.
        low, high: Bounds of a number, or None.
        length: Length of a vector.
    """

    code: str
    kind: str
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    length: int = 0


@dataclass(frozen=True)
class Vocabulary:
    """The names of one task.

    Attributes:
        variables: Values of the state by path, such as "agent.x", "position" or "hand[0]".
        objects: Name of the list of objects, "" if there is none.
        attributes: Attributes of an object.
        kinds: Kinds that occur in the task; () if unknown.
        events: Names of events.
        walks: Whether objects have a walking distance.
        placed: Whether objects and the agent have coordinates x and y.
        shut: States of passages that open without a tool.
        size: Width plus height of the grid, the longest direct way; 0 without a grid.
    """

    variables: Mapping[str, Readable]
    objects: str = ""
    attributes: Mapping[str, Readable] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    walks: bool = False
    placed: bool = False
    shut: tuple[str, ...] = ()
    size: int = 0

    @staticmethod
    def of(facts: Mapping[str, Any]) -> Vocabulary:
        """Build the vocabulary from an interface's facts (tasks.base.Interface)."""
        fields = facts["fields"]
        variables: dict[str, Readable] = {}
        for plain in fields:
            _add(variables, plain, "")
        lists = [f for f in fields if f["kind"] == "list"]
        chosen = next((f for f in lists if f["name"] == "objects"), lists[0] if lists else None)
        if chosen is None:
            return Vocabulary(variables, events=_events(fields))
        attributes: dict[str, Readable] = {}
        for plain in chosen["fields"]:
            _add(attributes, plain, "")
        kinds = facts.get("kinds", {})
        blocking = [state for about in kinds.values() for state in about.get("blocks_when", [])]
        world = facts.get("world", {})
        return Vocabulary(
            variables,
            chosen["name"],
            {name: value for name, value in attributes.items() if name not in ("id", "walk_distance")},
            tuple(kinds),
            _events(fields),
            walks="walk_distance" in attributes,
            placed={"x", "y"} <= attributes.keys() and {"agent.x", "agent.y"} <= variables.keys(),
            shut=tuple(state for state in dict.fromkeys(blocking) if state != "locked"),
            size=int(world.get("width", 0)) + int(world.get("height", 0)),
        )

    def possible(self, attribute: str) -> tuple[str, ...]:
        """Return the values that a choice attribute of an object can have in this task."""
        values = self.attributes[attribute].values
        return tuple(v for v in values if v in self.kinds) if attribute == "kind" and self.kinds else values


def _events(fields: list[dict[str, Any]]) -> tuple[str, ...]:
    values = next((f.get("values", ()) for f in fields if f["name"] == "event" and f["kind"] == "choice"), ())
    return tuple(v for v in values if v != "none")


def _add(found: dict[str, Readable], plain: Mapping[str, Any], prefix: str) -> None:
    name = prefix + plain["name"]
    if plain["kind"] == "record":
        for inner in plain["fields"]:
            _add(found, inner, f"{name}.")
    elif plain["kind"] == "vector":
        found[name] = Readable(name, "vector", length=plain["length"])
        entries = plain.get("entries") or ()
        for k in range(plain["length"]):
            entry = Readable(f"{name}[{k}]", "number", low=plain.get("low"), high=plain.get("high"))
            found[f"{name}[{k}]"] = entry
            if k < len(entries):
                found[f"{name}.{entries[k]}"] = entry
    elif plain["kind"] in _NUMBERS:
        found[name] = Readable(
            name, _NUMBERS[plain["kind"]], tuple(plain.get("values", ())), plain.get("low"), plain.get("high")
        )
