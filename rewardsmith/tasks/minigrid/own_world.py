"""What a user's own MiniGrid environment has of its own: object types, colours, actions, words of its missions.

It is found by resets and random play of the real environment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from minigrid.core.world_object import WorldObj
from minigrid.minigrid_env import MiniGridEnv

from rewardsmith.errors import UsageError

from ..actions import ActionSpace
from ..guarded import called
from ..schema import Schema
from .columns import Words, build_schema
from .families import FOREIGN_FAMILY, VOCABULARY, Family
from .interface import KIND_FACTS
from .own_actions import _SHOWS, named_actions, own_names
from .pay import RULE
from .pools import reset_quietly
from .state_tracker import COLORS, KINDS, SCENERY, StateTracker, kind_of, list_objects

LAYOUTS = 32
"""Resets by which slots, words and sizes are estimated."""

_EPISODES, _STEPS = 12, 100  # random play that shows what actions do and what a policy observes
_KEPT = 64  # observations that are kept
_LONGEST_DOC = 160  # characters of a class's own documentation that an interface quotes


@dataclass(frozen=True)
class OwnWorld:
    """What resets and random play of an environment show.

    Attributes:
        slots: Object slots of a state row.
        max_steps: The largest step limit of an episode.
        size: (width, height) of the grid in cells.
        family: The foreign family with the environment's kinds, colours and words.
        words: The values of kinds, colours and events.
        actions: The actions, named.
        kinds: Facts of the kinds of the user's own, by name.
        codes: Number of MiniGrid's types, colours and states that its cells may be encoded by.
        observed: Observations that were returned, to see what they hold.
        pay: The environment's own reward in a sentence, as random play shows it.
    """

    slots: int
    max_steps: int
    size: tuple[int, int]
    family: Family
    words: Words
    actions: ActionSpace
    kinds: Mapping[str, Mapping[str, Any]]
    codes: tuple[int, int, int]
    observed: Sequence[Any]
    pay: str


@dataclass
class _Seen:
    """What has been met so far."""

    objects: list[int] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    missions: list[str] = field(default_factory=list)
    colors: dict[str, None] = field(default_factory=dict)
    kinds: dict[str, Any] = field(default_factory=dict)
    codes: tuple[int, int, int] = (11, 6, 3)
    observed: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    paid_early: bool = False

    def look(self, bare: Any) -> None:
        """Note the objects of the grid as it is now."""
        for item in list_objects(bare):
            self.kinds.setdefault(kind_of(item), item)
            self.colors.setdefault(item.color)
        for cell in bare.grid.grid:
            if cell is not None:
                code = tuple(int(part) + 1 for part in cell.encode()[:3])
                self.codes = tuple(map(max, self.codes, code))  # type: ignore[assignment]


def examine(task_id: str, env: Any, labels: Sequence[str] = (), docs: Sequence[str] = ()) -> OwnWorld:
    """Reset and play an environment, and return what it shows.

    Args:
        task_id: The task's id, for messages.
        env: The environment in its wrappers.
        labels: Names of the actions that a description gives; () for none.
        docs: A line of documentation for each action; () for none.

    Raises:
        UsageError: If its grid differs in size between layouts, or its actions are not Discrete.
        TaskError: If its own code raises.
    """
    from gymnasium import spaces

    if not isinstance(env.action_space, spaces.Discrete):
        raise UsageError(
            f"{task_id} has actions in {env.action_space}, and a MiniGrid environment has Discrete ones.",
            "Wrap it in an ActionWrapper whose action_space is Discrete.",
        )
    seen, bare = _Seen(), env.unwrapped
    for seed in range(LAYOUTS):
        seen.observed.append(called(task_id, "reset()", reset_quietly, env, seed))
        seen.objects.append(len(list_objects(bare)))
        seen.limits.append(int(bare.max_steps))
        seen.sizes.add((int(bare.width), int(bare.height)))
        seen.missions.append(str(bare.mission))
        called(task_id, "encode() of an object", seen.look, bare)
    if len(seen.sizes) > 1:
        raise UsageError(
            f"The grid of {task_id} differs in size between layouts.", "Pad it to a constant size with walls."
        )
    slots, limit, size = max(seen.objects) + max(seen.objects) // 4 + 1, max(seen.limits), seen.sizes.pop()
    words = _words(bare, seen, (-1,) * int(env.action_space.n))
    schema = build_schema(slots, True, size, limit, words)
    shown = called(task_id, "step()", _played, env, StateTracker(schema), Schema(schema), seen)
    actions, meaning = named_actions(own_names(env), labels, docs, shown)
    words = replace(_words(bare, seen, meaning), meaning=meaning)
    family = replace(
        FOREIGN_FAMILY, kinds=words.kinds, colors=words.colors, vocabulary=_vocabulary(seen.missions, words)
    )
    own = {name: called(task_id, "its objects", _facts, item) for name, item in seen.kinds.items() if name not in KINDS}
    return OwnWorld(
        slots, limit, size, family, words, actions, own, seen.codes, seen.observed[-_KEPT:], _pay(bare, seen)
    )


def _pay(bare: Any, seen: _Seen) -> str:
    """The environment's own reward in a sentence."""
    if seen.paid_early:
        span = f"from {min(seen.rewards):.3g} to {max(seen.rewards):.3g}"
        return f"The environment pays by rules of its own: in random play {span} a step."
    if type(bare)._reward is MiniGridEnv._reward:
        return f"{RULE[:-1]}, as far as random play shows."
    return "The environment pays on the step that ends an episode only, as far as random play shows."


def _words(bare: Any, seen: _Seen, meaning: tuple[int, ...]) -> Words:
    defined = [kind.__name__ for kind in _subclasses(WorldObj) if kind.__module__ == type(bare).__module__]
    names = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for name in defined]
    kinds = tuple(dict.fromkeys([*KINDS, *seen.kinds, *names]))
    return Words(kinds, tuple(dict.fromkeys([*COLORS, *seen.colors])), meaning)


def _subclasses(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _vocabulary(missions: Sequence[str], words: Words) -> tuple[str, ...]:
    """MiniGrid's words, and those of the missions that are not in all of them."""
    found = [set(re.findall(r"\w+", mission)) for mission in missions]
    varying = set().union(*found) - set.intersection(*found)
    return tuple(dict.fromkeys([*VOCABULARY, *sorted(varying), *(c for c in words.colors if c in varying)]))


def _played(env: Any, tracker: StateTracker, schema: Schema, seen: _Seen) -> list[Counter[str]]:
    """Random play: for each action, how often it brought each event that one of MiniGrid's actions alone brings."""
    rng, count, bare = np.random.default_rng(0), int(env.action_space.n), env.unwrapped
    told = schema.field("event")
    shown = [Counter[str]() for _ in range(count)]
    first = int(getattr(env.action_space, "start", 0))
    for episode in range(_EPISODES):
        observed: Any = reset_quietly(env, episode)
        tracker.start(env)
        for _ in range(_STEPS):
            action, facing = int(rng.integers(count)), int(bare.agent_dir)
            observed, reward, terminated, truncated, _ = env.step(first + action)
            seen.rewards.append(float(reward))
            seen.paid_early |= bool(reward) and not terminated
            event = told.values[int(tracker.after(env, action, float(reward), bool(terminated))[told.column])]
            if event == "turned":
                event = {3: "turned left", 1: "turned right"}.get((int(bare.agent_dir) - facing) % 4, "")
            if event in _SHOWS:
                shown[action][event] += 1
            seen.look(bare)
            if terminated or truncated:
                break
        seen.observed.append(observed)
    return shown


def _facts(item: Any) -> dict[str, Any]:
    """What an object of a user's own class can do, with a sentence that says so."""
    carried, entered = bool(item.can_pickup()), bool(item.can_overlap())
    facts: dict[str, Any] = {**KIND_FACTS.get(item.type, {}), "carryable": carried, "enterable": entered}
    can = [f"can{'' if carried else 'not'} be carried", f"can{'' if entered else 'not'} be stepped on"]
    if type(item).toggle is not WorldObj.toggle:
        can.append("reacts to TOGGLE")
    if not item.see_behind():
        can.append("blocks the view")
    like = f" (an object of this environment's own, a kind of {item.type})"
    if item.type in SCENERY or kind_of(item) == item.type or item.type not in KINDS:
        like = " (an object of this environment's own)"
    about = re.split(r"(?<=\.)\s", " ".join((type(item).__doc__ or "").split()))[0]
    about = "" if type(item).__doc__ in {base.__doc__ for base in type(item).__mro__[1:]} else about
    about = about if len(about) <= _LONGEST_DOC else ""
    kind = kind_of(item).replace("_", " ")
    facts["doc"] = f"A {kind}{like} {', '.join(can)}.{f' {about}' if about else ''}"
    return facts
