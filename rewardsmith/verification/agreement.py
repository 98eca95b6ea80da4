"""Whether a program pays in the certificate's host what it pays in the trainer's.

It must: bit for bit on the battery's episodes, and on walks through what was enumerated. A program that does not is not
deterministic, and a proof says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator

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
_TOLERANCE = 1e-6  # gates round what they carry


def require_agreement(problem: Problem, played: Played, scores: Scores) -> None:
    """Scores played episodes again in a certificate's host. Raises HostError where it gives other numbers.

    An episode is followed as far as its memory holds plain values: beyond, there is no certificate either.
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
            raise _differs(f"'{name}' was {one[t, n]:.17g} and {other[t, n]:.17g} at step {t} of {script!r}")


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
    text = f"two hosts were given the same steps and paid differently: {what}; keep all state in memory"
    return HostError("nondeterministic", text)


def require_walks_agree(problem: Problem, model: RewardModel) -> None:
    """Walks through an enumerated reward, scored as a trainer would. Raises HostError where it is paid otherwise.

    The walks lead from the start to nodes spread over all of them, with true step counts and events, and on at random.
    Of a reward without memory and gates, others begin at such nodes. What depends on the step count is left out: that
    is scored at each step elsewhere.
    """
    task, reward = problem.task, problem.reward
    if not reward.functions or model.missing or (reward.potentials and model.reads_step.any()):
        return
    node, action, starts = _walks(model, task.max_steps, gated=any(c.budget or c.gate for c in reward.channels))
    rollout = _rollout(task, model, node, action, starts)
    with TURNS.handed_on(), problem.host(model.graph.tables, _LANES, _STEPS) as host:
        scores = host.score(rollout.before, rollout.actions, rollout.after, rollout.starts)
        host.settle()
    paid = problem.compose(rollout, scores).total
    claimed = model.high[node, action]
    wrong = (np.abs(paid - claimed) > _TOLERANCE * (1 + np.abs(claimed))) & ~model.reads_step[node, action]
    if wrong.any():
        t, n = (int(i) for i in np.argwhere(wrong)[0])
        name = task.actions.names[int(action[t, n])]
        raise _differs(f"{name} was paid {paid[t, n]:.6g} in training and {claimed[t, n]:.6g} in enumeration")


def _walks(
    model: RewardModel, max_steps: int, *, gated: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """(node, action, whether an episode starts), each [T, N]: one episode after the other in every lane."""
    nothing = np.zeros(model.successor.shape)
    never = np.zeros(model.successor.shape, dtype=bool)
    _, parent, taken, *_ = optimal_reach(model.successor, nothing, never, np.zeros(len(model)), 1.0, 1.0)
    rng = np.random.default_rng(model.graph.layout)
    steps, number = np.zeros((_STEPS, _LANES, 3), np.int64), 0
    for lane in range(_LANES):
        told: list[tuple[int, int, int]] = []
        while len(told) < _STEPS:
            number += 1
            # Multiples of the golden ratio meet all nodes evenly, however many of them fit.
            target = int(number * 0.6180339887498949 % 1.0 * len(model))
            led = gated or model.memories > 1 or number % 2 == 0
            episode = _way_to(target, parent, taken)[:max_steps] if led else []
            here = target if len(episode) < max_steps else END
            for action in rng.integers(model.successor.shape[1], size=min(_TAIL, max_steps - len(episode))).tolist():
                if here != END:
                    episode.append((here, action))
                    here = int(model.successor[here, action])
            told += [(*each, at == 0) for at, each in enumerate(episode)]
        steps[:, lane] = told[:_STEPS]
    return steps[..., 0], steps[..., 1], steps[..., 2].astype(bool)


def _way_to(node: int, parent: NDArray[np.int32], taken: NDArray[np.int8]) -> list[tuple[int, int]]:
    """(node, action) from the start on, by the fewest steps."""
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
    made = Rollout.empty(steps, lanes, task.schema.width, task.schema.dtype)
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
