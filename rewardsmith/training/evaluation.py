"""Evaluate a policy's success in the plain environment, over a fixed number of episodes per environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.tasks.capabilities import score_rule_of
from rewardsmith.training.player import Player

_AT_ONCE = 256
_HOPELESS = 0.1  # success rate below which a quarter of the episodes is enough


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        successes: Episodes that succeeded by the task's own test.
        episodes: Episodes played, at least 1.
        mean_length: Mean length of an episode, in steps.
        mean_return: Mean undiscounted return of the environment's own reward.
        mean_squared_return: Mean of the squares of these returns.
    """

    successes: int
    episodes: int
    mean_length: float
    mean_return: float
    mean_squared_return: float = 0.0

    @property
    def success(self) -> float:
        """The fraction of episodes that succeeded, in [0, 1]."""
        return self.successes / self.episodes

    @classmethod
    def joined(cls, parts: Sequence[Evaluation]) -> Evaluation:
        """Return the evaluation of all episodes of `parts` together."""
        episodes = sum(p.episodes for p in parts)
        return cls(
            sum(p.successes for p in parts),
            episodes,
            sum(p.mean_length * p.episodes for p in parts) / episodes,
            sum(p.mean_return * p.episodes for p in parts) / episodes,
            sum(p.mean_squared_return * p.episodes for p in parts) / episodes,
        )


@dataclass
class StepCounter:
    """The size and the cost of an evaluation.

    Attributes:
        at_once: The most environments used at once.
        steps: Environment steps played so far; `evaluate` adds to it.
    """

    at_once: int = _AT_ONCE
    steps: int = 0


def evaluate(
    policy: BasePolicy,
    task: Task,
    pool: str,
    episodes: int,
    seed: int,
    *,
    greedy: bool = False,
    counter: StepCounter | None = None,
) -> Evaluation:
    """Play episodes with a policy and count its successes.

    Every environment plays a fixed number of episodes. Counting the episodes that end first would overestimate success,
    because successful episodes are shorter.

    Args:
        policy: The policy.
        task: The task.
        pool: The layouts to play: "train", "select" or "claim".
        episodes: The number of episodes, at least 1.
        seed: The seed of layouts and actions; the same seed gives the same result.
        greedy: Whether to take the most probable action instead of drawing one.
        counter: Limits the environments and counts the steps; None for the default limit.
    """
    counter = counter or StepCounter()

    def player(envs: int) -> Player:
        return Player(policy, task, envs, np.random.default_rng([seed, 1 + int(greedy)]), greedy=greedy)

    return evaluate_player(player, task, pool, episodes, seed, repeats=greedy, counter=counter)


class Acting(Protocol):
    """Chooses actions at play; `Player` describes the methods."""

    remembers: bool

    def act(
        self,
        observations: NDArray[Any],
        playing: NDArray[np.bool_] | None = None,
        masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[Any]:
        """Return the actions of the environments named by `playing`."""
        ...

    def restart(self, done: NDArray[np.bool_]) -> None:
        """Begin new episodes where `done` is true."""
        ...


def evaluate_player(
    make_player: Callable[[int], Acting],
    task: Task,
    pool: str,
    episodes: int,
    seed: int,
    *,
    repeats: bool,
    counter: StepCounter | None = None,
) -> Evaluation:
    """Play as `evaluate` does, with any player.

    Args:
        make_player: Makes a player for so many environments.
        task: The task.
        pool: The layouts to play.
        episodes: The number of episodes, at least 1.
        seed: The seed of the layouts.
        repeats: Whether the player repeats its action in a repeated state, unless it remembers.
        counter: Limits the environments and counts the steps; None for the default limit.
    """
    counter = counter or StepCounter()
    envs = min(counter.at_once, episodes)
    quota = np.full(envs, episodes // envs)
    quota[: episodes % envs] += 1
    batch = task.batch(envs, pool)
    try:
        player = make_player(envs)
        loops = _Loops(task, envs) if repeats and task.deterministic and not player.remembers else None
        return _play(player, batch, task, quota, seed, loops, counter)
    finally:
        batch.close()


def evaluate_for_curve(
    policy: BasePolicy, task: Task, pool: str, episodes: int, seed: int, counter: StepCounter | None = None
) -> Evaluation:
    """Evaluate as `evaluate` does, but stop after a quarter of the episodes if less than 10 % of them succeed.

    Failed episodes last to the step limit: playing all of them took twice as long as training. The result contains the
    number of episodes, and only points with all episodes count for the steps to 90 %. On a task with a score a quarter
    of the episodes is always enough, because its mean return is much less noisy than a proportion.
    """
    first = max(1, episodes // 4)
    glance = evaluate(policy, task, pool, first, seed, counter=counter)
    if glance.success < _HOPELESS or first == episodes or score_rule_of(task) is not None:
        return glance
    rest = evaluate(policy, task, pool, episodes - first, seed + 1, counter=counter)
    return Evaluation.joined((glance, rest))


class _Loops:
    """Finds greedy episodes that run in a cycle (Brent's algorithm), on deterministic tasks.

    A policy without memory repeats its action in a repeated state, so a cycle lasts until the step limit.
    """

    def __init__(self, task: Task, envs: int) -> None:
        schema = task.schema
        step = schema.field("step").column
        self._columns = [c for c in range(schema.width) if c != step]
        self._rows = np.zeros((envs, schema.width), dtype=schema.dtype)
        self._kept = np.zeros((envs, len(self._columns)), dtype=schema.dtype)
        self._age = np.zeros(envs, dtype=np.int64)
        self._limit = task.max_steps

    def find(self, batch: BatchEnv, done: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the environments whose state has occurred before in this episode, bool [N]; call after each step."""
        batch.state_rows(self._rows)
        now = self._rows[:, self._columns]
        self._age += 1
        stuck = (self._age > 1) & (now == self._kept).all(axis=1) & ~done
        keep = (self._age & (self._age - 1)) == 0
        self._kept[keep] = now[keep]
        return stuck

    def steps_left(self, stuck: NDArray[np.bool_]) -> int:
        """Return the number of steps that the stuck episodes would still last."""
        return int((self._limit - self._age[stuck]).sum())

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Forget the episodes of the environments where `mask` [N] is true."""
        self._age[mask] = 0


def _play(
    player: Acting,
    batch: BatchEnv,
    task: Task,
    quota: NDArray[np.int64],
    seed: int,
    loops: _Loops | None,
    counter: StepCounter,
) -> Evaluation:
    batch.reset(seed)
    left = quota.copy()
    observations = task.observation.rows(batch.num_envs)
    batch.observe(observations)
    successes, total_return, total_length = 0, 0.0, 0
    running, squares = np.zeros(batch.num_envs), 0.0  # of the episodes that are being played
    actions = task.actions.rows(batch.num_envs)
    while (left > 0).any():
        counted = left > 0
        # Towards the end few episodes are still played, so the network computes actions for these only.
        masks = None if batch.masks is None else batch.masks[counted]
        if batch.masks is not None:
            actions[~counted] = batch.masks[~counted].argmax(axis=1)  # the others go on with what is allowed
        actions[counted] = player.act(observations[counted], counted, masks)
        batch.step(actions)
        counter.steps += batch.num_envs
        total_return += float(batch.rewards[counted].sum())
        running += batch.rewards
        total_length += int(counted.sum())
        done = batch.terminated | batch.truncated
        successes += int((done & counted & batch.success).sum())
        if loops is not None:
            stuck = loops.find(batch, done)
            total_length += loops.steps_left(stuck & counted)
            done |= stuck
            loops.restart(done)
        if done.any():
            squares += float((running[done & counted] ** 2).sum())
            running[done] = 0.0
            left -= done & counted
            batch.restart(done)
            player.restart(done)
        batch.observe(observations)
    episodes = int(quota.sum())
    return Evaluation(successes, episodes, total_length / episodes, total_return / episodes, squares / episodes)
