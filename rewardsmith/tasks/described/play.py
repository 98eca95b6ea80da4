"""What random play shows of an environment: ranges, infos, rewards, returns, how episodes end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described.functions import allowed
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.observations import ObservationSpace

Choose = Callable[[int, np.random.Generator], Any]
"""An action of reward code for a step of an episode."""


@dataclass
class Shown:
    """What some episodes showed.

    Attributes:
        low: Smallest value seen of each number of an observation [D].
        high: Largest value seen.
        infos: For each key of the infos of steps, the values seen, at most 64.
        rewards: The reward of every step.
        last_rewards: The reward of each step that terminated an episode.
        returns: The return of each episode that ended.
        lengths: Its length in steps.
        terminated: How many episodes were terminated rather than truncated.
        starts: The first observation of each episode, flattened.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    infos: dict[str, list[Any]] = field(default_factory=dict)
    rewards: list[float] = field(default_factory=list)
    last_rewards: list[float] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    terminated: int = 0
    starts: list[NDArray[np.float64]] = field(default_factory=list)

    @property
    def one_start(self) -> bool:
        """Whether every episode began with the same observation."""
        return len(self.starts) > 1 and all((start == self.starts[0]).all() for start in self.starts)


def watch(
    env: GuardedEnv, space: ObservationSpace, actions: ActionSpace, steps: int, limit: int, choose: Choose | None = None
) -> Shown:
    """Play `steps` steps, in episodes of at most `limit` steps from the seeds 0, 1 and so on.

    Actions are drawn uniformly unless `choose` gives them. Raises TaskError for what the environment does wrong.
    """
    rng = np.random.default_rng(0)
    shown = Shown(np.full(space.size, np.inf), np.full(space.size, -np.inf))
    episode, length, total, info = 0, 0, 0.0, {}
    for step in range(steps):
        if length == 0:
            _, info = env.reset(episode)
            shown.starts.append(env.flat.copy())
            _extend(shown, env)
        may = allowed(env.env, info, actions)
        action = actions.sample(rng, allowed=may) if choose is None else choose(length, rng)
        _, reward, terminated, truncated, info = env.step(actions.in_environment(action))
        length, total = length + 1, total + reward
        shown.rewards.append(reward)
        _extend(shown, env)
        for key, value in info.items():
            seen = shown.infos.setdefault(str(key), [])
            if len(seen) < 64:
                seen.append(value)
        if terminated or truncated or length >= limit:
            shown.returns.append(total)
            shown.lengths.append(length)
            shown.terminated += terminated
            if terminated:
                shown.last_rewards.append(reward)
            episode, length, total = episode + 1, 0, 0.0
            if step + 1 == steps:
                break
    return shown


def _extend(shown: Shown, env: GuardedEnv) -> None:
    np.fmin(shown.low, env.flat, out=shown.low)
    np.fmax(shown.high, env.flat, out=shown.high)
