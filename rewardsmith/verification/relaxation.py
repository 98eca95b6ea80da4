"""One layout under one reward without memory: for each transition, all rewards that some memory may give it.

Used where the (state, memory) pairs are too many. Each memory that can occur is among those considered, so that what
holds for all results of a transition holds for the reward itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import Carry, compose
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import channel_values
from sandbox.client import HostError
from sandbox.outcomes import UNFOLLOWED, Outcomes, OutcomesHost
from sandbox.product import READ_EARLIER_EVENT, READ_EVENT_FOR_POTENTIAL, READ_STEP

from .model import NotCertified, graph_of, refuse_what_moves
from .yielding_lock import TURNS

_STATES_PER_CALL = 1024
_MOST_RESTARTS = 8
_MOST_ROUNDS = 1000


@dataclass(frozen=True)
class Relaxation:
    """N states and A actions; state 0 is the start. Potentials are left out: they change no comparison of policies.

    Attributes:
        graph: The state graph of the layout.
        successor: int32 [N, A], the next state, or END.
        success: bool [N, A], whether the transition succeeds.
        reached: bool [N], whether the state can be reached.
        least: float64 [N, A], a lower bound of the reward, with the success reward of the last step.
        most: float64 [N, A], an upper bound of the reward, with the success reward of the first step.
        steady: float64 [N, A], an upper bound of what the transition earns, apart from gated and capped channels, in a
            part of an episode that repeats for ever; -inf if it cannot belong to one.
        capped: Whether channels have gates or caps.
        called: Number of results that were considered.
    """

    graph: Any
    successor: NDArray[np.int32]
    success: NDArray[np.bool_]
    reached: NDArray[np.bool_]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    steady: NDArray[np.float64]
    capped: bool
    called: int


def relax(problem: Problem, layout: int, limit: int, along: Sequence[int] = ()) -> Relaxation:
    """Collect the rewards of all transitions of a layout, whatever the program's memory.

    Args:
        problem: The task, the reward and the learner's gamma.
        layout: Index into the task's training pool.
        limit: Most states.
        along: A solution.

    Raises:
        NotCertified: The layout is too large, or the program uses its memory or the history in another way, or fails.
    """
    refuse_what_moves(problem.reward)
    uses: tuple[str, ...] = ()
    for events in (False, True):
        graph = graph_of(problem.task, layout, limit, events, uses, along)
        if not graph.complete:
            raise NotCertified(f"the layout has more than {limit:,} states, the limit per layout")
        try:
            with _open(problem, graph) as host:
                if host.uses != uses:
                    uses = host.uses
                    graph = graph_of(problem.task, layout, limit, events, uses, along)
                found = _Walk(host, graph, events).collected()
            return _bounded(problem, graph, *found)
        except _ReadsEvents:
            continue
        except HostError as error:
            # The program is called with combinations of values that need not occur: its failure is not held against it.
            raise NotCertified(error.message.partition(UNFOLLOWED)[2] or f"the program failed ({error})") from error
    raise NotCertified("the reward depends on earlier events")


class _ReadsEvents(Exception):
    """The program reads an earlier event, which must be part of the state."""


def _open(problem: Problem, graph: Any) -> OutcomesHost:
    with TURNS.released():
        return OutcomesHost(problem.reward.source, problem.setup(graph.tables), _STATES_PER_CALL)


class _Walk:
    """Expands states until no variable of memory takes new values in any of them."""

    def __init__(self, host: OutcomesHost, graph: Any, events: bool) -> None:
        self._host, self._graph, self._events = host, graph, events

    def collected(self) -> tuple[Outcomes, NDArray[np.bool_], NDArray[np.bool_]]:
        """(the results of all reached transitions, whether each kind of result is steady, the states reached)."""
        for _ in range(_MOST_RESTARTS):
            found = self._once()
            if found is not None:
                with TURNS.released():
                    steady = self._host.steady()
                return found[0], steady, found[1]
        raise NotCertified("the program reads too many parts of its memory as a whole")

    def _once(self) -> tuple[Outcomes, NDArray[np.bool_]] | None:
        """One walk; None if the host says to begin anew."""
        # The start has a second number for the first step, at which memory is empty: what a program stores then is
        # stored at every later visit of the same state.
        count = len(self._graph.state)
        with TURNS.released():
            begun = self._host.begin(self._graph.rows_before(np.array([0]))[0], count)
        latest = np.full(count + 1, -1, np.int64)  # the request that expanded each state last
        parts: list[tuple[NDArray[Any], Outcomes]] = []
        waiting = begun.changed
        for _ in range(_MOST_ROUNDS):
            if not waiting.size:
                reached = latest[:-1] >= 0
                reached[0] = True
                return self._joined(parts, latest), reached
            changed: list[NDArray[Any]] = []
            for first in range(0, len(waiting), self._host.capacity):
                states = waiting[first : first + self._host.capacity]
                found = self._expanded(states)
                if found.again:
                    return None
                latest[states] = len(parts)
                parts.append((states, found))
                changed.append(found.changed)
            waiting = np.unique(np.concatenate(changed))
        raise NotCertified("the values of the program's memory do not settle")

    def _expanded(self, states: NDArray[np.int64]) -> Outcomes:
        graph, numbers = self._graph, states
        states = states % len(graph.state)
        after, over = graph.rows_after(states), graph.over[states]
        successor = np.where(over, -1, graph.node[graph.successor[states]])
        with TURNS.released():
            found = self._host.expand(numbers, graph.rows_before(states), after, successor)
        if not self._events and (found.reads & (READ_EARLIER_EVENT | READ_EVENT_FOR_POTENTIAL)).any():
            raise _ReadsEvents
        if (found.reads & READ_STEP).any():
            raise NotCertified("the reward is time-dependent: the program reads the step count and also keeps memory")
        return found

    def _joined(self, parts: Sequence[tuple[NDArray[Any], Outcomes]], latest: NDArray[np.int64]) -> Outcomes:
        """The newest results of every state, with transitions counted within the whole graph."""
        actions = self._graph.successor.shape[1]
        names = parts[-1][1].names
        pairs, kinds, values = [], [], []
        for number, (states, found) in enumerate(parts):
            at = states[found.pair // actions]
            mine = latest[at] == number
            pairs.append((at % (len(latest) - 1) * actions + found.pair % actions)[mine])
            kinds.append(found.kind[mine])
            wide = np.zeros((int(mine.sum()), len(names)))
            wide[:, : found.values.shape[1]] = found.values[mine]
            values.append(wide)
        pair = np.concatenate(pairs)
        none = np.zeros(0, np.int64)
        return Outcomes(names, pair, np.concatenate(kinds), none, np.concatenate(values), none, False)


def _bounded(
    problem: Problem, graph: Any, found: Outcomes, steady: NDArray[np.bool_], reached: NDArray[np.bool_]
) -> Relaxation:
    """Compose the rewards of all results and take their bounds over the results of each transition."""
    won, over = graph.won, graph.over
    nodes = np.arange(len(graph.state))
    least_env, most_env = graph.paid(nodes, True).ravel()[found.pair], graph.paid(nodes).ravel()[found.pair]
    free, low, high = (np.zeros(len(found.pair)) for _ in range(3))
    channels = [c for c in problem.reward.channels if c.kind != "potential"]
    gated = [c for c in channels if c.cap is not None or c.gate == "latch"]
    for channel in channels:
        plain = replace(channel, cap=None, gate="none") if channel in gated else channel
        pays = [_part(problem, plain, found, env) for env in (least_env, most_env)]
        if channel in gated:
            # Such a channel pays between nothing and what it would pay without its gate.
            low += np.minimum(0.0, pays[0])
            high += np.maximum(0.0, pays[1])
        else:
            free += pays[1]
            low += np.minimum(*pays)
            high += np.maximum(*pays)
    size = won.size
    least, most, lasting = np.full(size, np.inf), np.full(size, -np.inf), np.full(size, -np.inf)
    np.minimum.at(least, found.pair, low)
    np.maximum.at(most, found.pair, high)
    goes_on = steady[found.kind] & ~over.ravel()[found.pair]
    np.maximum.at(lasting, found.pair[goes_on], free[goes_on])
    least[~np.repeat(reached, won.shape[1])] = 0.0
    most[~np.repeat(reached, won.shape[1])] = 0.0
    successor = np.where(over, -1, graph.node[graph.successor]).astype(np.int32)
    shape = won.shape
    return Relaxation(
        graph, successor, won, reached, least.reshape(shape), most.reshape(shape), lasting.reshape(shape),
        bool(gated), len(found.pair),
    )  # fmt: skip


def _part(problem: Problem, channel: Any, found: Outcomes, env: NDArray[np.float64]) -> NDArray[np.float64]:
    count = len(found.pair)
    if channel.kind == "env":
        raw = env.reshape(1, count)
    else:
        raw = channel_values(channel, found.names, found.values.reshape(1, count, -1), problem.reward.functions)
    nothing = np.zeros((1, count), dtype=bool)
    return compose((channel,), {channel.name: raw}, nothing, nothing, problem.gamma, Carry()).parts[channel.name][0]
