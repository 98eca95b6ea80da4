"""Record episodes: failed ones in words for the analyzer and as statistics of states, others for a player."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.recording import Recorder
from rewardsmith.programs.rollout import Rollout, record
from rewardsmith.recorded import RecordedEpisode
from rewardsmith.tasks.base import Tables, Task
from rewardsmith.tasks.capabilities import planner_of, score_rule_of
from rewardsmith.tasks.subgoals import preset_subgoals, terminated
from rewardsmith.telemetry import FailedEpisodes
from rewardsmith.training.player import Player
from sandbox.client import Scores

_WANTED = 2
_HEAD, _TAIL, _MIDDLE = 8, 6, 20
_LOOP = 12  # steps


@dataclass(frozen=True)
class Watched:
    """The failed episodes among those that were watched.

    Attributes:
        texts: Up to two failed episodes, each a few dozen lines.
        failed: The number of failed episodes.
        distinct_states: Mean fraction of their steps that reach a state not visited before in the episode, in [0, 1].
        looping: Mean fraction of their steps that return to the state of 2 to 12 steps before, in [0, 1].
        paid_looping: Mean sum of all components on those looping steps per episode; None without a program.
        played: Environment steps played.
        recorded: A success, failures, and the first layouts, for a player.
        episodes: The number of episodes watched.
        milestones: How many of them reached each milestone of the planner's solutions; empty without a planner.

    Means are None if no episode failed.
    """

    texts: list[str]
    failed: int
    distinct_states: float | None
    looping: float | None
    paid_looping: float | None
    played: int = 0
    recorded: list[RecordedEpisode] = field(default_factory=list)
    episodes: int = 0
    milestones: Mapping[str, int] = field(default_factory=dict)

    def telemetry(self) -> FailedEpisodes:
        """Return the statistics without the texts, for the trial's telemetry."""
        return FailedEpisodes.of(
            failed=self.failed,
            distinct_states=self.distinct_states,
            looping=self.looping,
            paid_looping=self.paid_looping,
            episodes=self.episodes,
            milestones=self.milestones,
        )


def watch_episodes(policy: BasePolicy, problem: Problem, pool: str, seed: int, envs: int = 8) -> Watched:
    """Play `envs` episodes with the stochastic policy, record some of them, and describe those that fail.

    On a task with a score instead of a success, the quarter of the episodes with the worst scores counts as failed.

    Args:
        policy: The policy.
        problem: The problem whose program scores the episodes.
        pool: The layouts to play.
        seed: The seed of layouts and actions.
        envs: The number of episodes.

    Raises:
        HostError: If the reward program fails.
    """
    task = problem.task
    rollout, layouts = _record(policy, task, pool, seed, envs)
    length, tables = rollout.first_episodes(), rollout.tables
    inside = np.arange(len(rollout.starts))[:, None] < length
    solved = np.logical_or.reduce(rollout.success & inside, axis=0)
    played = rollout.starts.size
    scores = problem.scores(rollout)
    recorded = Recorder(problem, rollout, layouts, pool, scores).chosen()
    played_out = [n for n in range(envs) if length[n]]
    failed = [n for n in played_out if not solved[n]]
    if (rule := score_rule_of(task)) is not None:
        returned = (rollout.rewards * inside).sum(axis=0) * (1.0 if rule.direction == "maximize" else -1.0)
        failed = sorted(played_out, key=lambda n: returned[n])[: math.ceil(len(played_out) / 4)]
    texts = [_words(task, rollout, tables, scores, n, int(length[n])) for n in failed[:_WANTED]]
    seen = {"episodes": len(played_out), "milestones": _milestones(task, rollout, inside)}
    if not failed:
        return Watched(texts, 0, None, None, None, played, recorded, **seen)
    visits = [_visits(task, rollout, n, int(length[n])) for n in failed]
    paid = None
    if scores is not None:
        paid = float(
            np.mean([scores.values[: len(back), n][back].sum() for (_, back), n in zip(visits, failed, strict=True)])
        )
    new, loops = (float(np.mean([pair[k].mean() for pair in visits])) for k in (0, 1))
    return Watched(texts, len(failed), new, loops, paid, played, recorded, **seen)


def _milestones(task: Task, rollout: Rollout, inside: NDArray[np.bool_]) -> dict[str, int]:
    """Count the episodes that reached each milestone of the planner's solutions; `inside` is bool [T, N]."""
    subgoals = preset_subgoals(task) if task.cheap_steps and planner_of(task) is not None else ()
    if not subgoals:
        return {}
    reached = np.logical_or.reduce(terminated(rollout.after, subgoals, task.schema) & inside[..., None], axis=0)
    return {f"{each.event} {each.kind}": int(reached[:, i].sum()) for i, each in enumerate(subgoals)}


def _visits(task: Task, rollout: Rollout, n: int, length: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For the state after each step: whether it is new in the episode, whether it recurs after 2 to 12 steps.

    Both are bool [length].
    """
    passing = {"step", "event", "event_object"}  # fields that change even if the world does not
    left = [f.column for f in task.schema if f.name in passing]
    rows = np.delete(np.concatenate([rollout.before[:1, n], rollout.after[:length, n]]), left, axis=1)
    number = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    last: dict[int, int] = {int(number[0]): 0}
    new, loops = np.zeros(length, bool), np.zeros(length, bool)
    for t in range(1, length + 1):
        state = int(number[t])
        new[t - 1] = state not in last
        loops[t - 1] = 2 <= t - last.get(state, -_LOOP) <= _LOOP
        last[state] = t
    return new, loops


def _record(policy: BasePolicy, task: Task, pool: str, seed: int, envs: int) -> tuple[Rollout, NDArray[np.int64]]:
    """Return the played steps, and the layout of each environment's first episode."""
    batch = task.batch(envs, pool)
    batch.reset(seed)
    layouts = batch.layout.copy()
    player = Player(policy, task, envs, np.random.default_rng(seed))
    observations = task.observation.rows(envs)

    def choose(t: int, starts: NDArray[np.bool_]) -> NDArray[Any]:
        player.restart(starts)
        batch.observe(observations)
        return player.act(observations, masks=batch.masks)

    rollout = record(batch, task, choose, task.max_steps, once=True)
    batch.close()
    return rollout, layouts


def _words(task: Task, rollout: Rollout, tables: Tables, scores: Scores | None, n: int, length: int) -> str:
    shown = _chosen_steps(rollout, n, length, scores)
    scored = score_rule_of(task) is not None
    score = f", score {rollout.rewards[:length, n].sum():.4g}" if scored else ""
    lines = [f"{length} steps{score}. Start: {task.caption(rollout.before[0, n], tables)}"]
    last = -1
    for t in shown:
        if t > last + 1:
            lines.append(f"... {t - last - 1} steps ...")
        name = task.actions.describe(rollout.actions[t, n])
        parts = ""
        if scores is not None:
            values = zip(scores.names, scores.values[t, n], strict=True)
            parts = " | " + ", ".join(f"{k} {v:.3g}" for k, v in values)
        lines.append(f"{t + 1}. {name}: {task.caption(rollout.after[t, n], tables)}{parts}")
        last = t
    return "\n".join(lines)


def _chosen_steps(rollout: Rollout, n: int, length: int, scores: Scores | None) -> list[int]:
    """The first steps, the last steps, and the steps in between with the largest rewards."""
    ends = set(range(min(_HEAD, length))) | set(range(max(0, length - _TAIL), length))
    if scores is None:
        return sorted(ends)
    paid = np.abs(scores.values[:length, n]).sum(axis=1)
    order = [int(t) for t in np.argsort(-paid, kind="stable") if paid[t] > 0 and int(t) not in ends]
    return sorted(ends | set(order[:_MIDDLE]))
