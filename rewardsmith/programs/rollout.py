"""Records rollouts, and computes their training reward in two steps: score the program, then compose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import POTENTIALS, TRAINING_ONLY, Carry, Composition, compose
from rewardsmith.programs.reward import TrainingReward, channel_values
from rewardsmith.tasks.base import BatchEnv, Tables, Task
from sandbox.client import RewardHost, Scores


@dataclass
class Rollout:
    """The transitions of T steps in N environments.

    Attributes:
        before: [T, N, W] in the schema's dtype, the state before the action.
        after: [T, N, W], the state after the action and before any reset.
        actions: int64 [T, N] for discrete actions; float64 [T, N, A] for vectors of A numbers.
        rewards: float64 [T, N], the environment's own reward.
        starts: bool [T, N], whether an episode starts at this step.
        terminated: bool [T, N].
        truncated: bool [T, N], including forced truncations (`cut`).
        success: bool [T, N], whether the episode has succeeded by then.
        cut: bool [T, N], whether an episode that ends here is neither a success nor a failure: a checkpoint truncated
            it, or it began at another start state.
        tables: The tables to which the states' rows refer.
    """

    before: NDArray[Any]
    after: NDArray[Any]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    starts: NDArray[np.bool_]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    success: NDArray[np.bool_]
    cut: NDArray[np.bool_]
    tables: Tables = field(default_factory=dict)

    @staticmethod
    def empty(task: Task, steps: int, envs: int) -> Rollout:
        """Allocate a rollout of zeros for `steps` steps in `envs` environments, to be filled step by step."""
        return Rollout(
            task.schema.rows(steps, envs),
            task.schema.rows(steps, envs),
            task.actions.rows(steps, envs),
            np.zeros((steps, envs), dtype=np.float64),
            *(np.zeros((steps, envs), dtype=bool) for _ in range(5)),
            tables={},
        )

    def part(self, first: int, last: int) -> Rollout:
        """Return steps first to last - 1 as views of the arrays."""
        return self.chosen(slice(first, last))

    def chosen(self, *index: Any) -> Rollout:
        """Apply an index of [T, N] to each array, such as `slice(None), slice(0, 8)`."""
        return Rollout(*(getattr(self, name)[index] for name in _ARRAYS), tables=self.tables)

    @staticmethod
    def joined(parts: Sequence[Rollout], axis: int = 1) -> Rollout:
        """Concatenate rollouts with the same tables along the axis of environments, or (0) of time."""
        whole = (np.concatenate([getattr(part, name) for part in parts], axis=axis) for name in _ARRAYS)
        return Rollout(*whole, tables=parts[-1].tables)

    def first_episodes(self) -> NDArray[np.int64]:
        """Return the length of each environment's first episode, int64 [N]; 0 if it has not ended."""
        ended = self.terminated | self.truncated
        return np.where(np.logical_or.reduce(ended, axis=0), ended.argmax(axis=0) + 1, 0)

    def write_choice(self, t: int, rows: NDArray[Any], starts: NDArray[np.bool_], actions: NDArray[Any]) -> None:
        """Write step `t` before it is taken: state rows [N, W], episode starts bool [N] and actions [N] or [N, A]."""
        self.before[t], self.starts[t], self.actions[t] = rows, starts, actions

    def write_outcome(self, t: int, batch: BatchEnv) -> None:
        """Write the outcome of step `t` from `batch`, before any environment restarts."""
        batch.state_rows(self.after[t])
        self.rewards[t], self.success[t] = batch.rewards, batch.success
        self.terminated[t], self.truncated[t] = batch.terminated, batch.truncated


_ARRAYS = tuple(f.name for f in fields(Rollout) if f.name != "tables")


def record(
    batch: BatchEnv,
    task: Task,
    choose: Callable[[int, NDArray[np.bool_]], Any],
    steps: int,
    *,
    once: bool = False,
    watch: Callable[[int], None] | None = None,
) -> Rollout:
    """Play and record `steps` steps in a batch whose episodes have just started. Finished episodes are restarted.

    Args:
        batch: The environments.
        task: Their task.
        choose: Called as `choose(t, starts)`, returns the actions of step t, [N] or [N, A]; `starts` bool [N] marks
            environments where an episode starts at this step.
        steps: Number of steps.
        once: Whether to stop as soon as the first episode of every environment has ended.
        watch: Called as `watch(t)` after step t, before finished episodes are restarted.
    """
    rollout = Rollout.empty(task, steps, batch.num_envs)
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
    """Return the rollout with the costly features that a program declares in USES; unchanged if it declares none."""
    if not uses:
        return rollout
    filled = replace(rollout, before=rollout.before.copy(), after=rollout.after.copy())
    task.fill_features(filled.before, rollout.tables, uses)
    task.fill_features(filled.after, rollout.tables, uses)
    return filled


def score_rollout(host: RewardHost, rollout: Rollout, task: Task) -> Scores:
    """Return a program's components on a rollout. Raises sandbox.HostError if the program fails."""
    submit_rollout(host, rollout, task)
    return host.finish()


def submit_rollout(host: RewardHost, rollout: Rollout, task: Task) -> None:
    """Submit the next steps to a host, which scores them in parallel. Raises sandbox.HostError if the program fails."""
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
    """Compose the training reward of a rollout from the environment's rewards, the program's scores and bonuses.

    Args:
        reward: The reward.
        rollout: The rollout [T, N].
        scores: The program's components on it; None without a program.
        gamma: The learner's discount factor.
        carry: State of running episodes, updated in place.
        first_step: Number of environment steps before this rollout (for annealing).
        bonuses: Raw values float64 [T, N] of each channel of kind "bonus" or "learned" by name. Under "NAME:keys" int64
            [T, N], if its gate is "count". Under "NAME:start" float64 [T, N], for a learned potential.

    Raises:
        ValueError: A channel has no values.
    """
    raw: dict[str, NDArray[np.float64]] = {}
    keys: dict[str, NDArray[np.int64]] = {}
    for channel in reward.channels:
        if channel.kind == "env":
            raw[channel.name] = rollout.rewards
        elif channel.kind in TRAINING_ONLY:
            if bonuses is None or channel.name not in bonuses:
                raise ValueError(f"channel {channel.name} is a bonus, which its method computes only during training")
            raw[channel.name] = bonuses[channel.name]
            if channel.kind in POTENTIALS:
                raw[f"{channel.name}:start"] = bonuses[f"{channel.name}:start"]
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
    """Return the composed reward float64 [T, N] without its potential channels, whose sum depends on no policy."""
    return composition.total - sum(composition.parts[name] for name in reward.potentials)
