"""A described task whose environment is small and deterministic, with its states enumerated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.described.batch import FIRST_SEEDS
from rewardsmith.tasks.described.batches import batch_of
from rewardsmith.tasks.described.copied_graph import CopiedGraph
from rewardsmith.tasks.described.copying import STATE_LIMIT, Enumerator, NotEnumerable
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.transition_table import NotTabular

_POOL = 256
"""Number of starts that are compared, to know whether there are others."""


class EnumeratedTask(DescribedTask):
    """The same task, which also lists its starts and the states that each can reach."""

    state_limit = STATE_LIMIT

    def __init__(self, task: DescribedTask, enumerator: Enumerator) -> None:
        """Enumerate the first start. Raises NotEnumerable with the reason why there is no enumeration."""
        self.__dict__.update(task.__dict__)
        self._enumerator = enumerator
        enumerator.begin()
        self._graph = lru_cache(maxsize=4)(self._enumerator.graph)
        self._graph(0)

    def __eq__(self, other: object) -> bool:
        """Whether two tasks have the same description and folder, and are both enumerated."""
        return isinstance(other, EnumeratedTask) and super().__eq__(other)

    def __hash__(self) -> int:
        return hash((self.id, self._folder, "enumerated"))

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> CopiedGraph | None:
        """Return every state that a training layout can reach; None if there are too many. The rest has no effect."""
        del limit, events, uses, along
        try:
            return self._graph(layout)
        except NotEnumerable:
            return None

    def count_states(self, layout: int, cap: int) -> tuple[int, bool] | None:
        """Return the number of states of a training layout that do not end an episode, and that these are all."""
        graph = self.state_graph(layout, cap)
        return None if graph is None else (min(cap, len(graph.state)), len(graph.state) <= cap)

    @cached_property
    def _hashes(self) -> list[str]:
        if self.has_one_start():
            return ["the only start"] * 2
        return [self._enumerator.start_key(layout) for layout in range(_POOL)]

    def pool_hashes(self, split: str) -> list[str]:
        """Return a hash of the first starts of the training pool; equal starts have equal hashes."""
        return self._hashes if split == "train" else []

    def start_seed(self, layout: int) -> int:
        """Return the seed that makes the environment's reset start on a training layout."""
        return FIRST_SEEDS["train"] + layout

    def real_batch(self, num_envs: int, pool: str) -> BatchEnv:
        """Return real environments in this process."""
        return batch_of(self._setup, num_envs, pool)


@lru_cache(maxsize=8)
def enumerated(task: DescribedTask, most: int | None = None) -> tuple[EnumeratedTask | None, Enumerator | None]:
    """Return the task with its states enumerated, and what counts the steps that this has taken.

    The task is None if it cannot be enumerated, or if it has an exact model already.

    Args:
        task: The task.
        most: Most steps of environments; None for no limit.
    """
    if isinstance(task, EnumeratedTask):
        return task, None
    try:
        task.transition_table()
        return None, None
    except NotTabular:
        pass
    enumerator = Enumerator(task._setup, most)
    try:
        return EnumeratedTask(task, enumerator), enumerator
    except NotEnumerable:
        return None, enumerator
