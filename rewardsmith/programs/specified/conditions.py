"""Reads the conditions of a specification and writes each as two Python expressions over `state`.

A condition is one of:

    {"object": {"kind": "door"}, "attribute": "state", "relation": "is", "value": "open", "distance": true}
    {"variable": "position", "relation": "at_least", "value": 0.5, "distance": true}
    {"all": [...]}, {"any": [...]}, {"not": {...}}

Nothing of a specification becomes code: names must be names of the task, and values are written with repr().
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardsmith.programs.specified.faults import Faults, shown
from rewardsmith.programs.specified.relations import RELATIONS, holding, relation_of, value_of
from rewardsmith.programs.specified.vocabulary import HISTORY, TIME, Readable, Vocabulary

OBJECT_KEYS = ("object", "attribute", "relation", "value", "to", "match", "range", "weight", "distance")
VARIABLE_KEYS = ("variable", "relation", "value", "to", "range", "weight", "distance")
EXTRA = ("exists", "count", "distance", "distance_to")
MATCHES = ("any", "all", "none")
_DEEPEST = 4
_MOST = 16  # conditions in one list


@dataclass(frozen=True)
class Written:
    """A condition as Python.

    Attributes:
        holds: An expression that is true while the condition holds.
        toward: An expression in [0, 1]: 1 while it holds, else how near it is.
        weight: Its weight among the conditions of its list.
    """

    holds: str
    toward: str
    weight: float = 1.0


class ConditionReader:
    """Reads conditions of one specification with the names of one task."""

    def __init__(self, vocabulary: Vocabulary, faults: Faults) -> None:
        self.vocabulary = vocabulary
        self.faults = faults

    def conjunction(self, given: Any, path: str) -> Written | None:
        """Read a condition, a list of conditions that must all hold, or {"all": [...]}."""
        if isinstance(given, list):
            return self._several(given, path, "all", 0)
        return self._read(given, path, 0)

    def _read(self, given: Any, path: str, depth: int) -> Written | None:
        if not isinstance(given, Mapping):
            self.faults.add(path, f"a condition is a JSON object, not {shown(given)}")
            return None
        if depth > _DEEPEST:
            self.faults.add(path, f"conditions are nested more than {_DEEPEST} deep")
            return None
        for key in ("all", "any"):
            if key in given:
                self.faults.keys(path, given, (key, "weight"))
                found = self._several(given[key], f"{path}.{key}", key, depth)
                return None if found is None else self._weighted(found, given, path)
        if "not" in given:
            self.faults.keys(path, given, ("not", "weight"))
            inner = self._read(given["not"], f"{path}.not", depth + 1)
            if inner is None:
                return None
            denied = f"not ({inner.holds})"
            return self._weighted(Written(denied, f"float({denied})"), given, path)
        if ("object" in given) == ("variable" in given):
            both = "has both" if "object" in given else "needs"
            self.faults.add(
                path, f'a condition {both} "object" or "variable" (or "all", "any", "not"); use one of them'
            )
            return None
        found = self._of_object(given, path) if "object" in given else self._of_variable(given, path)
        return None if found is None else self._weighted(found, given, path)

    def _several(self, given: Any, path: str, joined: str, depth: int) -> Written | None:
        if not isinstance(given, list) or not 1 <= len(given) <= _MOST:
            self.faults.add(path, f"give a list of 1 to {_MOST} conditions, not {shown(given)}")
            return None
        parts = [self._read(each, f"{path}[{k}]", depth + 1) for k, each in enumerate(given)]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return None
        if len(found) == 1:
            return found[0]
        if joined == "any":
            holds = " or ".join(f"({part.holds})" for part in found)
            return Written(holds, f"max({', '.join(part.toward for part in found)})")
        holds = " and ".join(f"({part.holds})" for part in found)
        terms = [part.toward if part.weight == 1.0 else f"{part.weight!r} * {part.toward}" for part in found]
        return Written(holds, f"({' + '.join(terms)}) / {sum(part.weight for part in found)!r}")

    def _weighted(self, written: Written, given: Mapping[str, Any], path: str) -> Written:
        weight = given.get("weight", 1)
        if not _is_number(weight) or not 0 < weight <= 1000:
            self.faults.add(f"{path}.weight", f"give a number above 0 and at most 1000, not {shown(weight)}")
            return written
        return Written(written.holds, written.toward, float(weight))

    # ---- objects

    def _of_object(self, given: Mapping[str, Any], path: str) -> Written | None:
        words = self.vocabulary
        if not words.objects:
            self.faults.add(f"{path}.object", 'this task has no objects; use "variable" with one of its variables')
            return None
        self.faults.keys(path, given, OBJECT_KEYS)
        chosen = self.selector(given["object"], f"{path}.object", "o")
        attribute = given.get("attribute", "exists")
        names = [*words.attributes, *(n for n in EXTRA if words.placed or not n.startswith("distance"))]
        if attribute not in names:
            self.faults.unknown(f"{path}.attribute", "attribute", attribute, names)
            return None
        match = given.get("match", "any")
        if match not in MATCHES:
            self.faults.unknown(f"{path}.match", "match", match, MATCHES)
            return None
        several = f"o in state.{words.objects} if {chosen}"
        if attribute in ("exists", "count"):
            return self._counted(given, path, attribute, several)
        test = self._test(given, path, attribute)
        if test is None or chosen is None:
            return None
        holds = {
            "any": f"any({test} for {several})",
            "all": f"all({test} for {several})",
            "none": f"not any({test} for {several})",
        }[match]
        left = test if match == "none" else f"not ({test})"
        return self._guided(holds, f"[{several.replace('o in', 'o for o in', 1)} and {left}]", given, path)

    def _counted(self, given: Mapping[str, Any], path: str, attribute: str, several: str) -> Written | None:
        number = Readable("", "number") if attribute == "count" else Readable("", "bool")
        if "value" not in given and attribute == "count":
            self.faults.add(f"{path}.value", "missing: give the number of objects")
            return None
        relation = relation_of(given, path, number, self.faults)
        value = value_of(given.get("value", True), relation, number, f"{path}.value", self.faults)
        if relation is None or value is None:
            return None
        code = f"sum(1 for {several})" if attribute == "count" else f"any(True for {several})"
        return self._guided(
            holding(code, relation, value), f"[{several.replace('o in', 'o for o in', 1)}]", given, path
        )

    def _guided(self, holds: str, wanted: str, given: Mapping[str, Any], path: str) -> Written:
        if not self._flag(given, path):
            return Written(holds, f"float({holds})")
        if not (self.vocabulary.walks or self.vocabulary.placed):
            self.faults.add(f"{path}.distance", "objects of this task have no place, so no distance can be measured")
        wide = f", {self._wide(given, path)!r}" if "range" in given else ""
        return Written(holds, f"(1.0 if {holds} else near(state, {wanted}{wide}))")

    def _wide(self, given: Mapping[str, Any], path: str) -> float:
        wide = given["range"]
        if _is_number(wide) and 0 < wide < math.inf:
            return float(wide)
        self.faults.add(f"{path}.range", f"give a number above 0, not {shown(wide)}")
        return 1.0

    def _test(self, given: Mapping[str, Any], path: str, attribute: str) -> str | None:
        """The test of one object `o`."""
        if attribute in ("distance", "distance_to"):
            return self._distance_test(given, path, attribute)
        if "to" in given:
            self.faults.add(f"{path}.to", 'only the attribute "distance_to" has "to"')
        about = self.vocabulary.attributes[attribute]
        relation = relation_of(given, path, about, self.faults)
        known = self.vocabulary.possible(attribute) if about.kind == "choice" else ()
        default = True if about.kind == "bool" else _MISSING
        raw = given.get("value", default)
        if raw is _MISSING:
            self.faults.add(f"{path}.value", f"missing: give the value of {attribute}")
            return None
        value = value_of(raw, relation, about, f"{path}.value", self.faults, known)
        return None if relation is None or value is None else holding(f"o.{about.code}", relation, value)

    def _distance_test(self, given: Mapping[str, Any], path: str, attribute: str) -> str | None:
        number = Readable("", "number")
        relation = relation_of(given, path, number, self.faults, "at_most")
        if "value" not in given:
            self.faults.add(f"{path}.value", "missing: give the distance in cells")
            return None
        value = value_of(given["value"], relation, number, f"{path}.value", self.faults)
        other = None
        if attribute == "distance_to":
            if "to" not in given:
                self.faults.add(f"{path}.to", 'missing: "distance_to" needs the other object, such as {"kind": ...}')
                return None
            other = self.selector(given["to"], f"{path}.to", "p")
        if relation is None or value is None or (attribute == "distance_to" and other is None):
            return None
        if attribute == "distance":
            code = "o.walk_distance" if self.vocabulary.walks else _apart("o", "state.agent")
            reached = "o.walk_distance >= 0 and " if self.vocabulary.walks else ""
            return f"({reached}{holding(code, relation, value)})"
        joined = "all" if relation in ("above", "at_least") else "any"
        pairs = f"p in state.{self.vocabulary.objects} if ({other}) and p.id != o.id"
        return f"{joined}({holding(_apart('o', 'p'), relation, value)} for {pairs})"

    def selector(self, given: Any, path: str, name: str, nested: bool = False) -> str | None:
        """Read which objects are meant and return a test of one object called `name`; None after a fault."""
        words = self.vocabulary
        if not isinstance(given, Mapping):
            self.faults.add(path, f'give the objects as {{"kind": ...}}, not {shown(given)}')
            return None
        tests, failed = [], False
        for key, raw in given.items():
            here = f"{path}.{key[:40]}"
            if key not in words.attributes:
                self.faults.unknown(here, "attribute of objects", key, words.attributes)
                failed = True
                continue
            about = words.attributes[key]
            if isinstance(raw, Mapping):  # {"color": {"same_as": {"kind": "door"}}}
                test = self._same(raw, here, name, about, nested)
            else:
                relation = "one_of" if isinstance(raw, list) else "is"
                known = words.possible(key) if about.kind == "choice" else ()
                value = value_of(raw, relation, about, here, self.faults, known)
                test = None if value is None else holding(f"{name}.{about.code}", relation, value)
            failed = failed or test is None
            tests.append(test or "")
        return None if failed else " and ".join(tests) or "True"

    def _same(self, raw: Mapping[str, Any], path: str, name: str, about: Readable, nested: bool) -> str | None:
        if nested or list(raw) != ["same_as"]:
            self.faults.add(path, f'give a value, or {{"same_as": {{"kind": ...}}}} once, not {shown(raw)}')
            return None
        other = self.selector(raw["same_as"], f"{path}.same_as", "q", nested=True)
        if other is None:
            return None
        return f"any(q.{about.code} == {name}.{about.code} for q in state.{self.vocabulary.objects} if {other})"

    # ---- variables

    def _of_variable(self, given: Mapping[str, Any], path: str) -> Written | None:
        self.faults.keys(path, given, VARIABLE_KEYS)
        about = self._variable(given["variable"], f"{path}.variable")
        guided = self._flag(given, path)
        if about is None:
            return None
        code = f"state.{about.code}"
        if "to" in given:
            apart = self._apart(given["to"], f"{path}.to", about)
            if apart is None:
                return None
            code, about = apart, Readable("", "number", low=0.0)
        elif about.kind == "vector":
            names = f'"{about.code}[0]" to "{about.code}[{about.length - 1}]"'
            self.faults.add(f"{path}.variable", f'a vector: name one number, {names}, or give "to" for a distance')
            return None
        relation = relation_of(given, path, about, self.faults, "at_most" if "to" in given else "is")
        raw = given.get("value", True if about.kind == "bool" else _MISSING)
        if raw is _MISSING:
            self.faults.add(f"{path}.value", "missing: give the value to compare with")
            return None
        value = value_of(raw, relation, about, f"{path}.value", self.faults)
        if relation is None or value is None:
            return None
        holds = holding(code, relation, value)
        if not guided or about.kind != "number":
            return Written(holds, f"float({holds})")
        scale = self._range(given, path, about, relation, value)
        return Written(holds, f"closeness({_gap(code, relation, value)}, {scale!r})")

    def _variable(self, name: Any, path: str) -> Readable | None:
        words = self.vocabulary
        if name in TIME:
            self.faults.add(
                path, f"{shown(name)} counts time; a reward that reads it cannot be certified. Leave it out"
            )
            return None
        if name in HISTORY and name in words.variables:
            self.faults.add(path, f"{shown(name)} tells what the last action did; name the state that it leads to")
            return None
        usable = {n: v for n, v in words.variables.items() if n not in TIME | HISTORY}
        if not isinstance(name, str) or name not in usable:
            self.faults.unknown(path, "variable", name, usable)
            return None
        return usable[name]

    def _apart(self, given: Any, path: str, about: Readable) -> str | None:
        """The distance between a variable and another one, or fixed numbers."""
        one = f"state.{about.code}"
        if isinstance(given, str):
            other = self._variable(given, path)
            if other is None:
                return None
            if other.kind != about.kind or other.length != about.length:
                self.faults.add(path, f"{given!r} is a {other.kind} and cannot be compared with a {about.kind}")
                return None
            two = f"state.{other.code}"
        elif about.kind == "vector" and _numbers(given) and len(given) == about.length:
            two = repr(tuple(map(float, given)))
        elif about.kind == "number" and _is_number(given):
            two = repr(float(given))
        else:
            self.faults.add(path, f"give another variable of the same kind, or its numbers, not {shown(given)}")
            return None
        return f"math.dist({one}, {two})" if about.kind == "vector" else f"abs({one} - {two})"

    def _range(self, given: Mapping[str, Any], path: str, about: Readable, relation: str, value: Any) -> float:
        """The gap at which a number is as far away as it can be."""
        if "range" in given:
            return self._wide(given, path)
        ends = value if isinstance(value, tuple) else (value, value)
        below = None if about.low is None else ends[0] - about.low
        above = None if about.high is None else about.high - ends[-1]
        if relation in ("at_least", "above"):
            gaps = [below]
        elif relation in ("at_most", "below"):
            gaps = [above]
        else:
            gaps = [below, above]
        known = [gap for gap in gaps if gap is not None and 0 < gap < math.inf]
        return float(max(known)) if known and len(known) == len(gaps) else 1.0

    def _flag(self, given: Mapping[str, Any], path: str) -> bool:
        flag = given.get("distance", False)
        if not isinstance(flag, bool):
            self.faults.add(f"{path}.distance", f"give true or false, not {shown(flag)}")
            return False
        return flag


_MISSING = object()


def _apart(one: str, other: str) -> str:
    return f"abs({one}.x - {other}.x) + abs({one}.y - {other}.y)"


def _gap(code: str, relation: str, value: Any) -> str:
    if relation in ("at_least", "above"):
        return f"{value!r} - {code}"
    if relation in ("at_most", "below"):
        return f"{code} - {value!r}"
    if relation == "between":
        return f"max({value[0]!r} - {code}, {code} - {value[1]!r})"
    return f"abs({code} - {value!r})"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(_is_number, value))


__all__ = ["RELATIONS", "ConditionReader", "Written"]
