"""Faults of a JSON specification, collected so that one message names all of them, each with its path."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from rewardsmith.programs.answer_text import UnreadableAnswer

_MOST = 20  # faults that one message lists
_NAMES = 24  # names that one fault lists
_LONGEST = 60


class Faults:
    """Collects faults while a specification is read; reading goes on after each."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: str, problem: str) -> None:
        """Add a fault at `path`, such as "stages[0].all[1].object.kind"."""
        self._found.append(f"`{path}`: {problem}")

    def unknown(self, path: str, what: str, given: Any, known: Iterable[str]) -> None:
        """Add the fault that `given` is not one of `known`, with the nearest of these."""
        names = list(known)
        text = given if isinstance(given, str) else shown(given)
        near = difflib.get_close_matches(text.lower(), names, n=1, cutoff=0.5)
        listed = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
        guess = f"; the nearest is {near[0]!r}" if near else ""
        self.add(path, f"there is no {what} {shown(given)}{guess} (there are: {listed or 'none'})")

    def keys(self, path: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
        """Add a fault for each key of `given` that is not known."""
        names = list(known)
        for key in given:
            if key not in names:
                self.unknown(_join(path, key), "key", key, names)

    def check(self) -> None:
        """Raise UnreadableAnswer with all faults, if there are any."""
        if not self._found:
            return
        listed = self._found[:_MOST]
        more = len(self._found) - len(listed)
        count = f"{len(self._found)} fault{'s' if len(self._found) > 1 else ''}"
        text = f"The specification has {count}: " + "; ".join(listed)
        raise UnreadableAnswer(text + (f"; and {more} more" if more else "") + ".")


def shown(value: Any) -> str:
    """Return a JSON value as text of at most 60 characters."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = "a value that JSON cannot hold"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _join(path: str, key: str) -> str:
    return f"{path}.{key[:40]}" if path else key[:40]
