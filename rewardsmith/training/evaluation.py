"""Evaluate a policy's success in the plain environment, over a fixed number of episodes or within a number of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from rewardsmith.scores import ScoreScale
from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.tasks.capabilities import score_rule_of
from rewardsmith.training.player import Player
from rewardsmith.training.turns import Limit, Quota, Tally, Turns, Within

_AT_ONCE = 256
_HOPELESS = 0.1  # success rate below which a quarter of the episodes is enough
_THRESHOLD = 0.9  # normalised score from which a quarter of the episodes is not enough


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        successes: Episodes that succeeded by the task's own test.
        episodes: Episodes played, at least 1.
        mean_length: Mean length of an episode, in steps.
        mean_return: Mean undiscounted return of the environment's own reward.
        mean_squared_return: Mean of the squares of these returns.
        sequential: Whether the results decided how many episodes were played.
    """

    successes: int
    episodes: int
    mean_length: float
    mean_return: float
    mean_squared_return: float = 0.0
    sequential: bool = False

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
            any(p.sequential for p in parts),
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
        batch.reset(seed)
        return _play(player, batch, task, Quota(quota), loops, counter)
    finally:
        batch.close()


def evaluate_for_curve(
    policy: BasePolicy,
    task: Task,
    pool: str,
    episodes: int,
    seed: int,
    counter: StepCounter | None = None,
    scale: ScoreScale | None = None,
) -> Evaluation:
    """Evaluate as `evaluate` does, but stop after a quarter of the episodes if less than 10 % of them succeed.

    Failed episodes last to the step limit: playing all of them took twice as long as training. The result contains the
    number of episodes, and only points with all episodes count for the steps to 90 %. On a task with a score a quarter
    of the episodes is enough below a normalised score of 0.9: a mean return is much less noisy than a proportion.

    Args:
        policy: The policy.
        task: The task.
        pool: The layouts to play.
        episodes: The number of episodes, at least 1.
        seed: As in `evaluate`.
        counter: As in `evaluate`.
        scale: The scale of the task's scores; without a reference a quarter of the episodes is always enough.
    """
    first = max(1, episodes // 4)
    glance = evaluate(policy, task, pool, first, seed, counter=counter)
    if score_rule_of(task) is not None:
        high = scale is not None and scale.has_reference and scale.merit(glance.mean_return) >= _THRESHOLD
    else:
        high = glance.success >= _HOPELESS
    if not high or first == episodes:
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


def evaluate_within(
    policy: BasePolicy, task: Task, pool: str, seed: int, limit: Limit, *, greedy: bool = False
) -> tuple[Evaluation, int]:
    """Play episodes until a limit on steps, or until the result is precise.

    A success rate is precise if the interval that holds for any stopping time (`anytime_interval`) is at most 10 points
    wide. A score is precise if its interval (`anytime_half_width`) is at most 0.1 of the distance from random play to
    the reference. Without a reference, the distance is that from random play to the mean score.

    Args:
        policy: The policy.
        task: The task.
        pool: The layouts to play: "train", "select" or "claim".
        seed: The seed of layouts and actions; the same seed gives the same result.
        limit: The limit; its steps must cover one episode.
        greedy: Whether to take the most probable action instead of drawing one.

    Returns:
        The evaluation, and the environment steps that it took.
    """
    envs, counter = limit.environments(task.max_steps), StepCounter()
    batch = task.batch(envs, pool)
    try:
        player = Player(policy, task, envs, np.random.default_rng([seed, 1 + int(greedy)]), greedy=greedy)
        batch.reset(seed)
        loops = _Loops(task, envs) if greedy and task.deterministic and not player.remembers else None
        found = _play(player, batch, task, Within(envs, limit, task), loops, counter)
    finally:
        batch.close()
    return replace(found, sequential=True), counter.steps


def _play(
    player: Acting, batch: BatchEnv, task: Task, turns: Turns, loops: _Loops | None, counter: StepCounter
) -> Evaluation:
    observations = task.observation.rows(batch.num_envs)
    batch.observe(observations)
    tally, total_return = Tally(), 0.0
    running = np.zeros(batch.num_envs)  # returns of the episodes that are being played
    actions = task.actions.rows(batch.num_envs)
    while (counted := turns.playing.copy()).any():
        # Towards the end few episodes are still played, so the network computes actions for these only.
        masks = None if batch.masks is None else batch.masks[counted]
        if batch.masks is not None:
            actions[~counted] = batch.masks[~counted].argmax(axis=1)  # the others go on with what is allowed
        actions[counted] = player.act(observations[counted], counted, masks)
        batch.step(actions)
        tally.steps += batch.num_envs
        total_return += float(batch.rewards[counted].sum())
        running += batch.rewards
        tally.length += int(counted.sum())
        done = batch.terminated | batch.truncated
        tally.successes += int((done & counted & batch.success).sum())
        if loops is not None:
            stuck = loops.find(batch, done)
            tally.length += loops.steps_left(stuck & counted)
            done |= stuck
            loops.restart(done)
        if done.any():
            ended = done & counted
            tally.episodes += int(ended.sum())
            tally.returned += float(running[ended].sum())
            tally.squares += float((running[ended] ** 2).sum())
            running[done] = 0.0
            turns.end(ended, tally)
            batch.restart(done)
            player.restart(done)
        batch.observe(observations)
    counter.steps += tally.steps
    episodes = tally.episodes
    return Evaluation(
        tally.successes, episodes, tally.length / episodes, total_return / episodes, tally.squares / episodes
    )
