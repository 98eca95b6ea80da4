"""Random play of an environment: ranges, infos, rewards, returns, ends of episodes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described.functions import allowed
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.names import Watched
from rewardsmith.tasks.observations import ObservationSpace

_KEPT = 64  # values of an info that are kept if they are no single numbers
_LARGE = 64  # numbers or entries of an info of which one value is kept
_LONGEST = 200  # characters that are kept of a text
_NAMED = 64  # numbers of an observation for which names are looked for
_STARTS, _FIRST_START = 5, 10_000  # further starts, and the first one's seed
_COMPARED = 100  # steps on which they are compared with attributes and infos


@dataclass
class Shown:
    """The observations, infos and rewards of some episodes.

    Attributes:
        low: Smallest value seen of each number of an observation [D].
        high: Largest value seen.
        infos: For each key of the infos of steps, the values seen: at most 64 that are no single numbers, one that is
            large, and the first 200 characters of a text. Other keys than texts are left out, as descriptions cannot
            name them.
        rewards: The reward of every step.
        last_rewards: The reward of each step that terminated an episode.
        returns: The return of each episode that ended.
        lengths: Its length in steps.
        terminated: How many episodes were terminated rather than truncated.
        truncated: The length of each episode that the environment truncated itself.
        starts: The first observation of each episode, flattened.
        steps: How many steps were played.
        ended: For each key of the infos, the values on steps that terminated an episode.
        watched: Which attributes and infos the numbers of an observation equal.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    infos: dict[str, list[Any]] = field(default_factory=dict)
    rewards: list[float] = field(default_factory=list)
    last_rewards: list[float] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    terminated: int = 0
    truncated: list[int] = field(default_factory=list)
    starts: list[NDArray[np.float64]] = field(default_factory=list)
    steps: int = 0
    ended: dict[str, list[Any]] = field(default_factory=dict)
    watched: Watched = field(default_factory=lambda: Watched(0))

    @property
    def own_limit(self) -> int | None:
        """The length of the episodes that the environment truncated, if it was always the same."""
        several = len(self.truncated) > 1 and len(set(self.truncated)) == 1
        return self.truncated[0] if several and self.truncated[0] == max(self.lengths) else None

    @property
    def one_start(self) -> bool:
        """Whether every episode began with the same observation."""
        return len(self.starts) > 1 and all((start == self.starts[0]).all() for start in self.starts)


def watch(
    env: GuardedEnv, space: ObservationSpace, actions: ActionSpace, steps: int, limit: int, seconds: float = 20.0
) -> Shown:
    """Play at random, in episodes of at most `limit` steps from the seeds 0, 1 and so on.

    It ends after `steps` steps, or on the first step after `seconds`. Raises TaskError for what the environment does
    wrong.
    """
    rng = np.random.default_rng(0)
    shown = Shown(np.full(space.size, np.inf), np.full(space.size, -np.inf), watched=Watched(min(space.size, _NAMED)))
    episode, length, total, info = 0, 0, 0.0, {}
    until = time.monotonic() + seconds
    while shown.steps < steps and time.monotonic() < until:
        if length == 0:
            _, info = env.reset(episode)
            shown.starts.append(env.flat.copy())
            _extend(shown, env)
        may = allowed(env.env, info, actions)
        action = actions.sample(rng, allowed=may)
        _, reward, terminated, truncated, info = env.step(actions.in_environment(action))
        length, total = length + 1, total + reward
        shown.steps += 1
        shown.rewards.append(reward)
        _extend(shown, env)
        if shown.steps <= _COMPARED:
            shown.watched.look(env.env, info, env.flat[:_NAMED])
        _note(shown.infos, info)
        if terminated or truncated or length >= limit:
            shown.returns.append(total)
            shown.lengths.append(length)
            shown.terminated += terminated
            if truncated and not terminated:
                shown.truncated.append(length)
            if terminated:
                shown.last_rewards.append(reward)
                _note(shown.ended, info)
            episode, length, total = episode + 1, 0, 0.0
    _starts(env, actions, shown, until)
    return shown


def _starts(env: GuardedEnv, actions: ActionSpace, shown: Shown, until: float) -> None:
    """Some more starts, and a step after each: what differs between episodes need not move within one."""
    rng = np.random.default_rng(1)
    for seed in range(_STARTS):
        if time.monotonic() >= until:
            return
        _, info = env.reset(_FIRST_START + seed)
        shown.starts.append(env.flat.copy())
        _extend(shown, env)
        may = allowed(env.env, info, actions)
        _, _, _, _, info = env.step(actions.in_environment(actions.sample(rng, allowed=may)))
        _extend(shown, env)
        shown.watched.look(env.env, info, env.flat[:_NAMED])


def _note(kept: dict[str, list[Any]], info: dict[str, Any]) -> None:
    for key, value in info.items():
        if not isinstance(key, str):
            continue
        seen = kept.setdefault(key, [])
        if isinstance(value, str):
            value = value[:_LONGEST]
        single = isinstance(value, bool | int | float | str | np.generic) or value is None
        large = not single and (getattr(value, "size", None) or _length(value)) > _LARGE
        if single or len(seen) < (1 if large else _KEPT):
            seen.append(value)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple | dict | set) else 1


def _extend(shown: Shown, env: GuardedEnv) -> None:
    np.fmin(shown.low, env.flat, out=shown.low)
    np.fmax(shown.high, env.flat, out=shown.high)
