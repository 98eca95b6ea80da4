"""Trajectories of the planner: states, each with the set of its optimal actions.

Layouts are divided into disjoint sets by their hash, so that the language model is scored on layouts outside of its
fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.methods.teacher.searchable import SearchableGrid
from rewardsmith.tasks.base import BatchEnv, Tables
from rewardsmith.tasks.minigrid.optimal import Optimal, optimal_actions

SPLITS = {"fit": 0.8, "stop": 0.1, "test": 0.1}
"""Proportions of the training pool's layouts: for the fit, for early stopping, for scoring."""

DETOUR = 0.15
"""Proportion of random actions, so that states beside the shortest paths are labelled as well.

Without them the model is untrained on the states after its first mistake, and those are most of an exploring policy's
states.
"""

PER_LAYOUT = 40
"""Fewest labelled states per layout: enumerating the graph of a layout takes the most time."""

GRAPH_LIMIT = 60_000
"""Most enumerated states per layout. States whose optimal actions a truncated graph cannot prove are left out."""


@dataclass(frozen=True)
class Episodes:
    """P states in time order with their optimal actions.

    Attributes:
        rows: State rows, int32 [P, W]; their layout indexes `tables`.
        observations: Observations of a policy, float32 [P, D].
        optimal: Optimal actions, bool [P, A]; all false if the planner cannot prove them.
        starts: Whether an episode begins, bool [P].
        tables: Constants of the layouts.
    """

    rows: NDArray[np.int32]
    observations: NDArray[np.float32]
    optimal: NDArray[np.bool_]
    starts: NDArray[np.bool_]
    tables: Tables

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def unique(self) -> NDArray[np.bool_]:
        """Whether exactly one action is optimal, bool [P]."""
        return self.optimal.sum(axis=1) == 1


def split_layouts(task: SearchableGrid) -> dict[str, NDArray[np.int64]]:
    """Return indices into the training pool for each of SPLITS; identical layouts are always in the same set."""
    hashes = task.pool_hashes("train")
    place = np.array([int(h[:8], 16) / 2**32 for h in hashes])
    edges = np.cumsum([0.0, *SPLITS.values()])
    return {
        name: np.flatnonzero((place >= low) & (place < high))
        for name, low, high in zip(SPLITS, edges[:-1], edges[1:], strict=True)
    }


def collect(task: SearchableGrid, layouts: NDArray[np.int64], pairs: int, seed: int) -> Episodes:
    """Return at least `pairs` labelled states, from as many of `layouts` as needed, in random order.

    Raises:
        UsageError: The planner solves none of the layouts.
    """
    rng = np.random.default_rng(seed)
    batch = task.batch(1, "train")
    share = max(PER_LAYOUT, -(-pairs // len(layouts)))
    parts: list[tuple[NDArray, NDArray, NDArray, NDArray]] = []
    found = 0
    for layout in rng.permutation(layouts):
        graph = task.state_graph(int(layout), GRAPH_LIMIT)
        assert graph is not None
        best, walked = optimal_actions(graph), 0
        known = best.exact & best.actions.any(axis=1)
        while walked < share and known[0]:
            nodes, actions = _walk(graph.node[graph.successor], graph.over, best, rng, task.max_steps)
            rows, observations = _replay(task, batch, int(layout), actions)
            starts = np.zeros(len(nodes), dtype=bool)
            starts[0] = True
            parts.append((rows, observations, best.actions[nodes] & known[nodes, None], starts))
            walked += int(known[nodes].sum())
        found += walked
        if found >= pairs:
            break
    tables = batch.tables
    batch.close()
    if not parts:
        raise UsageError(f"The planner solves no layout of {task.id}.", "Choose another --method, or another --task.")
    rows, observations, optimal, starts = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Episodes(rows, observations, optimal, starts, tables)


def _replay(
    task: SearchableGrid, batch: BatchEnv, layout: int, actions: list[int]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return state rows [T, W] and observations [T, D] before each of `actions` on a training layout."""
    rows = np.zeros((len(actions), 1, task.schema.width), np.int32)
    observations = np.zeros((len(actions), 1, task.observation_size), np.float32)
    batch.play(layout)
    for t, action in enumerate(actions):
        batch.state_rows(rows[t])
        batch.observe(observations[t])
        batch.step(np.array([action]))
    return rows[:, 0], observations[:, 0]


def _walk(
    after: NDArray[np.int32], over: NDArray[np.bool_], best: Optimal, rng: np.random.Generator, most: int
) -> tuple[list[int], list[int]]:
    """Return nodes and actions of one trajectory from the start to success, with random actions among optimal ones."""
    nodes, actions, node = [], [], 0
    while len(nodes) < most:
        optimal = np.flatnonzero(best.actions[node])
        strays = len(optimal) == 0 or rng.random() < DETOUR
        action = int(rng.integers(after.shape[1]) if strays else rng.choice(optimal))
        nodes.append(node)
        actions.append(action)
        if over[node, action] or after[node, action] < 0:
            break
        node = int(after[node, action])
    return nodes, actions
