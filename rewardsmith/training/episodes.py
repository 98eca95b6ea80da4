"""Failed episodes in words, with the components of every step: what the analyzer reads."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.policies import ActorCriticPolicy

from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import Rollout, open_host, score_rollout
from rewardsmith.tasks.base import Tables, Task
from rewardsmith.training.evaluation import choose_actions
from sandbox.client import Scores

_ENVS = 8
_WANTED = 2
_HEAD, _TAIL, _MIDDLE = 8, 6, 20


def failed_episodes(
    policy: ActorCriticPolicy, task: Task, reward: TrainingReward, pool: str, seed: int, allow: str
) -> list[str]:
    """Up to two episodes that ended without success, each a few dozen lines. Raises sandbox.HostError."""
    rollout, length, solved, tables = _record(policy, task, pool, seed)
    scores = None
    if reward.functions:
        steps, envs = rollout.starts.shape
        with open_host(reward, task, tables, envs, steps, allow) as host:
            scores = score_rollout(host, rollout, task, tables)
    failed = [n for n in range(_ENVS) if length[n] and not solved[n]][:_WANTED]
    return [_words(task, rollout, tables, scores, n, int(length[n])) for n in failed]


def _record(
    policy: ActorCriticPolicy, task: Task, pool: str, seed: int
) -> tuple[Rollout, np.ndarray, np.ndarray, Tables]:
    batch = task.batch(_ENVS, pool)
    batch.reset(seed)
    rng = np.random.default_rng(seed)
    rollout = Rollout.empty(task.max_steps, _ENVS, task.schema["width"], task.schema["dtype"])
    observations = np.zeros((_ENVS, task.observation_size), dtype=np.float32)
    length, solved = np.zeros(_ENVS, dtype=np.int64), np.zeros(_ENVS, dtype=bool)
    starts = np.ones(_ENVS, dtype=bool)
    for t in range(task.max_steps):
        batch.observe(observations)
        batch.state_rows(rollout.before[t])
        rollout.starts[t] = starts
        rollout.actions[t] = choose_actions(policy, observations, rng, greedy=False)
        batch.step(rollout.actions[t])
        batch.state_rows(rollout.after[t])
        running = length == 0
        done = batch.terminated | batch.truncated
        solved |= batch.success & running
        length[done & running] = t + 1
        starts = done
        batch.restart(done)
    tables = batch.tables
    batch.close()
    return rollout, length, solved, tables


def _words(task: Task, rollout: Rollout, tables: Tables, scores: Scores | None, n: int, length: int) -> str:
    shown = _chosen_steps(rollout, n, length, scores)
    lines = [f"{length} steps. Start: {task.caption(rollout.before[0, n], tables)}"]
    last = -1
    for t in shown:
        if t > last + 1:
            lines.append(f"... {t - last - 1} steps ...")
        name = task.actions.names[int(rollout.actions[t, n])]
        parts = ""
        if scores is not None:
            values = zip(scores.names, scores.values[t, n], strict=True)
            parts = " | " + ", ".join(f"{k} {v:.3g}" for k, v in values)
        lines.append(f"{t + 1}. {name}: {task.caption(rollout.after[t, n], tables)}{parts}")
        last = t
    return "\n".join(lines)


def _chosen_steps(rollout: Rollout, n: int, length: int, scores: Scores | None) -> list[int]:
    """The beginning, the end, and the steps between on which most of the reward was paid."""
    ends = set(range(min(_HEAD, length))) | set(range(max(0, length - _TAIL), length))
    if scores is None:
        return sorted(ends)
    paid = np.abs(scores.values[:length, n]).sum(axis=1)
    order = [int(t) for t in np.argsort(-paid, kind="stable") if paid[t] > 0 and int(t) not in ends]
    return sorted(ends | set(order[:_MIDDLE]))
