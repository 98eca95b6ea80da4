"""Names and meanings of the actions of a user's own MiniGrid environment, which may be fewer, more, or in other order.

An action means one of MiniGrid's if the environment calls it so, unless play contradicts the name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..actions import ActionSpace
from .task import ACTIONS

_MINIGRIDS = {
    "left": 0, "turnleft": 0, "right": 1, "turnright": 1, "forward": 2, "moveforward": 2, "pickup": 3, "drop": 4,
    "toggle": 5, "done": 6,
}  # fmt: skip
_TOGGLED = ("unlocked", "opened", "closed", "opened_box")
_SHOWS: Mapping[str, int] = {
    "turned left": 0, "turned right": 1, "moved": 2, "reached": 2, "picked_up": 3, "dropped": 4,
    **dict.fromkeys(_TOGGLED, 5),
}  # fmt: skip
"""Events that one of MiniGrid's actions alone brings, with its number."""
_MOST = 0.6
"""Fraction of such events that must be of one action: a wrapper may replace some actions by random ones."""


def own_names(env: Any) -> tuple[str, ...]:
    """Return what an environment calls each of its actions, by its `actions` enumeration; "" for one without a name."""
    bare, count = env.unwrapped, int(env.action_space.n)
    if int(bare.action_space.n) != count:
        return ("",) * count  # a wrapper has other actions than the environment
    try:
        named = {int(member.value): str(member.name) for member in bare.actions}
    except (AttributeError, TypeError, ValueError):
        named = {}
    return tuple(named.get(number, "") for number in range(count))


def minigrids_number(name: str) -> int:
    """Return the number of MiniGrid's action of this name (`pickup`, `PICK_UP`, `turn_left`), or -1."""
    return _MINIGRIDS.get(name.lower().replace("_", ""), -1)


def named_actions(
    names: Sequence[str], labels: Sequence[str], docs: Sequence[str], seen: Sequence[Counter[str]]
) -> tuple[ActionSpace, tuple[int, ...]]:
    """Name actions, and find out which of MiniGrid's they are.

    Args:
        names: What the environment calls each action, "" for none.
        labels: The names that a description gives; () for none. A label is trusted, whatever play shows.
        docs: A line of documentation for each action, "" for none; () for none at all.
        seen: For each action, how often random play brought each event of `_SHOWS`.

    Returns:
        The action space, and MiniGrid's number of each action, -1 for one of the environment's own.
    """
    meaning: list[int] = []
    found: list[str] = []
    for number, name in enumerate(names):
        label = labels[number] if labels else ""
        told = minigrids_number(label)
        if told < 0:
            told = _by_play(minigrids_number(name), bool(name), seen[number])
        own = label if label and minigrids_number(label) < 0 else ""
        standard = ACTIONS[told] if told >= 0 else ""
        shown = own or standard or (name if minigrids_number(name) < 0 else "") or f"action_{number}"
        if shown.upper() in found:
            shown, told = f"action_{number}", -1
        found.append(shown.upper())
        meaning.append(told)
    turns = [k for k, told in enumerate(meaning) if told == 0] or [k for k, told in enumerate(meaning) if told == 1]
    space = ActionSpace(
        tuple(found),
        idle=next((k for k, told in enumerate(meaning) if told == 6), None),
        detour=(turns[0],) * 4 if turns else (),  # four turns are a full turn
        docs=tuple(docs) if any(docs) else (),
    )
    return space, tuple(meaning)


def _by_play(assumed: int, named: bool, seen: Counter[str]) -> int:
    """MiniGrid's number of an action: the assumed one, unless most of what play shows belongs to another."""
    shown = Counter[int]()
    for event, count in seen.items():
        shown[_SHOWS[event]] += count
    if not shown:
        return assumed
    usual, count = shown.most_common(1)[0]
    if usual == assumed or (assumed >= 0 and count < _MOST * shown.total()):
        return assumed
    if count < _MOST * shown.total() or (named and assumed < 0):
        return -1
    return usual
