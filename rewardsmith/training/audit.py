"""What training was paid, scored once more in a fresh host: pay must follow from a program's arguments and `memory`.

Checks look at some thousand transitions before training, and a trial's host scores millions. State that a program hides
where nobody looks for it can change what it pays in between.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout
from sandbox.client import HostError, Scores

Values = NDArray[np.float64]

_MOST_ENVS = 64


def require_same_scores(problem: Problem, rollout: Rollout, scores: Scores) -> None:
    """Raises HostError("nondeterministic") where a fresh host pays anything else from an episode's start on.

    `scores` are those of `rollout` [T, N]. In each environment the steps before the first start of an episode are left
    out, because what `memory` held there is not known. At most 64 environments are looked at.
    """
    chosen = np.flatnonzero(rollout.starts.any(axis=0))[:_MOST_ENVS]
    if not len(chosen):
        return
    steps = len(rollout.starts)
    first = rollout.starts[:, chosen].argmax(axis=0)
    # What is left out is filled with the first step, which begins an episode of its own each time.
    index = np.maximum(np.arange(steps)[:, None], first[None, :])
    again = rollout.chosen(index, chosen[None, :])
    found = problem.scores(again)
    assert found is not None
    inside = np.arange(steps)[:, None] >= first[None, :]
    for name, before, now in _compared(scores, found, chosen):
        differs = inside & (before.view(np.uint64) != now.view(np.uint64))
        if differs.any():
            t, n = np.argwhere(differs)[0]
            raise HostError(
                "nondeterministic",
                f"{name} was {before[t, n]!r} in training and is {now[t, n]!r} in a fresh host, for the same episode; "
                "pay must follow from the arguments and `memory` alone",
            )


def _compared(before: Scores, now: Scores, chosen: NDArray[np.int64]) -> list[tuple[str, Values, Values]]:
    """(what, as trained, as scored again), each float64 [T, C]. A component that a program left out was 0."""
    pairs = [
        (f"component {name!r}", _component(before, name)[:, chosen], _component(now, name))
        for name in sorted({*before.names, *now.names})
    ]
    if before.phi is not None and now.phi is not None:
        pairs.append(("the potential", before.phi[:, chosen], now.phi))
    return [(name, np.ascontiguousarray(a), np.ascontiguousarray(b)) for name, a, b in pairs]


def _component(scores: Scores, name: str) -> Values:
    if name in scores.names:
        return scores.values[:, :, scores.names.index(name)]
    return np.zeros(scores.values.shape[:2])
