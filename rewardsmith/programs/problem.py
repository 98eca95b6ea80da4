"""A reward applied to a task: training optimises it, and verification checks it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rewardsmith.programs.composition import Carry, Composition
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import Rollout, compose_rollout, score_rollout
from rewardsmith.tasks.base import Tables, Task
from sandbox.client import HostSetup, Isolation, RewardHost, Scores
from sandbox.product import ProductHost

_PAIRS_PER_CALL = 8192


@dataclass(frozen=True)
class Problem:
    """A reward on a task, for one learner.

    Attributes:
        task: The task.
        reward: The reward.
        gamma: The learner's discount factor, in (0, 1].
        isolation: The weakest sandbox level under which the program may run.
    """

    task: Task
    reward: TrainingReward
    gamma: float
    isolation: Isolation = Isolation.KERNEL

    def with_reward(self, reward: TrainingReward) -> Problem:
        """Return the same task, gamma and isolation with another reward."""
        return replace(self, reward=reward)

    def setup(self, tables: Tables) -> HostSetup:
        """Return the setup of a host whose states' rows refer to `tables`."""
        actions = self.task.actions
        constants, entries = (actions.names, ()) if actions.discrete else ((), actions.names)
        return HostSetup(
            self.reward.functions,
            self.task.schema.as_dict(),
            tables,
            constants,
            actions.width,
            entries,
            actions.whole,
            allow=self.isolation,
        )

    def host(self, tables: Tables, envs: int, steps: int, *, wait: bool = True) -> RewardHost:
        """Start a locked-down reward host.

        Args:
            tables: Tables to which the states' rows refer.
            envs: Number of environments.
            steps: Most steps per call.
            wait: Whether to wait until the host has started, see RewardHost.

        Raises:
            sandbox.HostError: The program failed.
            sandbox.SandboxWeak: The machine does not reach the required isolation.
        """
        return RewardHost(self.reward.source, self.setup(tables), envs, envs * steps, wait=wait)

    def host_of(self, rollout: Rollout) -> RewardHost:
        """Start a host with the capacity of one rollout. Raises the same errors as `host`."""
        steps, envs = rollout.starts.shape
        return self.host(rollout.tables, envs, steps)

    def pairs_host(self, tables: Tables, memories: int) -> ProductHost:
        """Start a host that scores every action from (state, memory) pairs, with at most `memories` distinct memories.

        Raises the same errors as `host`.
        """
        return ProductHost(self.reward.source, self.setup(tables), _PAIRS_PER_CALL, memories)

    def scores(self, rollout: Rollout) -> Scores | None:
        """Return the program's components on a rollout, scored in a fresh host; None if there is no program.

        Raises the same errors as `host`.
        """
        if not self.reward.functions:
            return None
        with self.host_of(rollout) as host:
            return score_rollout(host, rollout, self.task)

    def compose(self, rollout: Rollout, scores: Scores | None) -> Composition:
        """Compose the training reward of a rollout from its scores; all environments must start with a new episode."""
        return compose_rollout(self.reward, rollout, scores, self.gamma, Carry())

    def score(self, rollout: Rollout) -> Composition:
        """Score and compose a rollout; all environments must start with a new episode. Raises as `host` does."""
        return self.compose(rollout, self.scores(rollout))
