"""Hindsight experience replay with reward channels (Andrychowicz et al. 2017, "Hindsight Experience Replay").

1. Transitions and their composed rewards enter the replay buffer as without it, with the state rows beside them.
2. In each sampled batch the goal of all but 1 in `n_sampled_goal` + 1 transitions is replaced by one that the same
   episode achieved, which SB3's HerReplayBuffer draws.
3. The program scores these transitions in a second host of the sandbox, the task's `compute_reward` gives the
   environment's reward, and both are composed as in training. A potential sees the new goal before and after the step.
4. As in SB3, a transition stays terminal if it was, and achieving the new goal does not make it terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from rewardsmith.programs.composition import Carry, Composition
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout, compose_rollout, score_rollout
from rewardsmith.tasks.base import Tables
from rewardsmith.tasks.goals import Relabeller
from rewardsmith.training.replay import ShapedDictReplayBuffer
from sandbox.client import Scores

_EPISODES = ("ep_start", "ep_length")


class GoalScorer:
    """Composes the training reward of transitions whose goal was replaced. It has a reward host of its own."""

    def __init__(self, problem: Problem, relabeller: Relabeller, tables: Tables, transitions: int) -> None:
        """Begin to start the host, if the reward has a program.

        Args:
            problem: Task, reward and discount.
            relabeller: The task's relabeller, which this object closes.
            tables: The tables of the training batch.
            transitions: The number B of transitions of each call.
        """
        self.relabeller = relabeller
        self._problem, self._tables, self._transitions = problem, tables, transitions
        self._host = None
        if problem.reward.functions and transitions > 0:
            self._host = problem.host(tables, transitions, 1, wait=False)
        self._started = False

    def rewards(
        self,
        rows: tuple[NDArray[Any], NDArray[Any]],
        actions: NDArray[Any],
        achieved: NDArray[np.float32],
        goals: NDArray[np.float64],
        terminated: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Return the composed rewards, float64 [B].

        Args:
            rows: State rows before and after the step, [B, W] each, under the episode's own goal.
            actions: The actions, [B] or [B, A].
            achieved: The goal that each step achieved, as a policy observes it, float32 [B, G].
            goals: The goals that replace the episode's own, in the environment's units, float64 [B, G].
            terminated: Whether each step terminated its episode, bool [B].

        Raises:
            HostError: If the program fails.
        """
        paid = self.relabeller.rewards(self.relabeller.raw(achieved), goals)
        nothing = np.zeros_like(terminated)
        rollout = Rollout(
            before=self.relabeller.rows(rows[0], goals, nothing)[None],
            after=self.relabeller.rows(rows[1], goals, terminated)[None],
            actions=actions[None],
            rewards=paid[None],
            starts=np.ones((1, len(paid)), bool),
            terminated=terminated[None],
            truncated=nothing[None],
            success=nothing[None],
            cut=nothing[None],
            tables=dict(self._tables),
        )
        scores = None
        if self._host is not None:
            if not self._started:
                self._host.start()
                self._started = True
            scores = score_rollout(self._host, rollout, self._problem.task)
        return compose_rollout(self._problem.reward, rollout, scores, self._problem.gamma, Carry()).total[0]

    def close(self) -> None:
        """End the host and close the relabeller."""
        if self._host is not None:
            self._host.close()
        self.relabeller.close()


class HindsightReplayBuffer(ShapedDictReplayBuffer, HerReplayBuffer):
    """SB3's HerReplayBuffer with reward channels.

    Attributes:
        before: [size, N, W], the state row before each step.
        after: [size, N, W], the state row after each step.
        chosen: [size, N] or [size, N, A], the actions as programs read them; SB3 keeps those of a Box within [-1, 1].
        scorer: Scores transitions whose goal was replaced. The trial sets it.
    """

    scorer: GoalScorer

    def __init__(self, *arguments: Any, problem: Problem, **options: Any) -> None:
        """Allocate the arrays; `arguments` and `options` are those of ShapedReplayBuffer and HerReplayBuffer."""
        super().__init__(*arguments, **options)
        self.infos = np.zeros((0, self.n_envs), dtype=object)  # a dict for each transition is not needed
        self.before = problem.task.schema.rows(self.buffer_size, self.n_envs)
        self.after = problem.task.schema.rows(self.buffer_size, self.n_envs)
        self.chosen = problem.task.actions.rows(self.buffer_size, self.n_envs)

    def fill(self, rollout: Rollout, composed: Composition, scores: Scores | None = None) -> None:
        """Write the rewards and state rows of the transitions that were added last."""
        super().fill(rollout, composed, scores)
        rows = self.last_rows(len(rollout.starts))
        self.before[rows], self.after[rows], self.chosen[rows] = rollout.before, rollout.after, rollout.actions

    def sample(self, batch_size: int, env: Any = None) -> DictReplayBufferSamples:
        """Return a batch as SB3 does; rewards are written first if a complete episode has transitions without them."""
        if self.pending and (self.ep_length[self.last_rows(self.pending)] > 0).any():
            self.settle()
        return super().sample(batch_size, env)

    def _get_real_samples(
        self, batch_indices: NDArray[Any], env_indices: NDArray[Any], env: Any = None
    ) -> DictReplayBufferSamples:
        samples = super()._get_real_samples(batch_indices, env_indices, env)
        return self.scaled(samples)

    def _get_virtual_samples(
        self, batch_indices: NDArray[Any], env_indices: NDArray[Any], env: Any = None
    ) -> DictReplayBufferSamples:
        at = batch_indices, env_indices
        goals = self.scorer.relabeller.raw(self._sample_goals(*at))
        observed = {key: values[at] for key, values in self.observations.items()}
        following = {key: values[at] for key, values in self.next_observations.items()}
        observed["desired_goal"] = following["desired_goal"] = self.scorer.relabeller.observed(goals)
        terminated = (self.dones[at] * (1 - self.timeouts[at])).astype(bool)
        rewards = self.scorer.rewards(
            (self.before[at], self.after[at]), self.chosen[at], following["achieved_goal"], goals, terminated
        )
        samples = DictReplayBufferSamples(
            observations={key: self.to_torch(values) for key, values in observed.items()},
            actions=self.to_torch(self.actions[at]),
            next_observations={key: self.to_torch(values) for key, values in following.items()},
            dones=self.to_torch(terminated.astype(np.float32)).reshape(-1, 1),
            rewards=self.to_torch(rewards.astype(np.float32).reshape(-1, 1)),
        )
        return self.scaled(samples)

    def _arrays(self) -> Iterator[tuple[str, Any, Any]]:
        yield from super()._arrays()
        yield from ((name, self, name) for name in ("before", "after", "chosen"))

    def checkpoint(self, step: int, coming: int) -> dict[str, Any]:
        """Write what `resume` needs: also where the episodes are, which a new transition changes for old ones."""
        mark = super().checkpoint(step, coming)
        np.savez(self.episodes_file(step), allow_pickle=False, **{name: getattr(self, name) for name in _EPISODES})
        return mark

    def episodes_file(self, step: int) -> Path:
        """Return the file that holds the places of episodes at the checkpoint at `step`."""
        return self.folder / f"replaced-{step}-episodes.npz"

    def resume(self, mark: dict[str, Any]) -> bool:
        """Map the files of the checkpoint with this mark; return whether they are there and fit."""
        if not super().resume(mark):
            return False
        try:
            with np.load(self.episodes_file(mark["step"])) as saved:
                self.ep_start, self.ep_length = saved["ep_start"], saved["ep_length"]
        except (OSError, ValueError, KeyError):
            return False
        # A checkpoint truncates every episode.
        self._current_ep_start = np.full(self.n_envs, self.pos, dtype=np.int64)
        return True
