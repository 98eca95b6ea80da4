"""Score the transitions of an off-policy trial while training goes on, instead of waiting for each.

SB3 takes a gradient step after each `train_freq` steps, often after each single one, and a message to the reward host
takes about as long as a step of a small environment. A gradient step needs the rewards of its own batch only. So:

1. Collected transitions wait, and are sent to the host in chunks, which it scores in parallel.
2. If a sampled batch contains a transition that waits, all that wait are scored and written first. So no gradient step
   reads a reward that is not there, and SB3 would have taken the same step.
3. All are also written when `MOST` steps wait, and before each point of the curve and each checkpoint.

These moments depend on the seed and never on the speed of the host, so a trial gives the same results every time. The
running scale includes rewards once they are written, at most `MOST` steps (or one collection) late.
"""

from __future__ import annotations

from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks.base import Task
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.audit import LONG
from rewardsmith.training.replay import ShapedReplayBuffer
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.vecenv import BatchVecEnv

MOST = LONG
"""Steps that wait at most, unless more are collected between two updates."""


class PendingRewards:
    """The transitions that are in a replay buffer without their rewards."""

    def __init__(
        self, task: Task, env: BatchVecEnv, shaper: RewardShaper, buffer: ShapedReplayBuffer, adaptation: Adaptation
    ) -> None:
        """Connect the parts: `env` records, `shaper` scores, and `buffer` asks for rewards when it samples.

        Args:
            task: The task.
            env: The environments; they record into arrays of this object from now on.
            shaper: Scores and composes.
            buffer: Receives the rewards.
            adaptation: The running scale, which follows the rewards that are written.
        """
        self._env, self._shaper, self._buffer, self._adaptation = env, shaper, buffer, adaptation
        self._steps = len(env.rollout.starts)
        at_once = max(1, min(MOST, buffer.buffer_size) // self._steps)
        self._recorded = Rollout.empty(task, at_once * self._steps, env.num_envs)
        self._recorded.tables = env.batch.tables
        self._waiting = 0
        buffer.settle = self.settle
        env.on_step = lambda recorded: shaper.follow(self._recorded, self._waiting + recorded)
        env.record_into(self._recorded.part(0, self._steps))

    def collected(self) -> None:
        """Call once `train_freq` steps are collected, before the gradient steps that follow."""
        self._waiting += self._steps
        self._buffer.pending = self._waiting
        if self._waiting == len(self._recorded.starts):
            self.settle()
        else:
            self._env.record_into(self._recorded.part(self._waiting, self._waiting + self._steps))

    def settle(self) -> None:
        """Write the rewards of all transitions that wait. Raises HostError if the program fails."""
        if self._waiting == 0:
            return
        rollout = self._recorded.part(0, self._waiting)
        composed = self._shaper.composed(rollout)
        self._buffer.fill(rollout, composed, self._shaper.scores)
        self._waiting = self._buffer.pending = 0
        if self._adaptation.running is not None:
            ends = rollout.terminated | rollout.truncated
            self._buffer.factor = self._adaptation.running.after(composed.total, ends)
        self._env.record_into(self._recorded.part(0, self._steps))
