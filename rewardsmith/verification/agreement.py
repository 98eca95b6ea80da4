"""Checks that a program returns the same rewards in the certificate's host as in the trainer's.

They must agree bit for bit on the battery's episodes, and up to rounding of gates on walks through the enumerated
states. A program that differs is not deterministic, and its certificate would be worthless.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout, featured
from rewardsmith.tasks.base import Task
from sandbox.client import HostError, Scores
from sandbox.product import Episodes

from .model import RewardModel
from .scripts import Played
from .solving import END, optimal_reach
from .yielding_lock import TURNS

_MEMORIES = 4096
_LANES, _STEPS, _TAIL = 64, 256, 8
_STEPS_IN_PART = 64
_TOLERANCE = 1e-6  # gates round what they carry


def require_agreement(problem: Problem, played: Played, scores: Scores) -> None:
    """Score played episodes again in a certificate's host.

    An episode is followed as long as its memory holds plain values; beyond that there is no certificate either. Raises
    HostError if any value differs.
    """
    rollout = played.rollout
    inside = np.arange(len(rollout.starts))[:, None] < played.length
    with problem.pairs_host(rollout.tables, _MEMORIES) as host:
        seen = featured(rollout, problem.task, host.uses)
        found = host.follow(seen.before, seen.actions, seen.after, seen.starts, inside)
        host.settle()
    for name, one, other in _pairs(scores, found):
        where = found.scored & (rollout.starts if name == "potential at the start" else True)
        different = np.argwhere(where & (_bits(one) != _bits(other)))
        if len(different):
            t, n = (int(i) for i in different[0])
            script = played.scripts[n].name
            raise _differs(f"'{name}' is {one[t, n]:.17g} and {other[t, n]:.17g} at step {t} of the script {script!r}")


def _pairs(scores: Scores, found: Episodes) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    for name in sorted({*scores.names, *found.names}):
        yield name, _column(scores, name), _column(found, name)
    if scores.phi is not None and scores.phi0 is not None:
        yield "potential", scores.phi, found.phi
        yield "potential at the start", scores.phi0, found.phi0


def _column(scores: Scores | Episodes, name: str) -> NDArray[np.float64]:
    if name not in scores.names:
        return np.zeros(scores.values.shape[:2])
    return scores.values[..., scores.names.index(name)]


def _bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)


def _differs(what: str) -> HostError:
    text = f"two hosts returned different rewards for the same steps: {what}; keep all state in memory"
    return HostError("nondeterministic", text)


@dataclass(frozen=True)
class Walks:
    """Walks through the nodes of a model, scored in a trainer's host; arrays are [T, N].

    Attributes:
        node: int64, the node before each step.
        action: int64, the action taken.
        rollout: The transitions.
        scores: The program's components on them.
    """

    node: NDArray[np.int64]
    action: NDArray[np.int64]
    rollout: Rollout
    scores: Scores


def scored_walks(problem: Problem, model: RewardModel) -> Walks | None:
    """Score walks through the enumerated nodes in a trainer's host; None if the reward has no program.

    Walks lead from the start to nodes that are spread evenly over the model, with true step counts and events, and
    continue at random. For rewards without memory and gates, other walks start at such nodes. Raises HostError if the
    program fails.
    """
    task, reward = problem.task, problem.reward
    if not reward.functions:
        return None
    steps = _STEPS_IN_PART if model.missing else _STEPS  # those of a part are compared with nothing
    node, action, starts = _walks(model, task.max_steps, steps, gated=any(c.cap or c.gate for c in reward.channels))
    rollout = _rollout(task, model, node, action, starts)
    with TURNS.released(), problem.host(model.graph.tables, _LANES, _STEPS) as host:
        scores = host.score(rollout.before, rollout.actions, rollout.after, rollout.starts)
        host.settle()
    return Walks(node, action, rollout, scores)


def require_walks_agree(problem: Problem, model: RewardModel, walks: Walks | None) -> None:
    """Compare the rewards of walks with the enumerated ones. Raises HostError if a reward differs.

    Transitions that read the step count are not compared: timed_success.py scores these at each step.
    """
    task, reward = problem.task, problem.reward
    if walks is None or model.missing or (reward.potentials and model.reads_step.any()):
        return
    node, action = walks.node, walks.action
    paid = problem.compose(walks.rollout, walks.scores).total
    claimed = model.high[node, action]
    wrong = (np.abs(paid - claimed) > _TOLERANCE * (1 + np.abs(claimed))) & ~model.reads_step[node, action]
    if wrong.any():
        t, n = (int(i) for i in np.argwhere(wrong)[0])
        name = task.actions.names[int(action[t, n])]
        raise _differs(f"{name} has the reward {paid[t, n]:.6g} in training and {claimed[t, n]:.6g} in enumeration")


def _walks(
    model: RewardModel, max_steps: int, length: int, *, gated: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """(node, action, whether an episode starts), each [T, N]: consecutive episodes in every lane."""
    nothing = np.zeros(model.successor.shape)
    never = np.zeros(model.successor.shape, dtype=bool)
    _, parent, taken, *_ = optimal_reach(model.successor, nothing, never, np.zeros(len(model)), 1.0, 1.0)
    rng = np.random.default_rng(model.graph.layout)
    steps, number = np.zeros((length, _LANES, 3), np.int64), 0
    for lane in range(_LANES):
        column: list[tuple[int, int, int]] = []
        while len(column) < length:
            number += 1
            # Multiples of the golden ratio are spread evenly over all nodes, however many walks there are.
            target = int(number * 0.6180339887498949 % 1.0 * len(model))
            led = gated or model.memories > 1 or number % 2 == 0
            episode = _way_to(target, parent, taken)[:max_steps] if led else []
            here = target if len(episode) < max_steps else END
            for action in rng.integers(model.successor.shape[1], size=min(_TAIL, max_steps - len(episode))).tolist():
                if here != END:
                    episode.append((here, action))
                    here = int(model.successor[here, action])
            column += [(*each, at == 0) for at, each in enumerate(episode)]
        steps[:, lane] = column[:length]
    return steps[..., 0], steps[..., 1], steps[..., 2].astype(bool)


def _way_to(node: int, parent: NDArray[np.int32], taken: NDArray[np.int8]) -> list[tuple[int, int]]:
    """The (node, action) pairs of a shortest walk from the start."""
    way: list[tuple[int, int]] = []
    while parent[node] >= 0:
        way.append((int(parent[node]), int(taken[node])))
        node = int(parent[node])
    return way[::-1]


def _rollout(
    task: Task, model: RewardModel, node: NDArray[np.int64], action: NDArray[np.int64], starts: NDArray[np.bool_]
) -> Rollout:
    graph = model.graph
    steps, lanes = node.shape
    made = Rollout.empty(task, steps, lanes)
    step = task.schema.field("step").column
    made.actions[:], made.starts[:] = action, starts
    count = np.zeros(lanes, np.int64)
    for t in range(steps):
        state = model.state[node[t]].astype(np.int64)
        count = np.where(starts[t], 0, count)
        fresh = graph.rows_before(state)
        made.before[t] = np.where(starts[t][:, None], fresh, made.after[t - 1] if t else fresh)
        count += 1
        made.after[t] = graph.rows_after(state)[np.arange(lanes), action[t]]
        made.after[t][:, step] = count
        won, over = graph.won[state, action[t]], graph.over[state, action[t]]
        made.rewards[t] = graph.paid(state)[np.arange(lanes), action[t]]
        made.terminated[t], made.success[t] = over, won
    return made
