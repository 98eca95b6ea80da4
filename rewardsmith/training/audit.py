"""Score training steps again in a fresh host: a reward may depend only on the program's arguments and `memory`.

Checks score some thousand transitions before training, but a trial's host scores millions. A program with hidden state
could therefore change its rewards during training without failing a check.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout
from sandbox.client import HostError, Scores

Values = NDArray[np.float64]

_MOST_ENVS = 64
LONG = 64
"""Steps of a rollout that is audited alone. Shorter ones are scored together (see training.pending)."""

_KEPT_STEPS = 512


class LastSteps:
    """The last scored steps of a trial: one rollout, or several if rollouts are short.

    An off-policy algorithm scores a few steps at a time, which may contain no start of an episode.
    """

    def __init__(self, *, copies: bool) -> None:
        """Keep nothing yet; `copies` says whether long rollouts are copied, too, because others follow in parts."""
        self._copies = copies
        self._kept: deque[tuple[Rollout, Scores]] = deque()
        self._steps = 0

    def add(self, rollout: Rollout, scores: Scores) -> None:
        """Add a scored rollout. A long one is not copied, so it must be read before the next one begins."""
        steps = len(rollout.starts)
        if steps >= LONG and not self._copies:
            self._kept = deque([(rollout, scores)])
            return
        copied = replace(scores, **{name: _copy(getattr(scores, name)) for name in ("values", "phi", "phi0")})
        self._kept.append((rollout.chosen(np.arange(steps)), copied))
        self._steps += steps
        while self._steps - len(self._kept[0][0].starts) >= _KEPT_STEPS:
            self._steps -= len(self._kept.popleft()[0].starts)

    def joined(self) -> tuple[Rollout, Scores] | None:
        """Return the steps as one rollout with its scores; None if there are none."""
        if len(self._kept) <= 1:
            return self._kept[0] if self._kept else None
        rollouts, scores = zip(*self._kept, strict=True)
        return Rollout.joined(rollouts, axis=0), _joined_scores(scores)


def _copy(values: Values | None) -> Values | None:
    return None if values is None else values.copy()


def _joined_scores(parts: Sequence[Scores]) -> Scores:
    names = tuple(sorted({name for part in parts for name in part.names}))
    values = np.concatenate([_components(part, names) for part in parts])
    phi, phi0 = (
        None if any(each is None for each in column) else np.concatenate([e for e in column if e is not None])
        for column in (tuple(p.phi for p in parts), tuple(p.phi0 for p in parts))
    )
    return Scores(names, values, phi, phi0, sum(p.seconds for p in parts))


def _components(scores: Scores, names: tuple[str, ...]) -> Values:
    """The values of these components [T, N, C]; a program that is only a potential has none."""
    if not names:
        return np.zeros((*scores.values.shape[:2], 0))
    return np.stack([_component(scores, name) for name in names], axis=-1)


def require_same_scores(problem: Problem, rollout: Rollout, scores: Scores) -> None:
    """Compare the scores of a rollout with those of a fresh host, bit for bit.

    In each environment, the steps before the first start of an episode are left out, because the content of `memory`
    is not known there. At most 64 environments are compared.

    Args:
        problem: The problem whose program is scored.
        rollout: The rollout [T, N].
        scores: The scores of the rollout during training.

    Raises:
        HostError: With kind "nondeterministic", if any score differs.
    """
    chosen = np.flatnonzero(rollout.starts.any(axis=0))[:_MOST_ENVS]
    if not len(chosen):
        return
    steps = len(rollout.starts)
    first = rollout.starts[:, chosen].argmax(axis=0)
    # Steps that are left out are replaced by the first step; each replacement is an episode of one step.
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
                "the reward may depend only on the arguments and `memory`",
            )


def _compared(before: Scores, now: Scores, chosen: NDArray[np.int64]) -> list[tuple[str, Values, Values]]:
    """(name, values in training, values in a fresh host), each float64 [T, C]; an omitted component is 0."""
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
