"""What all references of described tasks have in common: environments whose returns are kept, and measuring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.described.batch import FIRST_SEEDS, DescribedBatch, Form
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.reference import Achieved, ReferencePlayer
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

    def inner(self, max_steps: int) -> _Recorder:
        """Return the environment that a batch plays, which records what it returns."""
        return _Recorder(super().inner(max_steps), self)


class _Recorder:
    """Passes calls on, and keeps the last observation and info. A batch reports returns of another form."""

    def __init__(self, env: Any, seen: SeenEnv) -> None:
        self._env, self._seen = env, seen

    def reset(self, seed: int) -> Any:
        returned = self._env.reset(seed=seed)
        if isinstance(returned, tuple) and len(returned) == 2:
            self._seen.observation, self._seen.info = returned
        return returned

    def step(self, action: Any) -> Any:
        returned = self._env.step(action)
        if isinstance(returned, tuple) and len(returned) == 5:
            self._seen.observation, self._seen.info = returned[0], returned[4]
        return returned


class SeenBatch(DescribedBatch):
    """N environments of a described task in this process, whose returns a reference can read."""

    def __init__(self, envs: Sequence[SeenEnv], form: Form) -> None:
        """envs: the real environments, which this batch closes."""
        super().__init__(envs, "train", form)
        self.seen = envs


class PlayedReference(ABC):
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

    @abstractmethod
    def player(self, batch: BatchEnv) -> ReferencePlayer:
        """Return the reference at play in a batch that `batch` returned."""

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
