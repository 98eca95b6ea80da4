"""Success of a policy on the unshaped environment: fixed numbers of episodes, unseen layouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy

from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.training.player import Player

_AT_ONCE = 256
_HOPELESS = 0.1  # success rate under which a quarter of the episodes says enough


@dataclass(frozen=True)
class Evaluation:
    """`successes` of `episodes` by the task's own test; lengths in steps; the environment's mean return."""

    successes: int
    episodes: int
    mean_length: float
    mean_return: float

    @property
    def success(self) -> float:
        """The share of episodes that succeeded, in [0, 1]."""
        return self.successes / self.episodes

    @classmethod
    def joined(cls, parts: Sequence[Evaluation]) -> Evaluation:
        """All of their episodes together."""
        episodes = sum(p.episodes for p in parts)
        return cls(
            sum(p.successes for p in parts),
            episodes,
            sum(p.mean_length * p.episodes for p in parts) / episodes,
            sum(p.mean_return * p.episodes for p in parts) / episodes,
        )


@dataclass
class Tally:
    """How many environments an evaluation may use at once, and how many steps it has played in them."""

    at_once: int = _AT_ONCE
    steps: int = 0


def evaluate(
    policy: ActorCriticPolicy,
    task: Task,
    pool: str,
    episodes: int,
    seed: int,
    *,
    greedy: bool = False,
    tally: Tally | None = None,
) -> Evaluation:
    """Play `episodes` episodes on the layouts of `pool`, the same for the same seed.

    Every environment plays a fixed number of episodes. Counting whichever episodes end first instead reads
    high, because successful episodes are the short ones.
    """
    tally = tally or Tally()
    envs = min(tally.at_once, episodes)
    quota = np.full(envs, episodes // envs)
    quota[: episodes % envs] += 1
    batch = task.batch(envs, pool)
    try:
        player = Player(policy, envs, np.random.default_rng([seed, 1 + int(greedy)]), greedy=greedy)
        loops = _Loops(task, envs) if greedy and task.deterministic and not player.remembers else None
        return _play(player, batch, quota, seed, loops, tally)
    finally:
        batch.close()


def evaluate_for_curve(
    policy: ActorCriticPolicy, task: Task, pool: str, episodes: int, seed: int, tally: Tally | None = None
) -> Evaluation:
    """As `evaluate`, but a policy that hardly ever succeeds is left after a quarter of the episodes.

    Its episodes last to the step limit: watching all of them took twice as long as training. A point says how
    many episodes it rests on, and only full ones count towards steps to 90 %.
    """
    first = max(1, episodes // 4)
    glance = evaluate(policy, task, pool, first, seed, tally=tally)
    if glance.success < _HOPELESS or first == episodes:
        return glance
    rest = evaluate(policy, task, pool, episodes - first, seed + 1, tally=tally)
    return Evaluation.joined((glance, rest))


class _Loops:
    """Finds greedy episodes that go round in circles (Brent's algorithm), on tasks where that is for ever.

    A policy without memory does the same in the same state, so a state that comes back never ends.
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
        """Environments [N] whose state has been there before in this episode; call once after each step."""
        batch.state_rows(self._rows)
        now = self._rows[:, self._columns]
        self._age += 1
        stuck = (self._age > 1) & (now == self._kept).all(axis=1) & ~done
        keep = (self._age & (self._age - 1)) == 0
        self._kept[keep] = now[keep]
        return stuck

    def steps_left(self, stuck: NDArray[np.bool_]) -> int:
        """Steps that the stuck episodes would still have lasted."""
        return int((self._limit - self._age[stuck]).sum())

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """New episodes begin there."""
        self._age[mask] = 0


def _play(
    player: Player, batch: BatchEnv, quota: NDArray[np.int64], seed: int, loops: _Loops | None, tally: Tally
) -> Evaluation:
    batch.reset(seed)
    left = quota.copy()
    observations = np.zeros((batch.num_envs, batch.observation_size), dtype=np.float32)
    batch.observe(observations)
    successes, total_return, total_length = 0, 0.0, 0
    actions = np.zeros(batch.num_envs, dtype=np.int64)
    while (left > 0).any():
        counted = left > 0
        # Few episodes last to the step limit; the network is asked about those still being played only.
        actions[counted] = player.act(observations[counted], counted)
        batch.step(actions)
        tally.steps += batch.num_envs
        total_return += float(batch.rewards[counted].sum())
        total_length += int(counted.sum())
        done = batch.terminated | batch.truncated
        successes += int((done & counted & batch.success).sum())
        if loops is not None:
            stuck = loops.find(batch, done)
            total_length += loops.steps_left(stuck & counted)
            done |= stuck
            loops.restart(done)
        if done.any():
            left -= done & counted
            batch.restart(done)
            player.restart(done)
        batch.observe(observations)
    episodes = int(quota.sum())
    return Evaluation(successes, episodes, total_length / episodes, total_return / episodes)
