"""The value of a prover policy mu in every state of an enumerated layout, by policy evaluation. numpy only.

    V(s) = sum over a of mu(a|s) * (1[a succeeds] + gamma * 1[the episode goes on] * V(s'))

V(s) is the discounted probability that mu succeeds from s, without a step limit. mu takes a random action with
probability 1 - strength, and otherwise one that is on a shortest way to success.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_MOST_SWEEPS = 5_000
_TOLERANCE = 1e-4  # relative to the largest value


class Outcomes(Protocol):
    """The outcomes of N states and A actions, as minigrid.enumerate.StateGraph has them.

    Attributes:
        node: int [M], the node of each state, or -1 if it is terminal.
        successor: int [N, A], the state after each action.
        over: bool [N, A], whether the action ends the episode.
        won: bool [N, A], whether the action succeeds.
    """

    @property
    def node(self) -> NDArray[np.int32]: ...
    @property
    def successor(self) -> NDArray[np.int32]: ...
    @property
    def over(self) -> NDArray[np.bool_]: ...
    @property
    def won(self) -> NDArray[np.bool_]: ...


def prover_values(outcomes: Outcomes, gamma: float, strength: float) -> NDArray[np.float64]:
    """Return V of each node, float64 [N].

    Args:
        outcomes: The model of a layout, completely enumerated.
        gamma: The discount factor, in [0, 1).
        strength: The probability of an action on a shortest way, in [0, 1).
    """
    following, goes_on = outcomes.node[outcomes.successor], ~outcomes.over
    chosen = prover_policy(outcomes, strength)
    values = np.zeros(len(following))
    for _ in range(_MOST_SWEEPS):
        worth = outcomes.won + gamma * np.where(goes_on, values[following], 0.0)
        new = (chosen * worth).sum(1)
        moved = float(np.abs(new - values).max())
        values = new
        # What is still missing is at most gamma / (1 - gamma) times the last change.
        if moved * gamma <= _TOLERANCE * (1.0 - gamma) * float(values.max()):
            break
    return values


def prover_policy(outcomes: Outcomes, strength: float) -> NDArray[np.float64]:
    """Return mu(a|s), float64 [N, A]. Where no way leads to success, all actions have the same probability."""
    nodes, actions = outcomes.won.shape
    uniform = np.full((nodes, actions), 1.0 / actions)
    if strength == 0.0:
        return uniform
    best = shortest_ways(outcomes)
    led = best.any(1, keepdims=True)
    optimal = best / np.maximum(best.sum(1, keepdims=True), 1)
    return np.where(led, (1.0 - strength) * uniform + strength * optimal, uniform)


def shortest_ways(outcomes: Outcomes) -> NDArray[np.bool_]:
    """Return which actions are on a shortest way to success, bool [N, A]."""
    following, goes_on = outcomes.node[outcomes.successor], ~outcomes.over
    distance = np.where(outcomes.won.any(1), 1.0, np.inf)
    while True:
        steps = np.where(outcomes.won, 1.0, np.where(goes_on, 1.0 + distance[following], np.inf))
        shorter = np.minimum(distance, steps.min(1))
        if (shorter == distance).all():
            return np.isfinite(steps) & (steps == distance[:, None])
        distance = shorter
