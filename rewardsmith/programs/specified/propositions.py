"""Propositions of a reward machine: events of the task, and conditions that the machine names itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rewardsmith.programs.specified.conditions import ConditionReader, Written
from rewardsmith.programs.specified.faults import shown

_MOST = 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]{0,39}")


class Propositions:
    """The propositions that transitions of one machine may name.

    Args:
        given: {"name": condition or list of conditions}.
        reader: The reader of conditions, whose faults it fills.
    """

    def __init__(self, given: Any, reader: ConditionReader) -> None:
        self._reader = reader
        self._words, self._faults = reader.vocabulary, reader.faults
        self._own: dict[str, Written | None] = {}
        if not isinstance(given, Mapping) or len(given) > _MOST:
            text = (
                f'give at most {_MOST} conditions by name, such as {{"near": {{"variable": ...}}}}, not {shown(given)}'
            )
            self._faults.add("propositions", text)
            return
        for name, condition in given.items():
            path = f"propositions.{name[:40]}"
            if not _NAME.fullmatch(name) or name.startswith("not "):
                self._faults.add(path, "a name has at most 40 letters, digits and underscores")
            self._own[name] = reader.conjunction(condition, path)

    @property
    def names(self) -> list[str]:
        """Every name that a transition may use, an event alone or with each kind of object."""
        events = [f"{event} {kind}" for event in self._words.events for kind in self._words.kinds]
        return [*self._own, "solved", *self._words.events, *events]

    def read(self, given: Any, path: str, guided: bool) -> Written | None:
        """Read when a transition is taken: a proposition, "not" and a proposition, a condition, or a list of these."""
        if isinstance(given, list) and given:
            parts = [self.read(each, f"{path}[{k}]", guided) for k, each in enumerate(given)]
            found = [part for part in parts if part is not None]
            if len(found) < len(parts):
                return None
            toward = f"({' + '.join(part.toward for part in found)}) / {len(found)}"
            return Written(" and ".join(f"({part.holds})" for part in found), toward)
        if isinstance(given, Mapping):
            return self._reader.conjunction(given, path)
        if not isinstance(given, str):
            self._faults.add(path, f"give the name of an event or of a proposition, not {shown(given)}")
            return None
        text = " ".join(given.split())
        if text.startswith("not "):
            inner = self.read(text[4:], path, False)
            return None if inner is None else Written(f"not ({inner.holds})", f"float(not ({inner.holds}))")
        if text in self._own:
            return self._own[text]
        if text == "solved" and "solved" in self._words.variables:
            return Written("state.solved", "float(state.solved)")
        return self._event(text, path, guided)

    def _event(self, text: str, path: str, guided: bool) -> Written | None:
        """The event EVENT, or EVENT of an object: "unlocked door", "picked_up red key", "unlocked_door"."""
        words = self._words
        event = next((e for e in sorted(words.events, key=len, reverse=True) if _begins(text, e)), None)
        if event is None:
            self._faults.unknown(path, "event or proposition", text, self.names)
            return None
        rest = [word for word in re.split(r"[ _]", text[len(event) :]) if word]
        tests, chosen = [], {}
        for word in rest:
            key = next((k for k, about in words.attributes.items() if word in about.values and k != "state"), None)
            if key is None or (key == "kind" and words.kinds and word not in words.kinds):
                known = [*words.kinds, *(v for k, a in words.attributes.items() if k == "color" for v in a.values)]
                self._faults.unknown(path, "kind or colour of an object", word, known)
                return None
            chosen[key] = word
            tests.append(f"state.event_object.{words.attributes[key].code} == {word!r}")
        about = " and ".join(["state.event_object is not None", *tests]) if tests else ""
        holds = f"state.event == {event!r}" + (f" and {about}" if about else "")
        toward = f"float({holds})"
        if guided and chosen and (words.walks or words.placed):
            test = " and ".join(f"o.{words.attributes[k].code} == {v!r}" for k, v in chosen.items())
            toward = f"near(state, [o for o in state.{words.objects} if {test}])"
        return Written(holds, toward)


def _begins(text: str, event: str) -> bool:
    return text == event or text.startswith((f"{event} ", f"{event}_"))
