"""Recording a rollout, and the two steps from it to the training reward: score the program, compose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import Carry, Composition, compose
from rewardsmith.programs.reward import TrainingReward, channel_values
from rewardsmith.tasks.base import BatchEnv, Schema, Tables, Task
from sandbox.client import RewardHost, Scores


@dataclass
class Rollout:
    """Transitions [T, N]: the state before, the action, the state after (before any reset), raw rewards.

    `cut` marks steps where a checkpoint ended the episode; those count neither as success nor as failure.
    """

    before: NDArray[Any]  # [T, N, W], schema dtype
    after: NDArray[Any]  # [T, N, W]
    actions: NDArray[np.int64]  # [T, N]
    rewards: NDArray[np.float64]  # [T, N], the environment's own
    starts: NDArray[np.bool_]  # [T, N], an episode starts at this step
    terminated: NDArray[np.bool_]  # [T, N]
    truncated: NDArray[np.bool_]  # [T, N], cut ones included
    success: NDArray[np.bool_]  # [T, N]
    cut: NDArray[np.bool_]  # [T, N]
    tables: Tables = field(default_factory=dict)  # what the states' rows point into

    @staticmethod
    def empty(steps: int, envs: int, width: int, dtype: str) -> Rollout:
        """Room for one rollout."""
        rows = (steps, envs, width)
        return Rollout(
            np.zeros(rows, dtype=dtype),
            np.zeros(rows, dtype=dtype),
            np.zeros((steps, envs), dtype=np.int64),
            np.zeros((steps, envs), dtype=np.float64),
            *(np.zeros((steps, envs), dtype=bool) for _ in range(5)),
            tables={},
        )

    def part(self, first: int, last: int) -> Rollout:
        """Steps first to last - 1, as views."""
        return self.chosen(slice(first, last))

    def chosen(self, *index: Any) -> Rollout:
        """What an index of [T, N] leaves of each array, such as `slice(None), slice(0, 8)`."""
        return Rollout(*(getattr(self, name)[index] for name in _ARRAYS), tables=self.tables)

    @staticmethod
    def joined(parts: Sequence[Rollout]) -> Rollout:
        """Rollouts of the same length and with the same tables, side by side."""
        whole = (np.concatenate([getattr(part, name) for part in parts], axis=1) for name in _ARRAYS)
        return Rollout(*whole, tables=parts[-1].tables)

    def first_episodes(self) -> NDArray[np.int64]:
        """Steps of each environment's first episode, int64 [N]; 0 where it has not ended."""
        ended = self.terminated | self.truncated
        return np.where(np.logical_or.reduce(ended, axis=0), ended.argmax(axis=0) + 1, 0)

    def write_choice(self, t: int, rows: NDArray[Any], starts: NDArray[np.bool_], actions: NDArray[np.int64]) -> None:
        """Step `t` before it is made: the states' rows [N, W], where an episode starts, and what is done."""
        self.before[t], self.starts[t], self.actions[t] = rows, starts, actions

    def write_outcome(self, t: int, batch: BatchEnv) -> None:
        """What step `t` led to, as `batch` has it before any restart."""
        batch.state_rows(self.after[t])
        self.rewards[t], self.success[t] = batch.rewards, batch.success
        self.terminated[t], self.truncated[t] = batch.terminated, batch.truncated


_ARRAYS = tuple(f.name for f in fields(Rollout) if f.name != "tables")


def record(
    batch: BatchEnv,
    schema: Schema,
    choose: Callable[[int, NDArray[np.bool_]], Any],
    steps: int,
    *,
    once: bool = False,
    watch: Callable[[int], None] | None = None,
) -> Rollout:
    """Play `steps` steps in a batch whose episodes have just started; finished ones start again.

    `choose(t, starts)` gives the actions int64 [N] of step t; `starts` bool [N] tells where an episode starts there.
    `once` stops as soon as the first episode of every environment has ended. `watch(t)` is called after step t, before
    finished episodes start again.
    """
    rollout = Rollout.empty(steps, batch.num_envs, schema.width, schema.dtype)
    rows = np.zeros_like(rollout.before[0])
    batch.state_rows(rows)
    starts, ended = np.ones(batch.num_envs, dtype=bool), np.zeros(batch.num_envs, dtype=bool)
    for t in range(steps):
        rollout.write_choice(t, rows, starts, choose(t, starts))
        batch.step(rollout.actions[t])
        rollout.write_outcome(t, batch)
        if watch is not None:
            watch(t)
        starts = batch.terminated | batch.truncated
        ended |= starts
        if once and ended.all():
            rollout = rollout.part(0, t + 1)
            break
        rows[:] = rollout.after[t]
        if starts.any():
            batch.restart(starts)
            batch.state_rows(rows)
    rollout.tables = batch.tables
    return rollout


def featured(rollout: Rollout, task: Task, uses: Sequence[str]) -> Rollout:
    """The rollout with costly features that a program declares filled in; as it is without any."""
    if not uses:
        return rollout
    filled = replace(rollout, before=rollout.before.copy(), after=rollout.after.copy())
    task.fill_features(filled.before, rollout.tables, uses)
    task.fill_features(filled.after, rollout.tables, uses)
    return filled


def score_rollout(host: RewardHost, rollout: Rollout, task: Task) -> Scores:
    """A program's components on a rollout. Raises sandbox.HostError."""
    submit_rollout(host, rollout, task)
    return host.finish()


def submit_rollout(host: RewardHost, rollout: Rollout, task: Task) -> None:
    """Hands the next steps to a program that scores them meanwhile. Raises sandbox.HostError."""
    seen = featured(rollout, task, host.uses)
    host.submit(seen.before, seen.actions, seen.after, seen.starts)


def compose_rollout(
    reward: TrainingReward,
    rollout: Rollout,
    scores: Scores | None,
    gamma: float,
    carry: Carry,
    first_step: int = 0,
    bonuses: Mapping[str, NDArray[Any]] | None = None,
) -> Composition:
    """Channels' raw values out of a rollout and its scores, then the one `compose`.

    `bonuses` holds what channels of kind "bonus" are paid, by name, and "NAME:keys" for what the gate "count" counts.
    """
    raw: dict[str, NDArray[np.float64]] = {}
    keys: dict[str, NDArray[np.int64]] = {}
    for channel in reward.channels:
        if channel.kind == "env":
            raw[channel.name] = rollout.rewards
        elif channel.kind == "bonus":
            if bonuses is None or channel.name not in bonuses:
                raise ValueError(f"channel {channel.name} is paid during training only, by its method's learner")
            raw[channel.name] = bonuses[channel.name]
            if f"{channel.name}:keys" in bonuses:
                keys[channel.name] = bonuses[f"{channel.name}:keys"]
        elif scores is None:
            raise ValueError(f"channel {channel.name} needs a program")
        elif channel.kind == "potential":
            if scores.phi is None or scores.phi0 is None:
                raise ValueError(f"channel {channel.name}: the program defines no potential")
            raw[channel.name] = scores.phi
            raw[channel.name + ":start"] = np.where(rollout.starts, scores.phi0, 0.0)
        else:
            raw[channel.name] = channel_values(channel, scores.names, scores.values, reward.functions)
    return compose(reward.channels, raw, rollout.starts, rollout.terminated, gamma, carry, first_step, keys)


def without_potentials(reward: TrainingReward, composition: Composition) -> NDArray[np.float64]:
    """The composed reward [T, N] less its potential channels: what they pay on the way is taken back at the end."""
    return composition.total - sum(composition.parts[name] for name in reward.potentials)
