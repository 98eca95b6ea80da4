"""Signs of success in random play: infos, a return that Gymnasium calls solved, rewards of last steps."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.tasks.described.play import Shown

_LONGEST_SIGN = 60  # characters of a text that is a sign of success
_SUCCESS = ("is_success", "success", "solved", "won", "goal_reached")
_LIKE = re.compile(r"succe|solved|\bwin\b|\bwon\b|goal|reach|complete|finish|achiev|deliver|at_target|done_ok", re.I)
_UNLIKE = re.compile(r"fail|crash|collid|collision|dead|died|lost|out_of|invalid|illegal|timeout|truncat|limit", re.I)


@dataclass(frozen=True)
class Signal:
    """One way to tell success. fields: of a description. why: in a clause."""

    fields: dict[str, Any]
    why: str


def signals(env: Any, shown: Shown) -> Iterator[Signal]:
    """Ways to tell success, the likeliest first; the last one compares returns."""
    yield from _told(shown)
    threshold = getattr(env.spec, "reward_threshold", None) if env.spec is not None else None
    if threshold is not None:
        yield Signal(
            {"score": "return", "threshold": float(threshold)},
            f"success is a return of {float(threshold):g}, which Gymnasium calls solved",
        )
    yield from _paid(shown)
    yield from _unlike(shown)
    yield Signal({"score": "return"}, "no sign of success was found: candidates are compared by their return")
    yield from _jumps(shown)


def source_of(key: str) -> str:
    """How a condition or a variable names a key of the infos."""
    if key.isidentifier() and not keyword.iskeyword(key):
        return f"info.{key}"
    return f"info['{key}']" if '"' in key else f'info["{key}"]'


def _flags(shown: Shown) -> Iterator[tuple[str, list[float]]]:
    """Infos that are true or false, with the values seen."""
    for key, values in shown.infos.items():
        flags = all(isinstance(v, bool | np.bool_) for v in values)
        named = _LIKE.search(key) is not None and all(isinstance(v, int | float | np.number) for v in values)
        if values and (flags or (named and all(float(v) in (0.0, 1.0) for v in values))):
            yield key, [float(v) for v in values]


def _told(shown: Shown) -> Iterator[Signal]:
    """Infos that say it: by an exact name, then by a similar one, then texts of how an episode ended."""
    flags = dict(_flags(shown))
    exact = [key for key in _SUCCESS if key in flags]
    similar = [key for key in flags if key not in exact and _LIKE.search(key) and not _UNLIKE.search(key)]
    for key in (*exact, *similar):
        seen = f"true on {np.mean(flags[key]):.0%} of the steps played" if any(flags[key]) else "never true so far"
        yield Signal({"success": source_of(key)}, f"success is {source_of(key)} ({seen})")
    for key, values in shown.infos.items():
        for value in dict.fromkeys(str(v) for v in values if isinstance(v, str) and _is_word(v)):
            if _LIKE.search(value) and not _UNLIKE.search(value):
                yield Signal({"success": f'{source_of(key)} == "{value}"'}, f"success is {value!r} in {source_of(key)}")


def _is_word(text: str) -> bool:
    """Whether a text can be compared in a condition: a message of some lines is no sign."""
    return len(text) <= _LONGEST_SIGN and text.isprintable() and '"' not in text


def _paid(shown: Shown) -> Iterator[Signal]:
    """A positive reward, if only last steps have one, or no step had any."""
    paid_at_ends = sum(r > 0 for r in shown.last_rewards) == sum(r > 0 for r in shown.rewards) > 0
    if paid_at_ends and set(np.sign(shown.rewards)) <= {0.0, 1.0}:
        yield Signal(
            {"success": "reward > 0"}, "success is a positive reward, which only last steps had in random play"
        )
    elif set(shown.rewards) == {0.0}:
        yield Signal({"success": "reward > 0"}, "success is a positive reward: random play met only 0")
    elif max(shown.rewards) == 0 and _all_but_last(shown) <= {0.0}:
        yield Signal(
            {"success": "reward > 0"}, "success is a positive reward: random play met only 0, and less on last steps"
        )
    elif paid_at_ends:
        yield Signal(
            {"success": "terminated and reward > 0"},
            "success is a positive reward on the last step: all others were negative or 0 in random play",
        )


def _unlike(shown: Shown) -> Iterator[Signal]:
    """An info of failure: success is an episode that reaches its step limit without it."""
    for key, values in _flags(shown):
        if _UNLIKE.search(key) and any(values) and not re.search("timeout|truncat|limit", key, re.I):
            yield Signal(
                {"success": f"truncated and not {source_of(key)}"},
                f"success is an episode that lasts to its step limit without {source_of(key)}",
            )


def _all_but_last(shown: Shown) -> set[float]:
    """The rewards of steps that terminated no episode."""
    others = list(shown.rewards)
    for reward in shown.last_rewards:
        others.remove(reward)
    return set(others)


def _jumps(shown: Shown) -> Iterator[Signal]:
    """Last steps that pay more than any other step."""
    others = _all_but_last(shown)
    if shown.last_rewards and others and max(shown.last_rewards) > max(others):
        least = min(r for r in shown.last_rewards if r > max(others))
        yield Signal(
            {"success": f"terminated and reward >= {float(least)!r}"},
            f"last steps pay {least:.3g} and more, no other step does",
        )
