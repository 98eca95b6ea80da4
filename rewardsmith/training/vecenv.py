"""Adapt a BatchEnv to SB3's VecEnv, and record every rollout for the reward channels.

SB3 adds the bootstrap value gamma * V(terminal observation) to the rewards of truncated steps, in place, before its
buffer receives them. Channels need the environment's unchanged rewards. So this class returns zero rewards to SB3 and
records the real ones: SB3's buffer then contains exactly the bootstrap values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from rewardsmith.programs.rollout import Rollout
from rewardsmith.seeds import episodes_seed
from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.training.starts import StartStates


class BatchVecEnv(VecEnv):
    """Steps a BatchEnv for SB3 and truncates all episodes at regular intervals.

    After forced truncation k the layouts depend on (seed, k) alone. So a trial resumed at a checkpoint plays the same
    episodes as an uninterrupted one.

    Attributes:
        batch: The environments.
        rollout: The rollout that is being recorded.
        cuts: Forced truncations so far.
        on_step: Called after each step with the number of recorded steps of the rollout.
        observed: [T, N, D], the policy's observation before each step; None if no learner needs it.
        following: [T, N, D], the policy's observation after each step, before any reset; None if no learner needs it.
        starts: Moves episodes to other start states; None if they begin where the environment begins them.
    """

    def __init__(self, batch: BatchEnv, task: Task, rollout_steps: int, seed: int, cut_every: int = 0) -> None:
        """Wrap a batch.

        Args:
            batch: The environments.
            task: Their task.
            rollout_steps: Steps per rollout.
            seed: The seed of the layouts.
            cut_every: Rollouts between two forced truncations; 0 for none.
        """
        self.batch = batch
        self.rollout = Rollout.empty(task, rollout_steps, batch.num_envs)
        self.rollout.tables = batch.tables
        self.cuts = 0
        self.on_step: Callable[[int], None] = lambda recorded: None
        self.observed: NDArray[Any] | None = None
        self.following: NDArray[Any] | None = None
        self.starts: StartStates | None = None
        self._seed = seed
        self._cut_every = cut_every
        self._rollouts_since_cut = 0
        self._t = 0
        self._space = task.actions
        self._actions = task.actions.rows(batch.num_envs)
        self._structured = task.observation.structured
        self._rows = np.zeros_like(self.rollout.before[0])
        self._starts = np.ones(batch.num_envs, dtype=bool)
        # SB3 adds an observation to its buffer only after the next step, so two arrays alternate.
        self._observations = [task.observation.rows(batch.num_envs) for _ in range(2)]
        self._turn = 0
        self._infos: list[dict[str, Any]] = [{} for _ in range(batch.num_envs)]
        self._told: list[int] = []
        super().__init__(batch.num_envs, task.observation.space, task.actions.space())

    def record_into(self, rollout: Rollout) -> None:
        """Record the next rollout into these arrays; call it between two rollouts."""
        self.rollout = rollout

    def record_observations(self) -> None:
        """Allocate `observed` and `following`, and fill them from now on."""
        if self.observed is not None:
            return
        self.observed, self.following = (
            np.zeros((len(self.rollout.starts), *self._observations[0].shape), self._observations[0].dtype)
            for _ in range(2)
        )

    def reset(self) -> Any:
        """Start an episode in every environment, as after forced truncation `self.cuts`."""
        self.batch.reset(episodes_seed(self._seed, self.cuts))
        self._t = 0
        self._rollouts_since_cut = 0
        self._starts[:] = True
        if self.starts is not None:
            self.starts.reset(self.cuts)
            self.starts.begin(self.batch, self._starts)
        self.batch.state_rows(self._rows)
        observations = self._observations[self._turn]
        self.batch.observe(observations)
        return self._structured(observations)

    @property
    def rows(self) -> NDArray[Any]:
        """The symbolic states [N, W] for which the next actions are chosen."""
        return self._rows

    @property
    def recorded(self) -> int:
        """The number of recorded steps of the present rollout."""
        return self._t

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store the actions for `step_wait`."""
        # Rewards read what the environment is given: whole numbers, if its Box has a type of integers.
        self._actions[:] = self._space.rounded(actions) if self._space.kind == "box" else actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict]]:
        """Step every environment and restart finished episodes; the rewards are zeros, see the module's docstring."""
        t, batch, rollout = self._t, self.batch, self.rollout
        if t == 0:
            self._rollouts_since_cut += 1
        rollout.write_choice(t, self._rows, self._starts, self._actions)
        if self.observed is not None:
            self.observed[t] = self._observations[self._turn]
        batch.step(self._actions)
        rollout.write_outcome(t, batch)
        last = t == len(rollout.starts) - 1
        cut = last and self._cut_every > 0 and self._rollouts_since_cut == self._cut_every
        finished = batch.terminated | batch.truncated
        rollout.cut[t] = ~finished if cut else False
        if cut:
            rollout.truncated[t] = ~batch.terminated
        done = np.ones_like(finished) if cut else finished
        if self.starts is not None:
            rollout.cut[t] |= finished & self.starts.after(batch, self._actions)
        observations = self._start_again(t, done, cut)
        self._starts = done.copy()
        self._t = 0 if last else t + 1
        self.on_step(t + 1)
        rewards = np.zeros(self.num_envs, dtype=np.float32)
        return self._structured(observations), rewards, done.copy(), self._infos

    def _start_again(self, t: int, done: NDArray[np.bool_], cut: bool) -> NDArray[Any]:
        self._turn = 1 - self._turn
        observations = self._observations[self._turn]
        self.batch.observe(observations)
        if self.following is not None:
            self.following[t] = observations
        for n in self._told:
            self._infos[n] = {}
        self._told = np.flatnonzero(done).tolist()
        if not self._told:
            self._rows[:] = self.rollout.after[t]
            return observations
        for n in self._told:
            self._infos[n] = {
                "terminal_observation": _only(self._structured(observations[n : n + 1].copy())),
                "TimeLimit.truncated": bool(self.rollout.truncated[t, n]),
            }
        if cut:
            self.cuts += 1
            self._rollouts_since_cut = 0
            self.batch.reset(episodes_seed(self._seed, self.cuts))
            if self.starts is not None:
                self.starts.reset(self.cuts)
        else:
            self.batch.restart(done)
        if self.starts is not None:
            self.starts.begin(self.batch, done)
        self.batch.observe(observations, done)
        self.batch.state_rows(self._rows)
        return observations

    def close(self) -> None:
        """Close all environments of the batch."""
        self.batch.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return None for each environment: SB3 reads `render_mode`, sb3-contrib whether there is `action_masks`."""
        if attr_name == "action_masks" and self.batch.masks is None:
            raise AttributeError(attr_name)
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not supported: the batch is one object."""
        raise AttributeError(f"cannot set {attr_name!r} on a batch of environments")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Return the action masks, which sb3-contrib asks for; the batch is one object and has no other methods."""
        if method_name == "action_masks" and self.batch.masks is not None:
            return list(self.batch.masks)
        raise AttributeError(f"cannot call {method_name!r} on a batch of environments")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False for each environment: the batch has no wrappers."""
        count = self.num_envs if indices is None else len(indices) if isinstance(indices, Sequence) else 1
        return [False] * count


def _only(batch: Any) -> Any:
    """The one observation of a batch of one."""
    return {key: values[0] for key, values in batch.items()} if isinstance(batch, dict) else batch[0]
