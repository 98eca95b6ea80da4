"""A reward applied to a task: what training optimises, and what verification judges."""

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
    """`reward` on `task` for a learner that discounts by `gamma`; its program runs under `isolation` at least."""

    task: Task
    reward: TrainingReward
    gamma: float
    isolation: Isolation = Isolation.KERNEL

    def with_reward(self, reward: TrainingReward) -> Problem:
        """The same task, gamma and isolation, paid by another reward."""
        return replace(self, reward=reward)

    def setup(self, tables: Tables) -> HostSetup:
        """What a host is set up with; states' rows point into `tables`."""
        return HostSetup(
            self.reward.functions, self.task.schema.as_dict(), tables, self.task.actions.names, allow=self.isolation
        )

    def host(self, tables: Tables, envs: int, steps: int, *, wait: bool = True) -> RewardHost:
        """A locked-down reward host with room for rollouts [steps, envs] whose rows point into `tables`.

        `wait` as of RewardHost. Raises sandbox.HostError for the program's faults, sandbox.SandboxWeak.
        """
        return RewardHost(self.reward.source, self.setup(tables), envs, envs * steps, wait=wait)

    def host_of(self, rollout: Rollout) -> RewardHost:
        """A host with room for just this rollout. Raises as `host`."""
        steps, envs = rollout.starts.shape
        return self.host(rollout.tables, envs, steps)

    def pairs_host(self, tables: Tables, memories: int) -> ProductHost:
        """A host that scores every action from (state, memory) pairs and numbers up to `memories` memories.

        Raises as `host`.
        """
        return ProductHost(self.reward.source, self.setup(tables), _PAIRS_PER_CALL, memories)

    def scores(self, rollout: Rollout) -> Scores | None:
        """What the program's components are on a rollout, in a fresh host; None without a program. Raises as `host`."""
        if not self.reward.functions:
            return None
        with self.host_of(rollout) as host:
            return score_rollout(host, rollout, self.task)

    def compose(self, rollout: Rollout, scores: Scores | None) -> Composition:
        """The training reward of a rollout that begins with its episodes, out of its scores."""
        return compose_rollout(self.reward, rollout, scores, self.gamma, Carry())

    def score(self, rollout: Rollout) -> Composition:
        """The training reward of a rollout that begins with its episodes. Raises as `host`."""
        return self.compose(rollout, self.scores(rollout))
