"""What all references of described tasks have in common: environments whose returns are kept, and measuring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.capabilities import Achieved, ReferencePlayer
from rewardsmith.tasks.described.batch import FIRST_SEEDS, DescribedBatch, Form
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.schema import Schema

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup


class SeenEnv(GuardedEnv):
    """A guarded environment that keeps what it returned last, because a reference may read it.

    Attributes:
        observation: The last observation, as the environment returned it.
        info: The last info.
    """

    observation: Any = None
    info: Any = None

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """Start an episode: (observation, info)."""
        self.observation, self.info = super().reset(seed)
        return self.observation, self.info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """(observation, reward, terminated, truncated, info) after an action in the environment's own form."""
        outcome = super().step(action)
        self.observation, self.info = outcome[0], outcome[4]
        return outcome


class SeenBatch(DescribedBatch):
    """N environments of a described task in this process, whose returns a reference can read."""

    def __init__(self, envs: Sequence[SeenEnv], form: Form) -> None:
        """envs: the real environments, which this batch closes."""
        super().__init__(envs, "train", form)
        self.seen = envs


class PlayedReference:
    """A reference of a described task. A subclass says how it acts; `name` is what messages call it."""

    def __init__(self, name: str, setup: Setup) -> None:
        self.name, self.setup = name, setup
        self._achieved: dict[int, Achieved] = {}

    @property
    def reads_state(self) -> bool:
        """Whether it acts on the state rows that `actions` is given."""
        return False

    def layouts(self, count: int) -> Sequence[int]:
        """Return at most `count` training layouts that it can play: the first ones."""
        return range(count)

    def start_seed(self, layout: int) -> int:
        """Return the seed that makes the environment's reset start on a training layout."""
        return FIRST_SEEDS["train"] + layout

    def batch(self, num_envs: int) -> SeenBatch:
        """Return environments in this process, in which it can act. The caller closes them."""
        setup = self.setup
        space, limit = setup.form.observation, setup.description.step_timeout
        envs = [SeenEnv(setup.make, setup.description.id, space, limit) for _ in range(num_envs)]
        return SeenBatch(envs, setup.form)

    def player(self, batch: BatchEnv) -> ReferencePlayer:
        """Return the reference at play in a batch that `batch` returned."""
        raise NotImplementedError

    def achieves(self, episodes: int = 20) -> Achieved:
        """Play training layouts, by default 20, and return what it achieved; the result is kept. Raises TaskError."""
        if episodes not in self._achieved:
            batch = self.batch(1)
            try:
                self._achieved[episodes] = measure(batch, self.player(batch), self.layouts(episodes), self.setup.schema)
            finally:
                batch.close()
        return self._achieved[episodes]


def measure(batch: BatchEnv, player: ReferencePlayer, layouts: Sequence[int], schema: Schema) -> Achieved:
    """Return what a player achieves in one episode of each of `layouts`, in a batch of one environment."""
    rows = schema.rows(1)
    successes, returned, steps = 0, 0.0, 0
    for layout in layouts:
        batch.play(layout)
        batch.state_rows(rows)
        starts = np.ones(1, dtype=bool)
        while starts[0] or not (batch.terminated[0] or batch.truncated[0]):
            batch.step(player.actions(rows, starts))
            batch.state_rows(rows)
            starts[0] = False
            returned += float(batch.rewards[0])
            steps += 1
        successes += bool(batch.success[0])
    count = len(layouts)
    return Achieved(count, successes, returned / count, steps / count)
