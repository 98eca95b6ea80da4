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

from rewardsmith.programs.composition import Carry, Channel, compose
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import channel_values
from sandbox.client import HostError
from sandbox.outcomes import MOST_RUNS, UNFOLLOWED, Outcomes, OutcomesHost
from sandbox.product import READ_EARLIER_EVENT, READ_EVENT_FOR_POTENTIAL, READ_STEP

from .model import NotCertified, graph_of, refuse_what_moves
from .quotient import Quotient
from .yielding_lock import TURNS

_AT_ONCE = 4096
_SCOUTED = 512
_MOST_RESTARTS = 32
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


def relax(problem: Problem, layout: int, limit: int, calls: int = MOST_RUNS) -> Relaxation:
    """Collect the rewards of all transitions of a layout, whatever the program's memory.

    Args:
        problem: The task, the reward and the learner's gamma.
        layout: Index into the task's training pool.
        limit: Most states.
        calls: Most calls of the program.

    Raises:
        NotCertified: The layout is too large, or the program uses its memory or the history in another way, or fails.
    """
    refuse_what_moves(problem.reward)
    uses: tuple[str, ...] = ()
    for events in (False, True):
        graph = graph_of(problem.task, layout, limit, events, uses)
        if not graph.complete:
            raise NotCertified(f"the layout has more than {limit:,} states, the limit per layout")
        try:
            with _open(problem, graph, calls) as host:
                if host.uses != uses:
                    uses = host.uses
                    graph = graph_of(problem.task, layout, limit, events, uses)
                found = _Walk(host, graph, events).collected()
            return _bounded(problem, graph, found)
        except _ReadsEvents:
            continue
        except HostError as error:
            # The program is called with combinations of values that need not occur: its failure is not held against it.
            raise NotCertified(error.message.partition(UNFOLLOWED)[2] or f"the program failed ({error})") from error
    raise NotCertified("the reward depends on earlier events")


class _ReadsEvents(Exception):
    """The program reads an earlier event, which must be part of the state."""


def _open(problem: Problem, graph: Any, calls: int) -> OutcomesHost:
    with TURNS.released():
        return OutcomesHost(problem.reward.source, problem.setup(graph.tables), _AT_ONCE, calls)


class _Found:
    """K results of classes of transitions, as `Outcomes`; `pair` counts the transitions of `quotient`."""

    def __init__(self, quotient: Quotient, found: Outcomes, steady: NDArray[np.bool_]) -> None:
        self.quotient, self.pair, self.names, self.values = quotient, found.pair, found.names, found.values
        self.steady = steady[found.kind]


class _Walk:
    """Follows transitions until no variable of memory takes new values in any class of states."""

    def __init__(self, host: OutcomesHost, graph: Any, events: bool) -> None:
        self._host, self._graph, self._events = host, graph, events

    def collected(self) -> _Found:
        """The results of all transitions that can be reached."""
        self._scout()
        for _ in range(_MOST_RESTARTS):
            columns = self._host.columns
            quotient = Quotient(self._graph, columns, self._host.blind)
            found = self._once(quotient)
            if found is not None and len(self._host.columns) == len(columns):
                with TURNS.released():
                    steady = self._host.steady()
                return _Found(quotient, found, steady)
        raise NotCertified("the program reads too many parts of its memory as a whole")

    def _scout(self) -> None:
        """Score transitions from all over the layout, to see early which columns the program reads."""
        graph = self._graph
        states = np.unique(np.linspace(0, len(graph.state) - 1, _SCOUTED).astype(np.int64))
        action = np.arange(len(states)) % graph.successor.shape[1]
        after = graph.rows_after(states)[np.arange(len(states)), action]
        with TURNS.released():
            self._host.scout(graph.rows_before(states), action, after)

    def _once(self, quotient: Quotient) -> Outcomes | None:
        """One walk; None if the host says to begin anew, or reads further columns."""
        # The start has a second number for the first step, at which memory is empty: what a program stores then is
        # stored at every later visit of the same state.
        count, columns = len(quotient), len(self._host.columns)
        with TURNS.released():
            begun = self._host.begin(self._graph.rows_before(np.array([0]))[0], count)
        first = np.unique(quotient.of_pair[0])
        numbered = np.concatenate([np.arange(len(quotient.source)), first])
        source = np.concatenate([quotient.source, np.full(len(first), count)])
        latest = np.full(len(numbered), -1, np.int64)  # the request that followed each transition last
        parts: list[tuple[NDArray[Any], Outcomes]] = []
        waiting = begun.changed
        for _ in range(_MOST_ROUNDS):
            if not waiting.size:
                return _joined(parts, latest, numbered)
            inside = waiting[waiting < count]
            more = np.arange(len(quotient.source), len(numbered)) if (waiting == count).any() else waiting[:0]
            asked = np.concatenate([more, quotient.leaving(inside)])
            changed: list[NDArray[Any]] = []
            for k in range(0, len(asked), self._host.capacity):
                part = asked[k : k + self._host.capacity]
                found = self._followed(quotient, part, numbered[part], source[part])
                if found.again or len(self._host.columns) > columns:
                    return None
                latest[part] = len(parts)
                parts.append((part, found))
                changed.append(found.changed)
            waiting = np.unique(np.concatenate(changed))
        raise NotCertified("the values of the program's memory do not settle")

    def _followed(
        self, quotient: Quotient, number: NDArray[Any], transition: NDArray[Any], source: NDArray[Any]
    ) -> Outcomes:
        before, after = quotient.rows(transition)
        action, target = quotient.action[transition], quotient.target[transition]
        with TURNS.released():
            found = self._host.expand(number, source, before, action, after, target)
        if not self._events and (found.reads & (READ_EARLIER_EVENT | READ_EVENT_FOR_POTENTIAL)).any():
            raise _ReadsEvents
        if (found.reads & READ_STEP).any():
            raise NotCertified("the reward is time-dependent: the program reads the step count and also keeps memory")
        return found


def _joined(parts: Sequence[tuple[NDArray[Any], Outcomes]], latest: NDArray[Any], numbered: NDArray[Any]) -> Outcomes:
    """The newest results of every transition."""
    names = parts[-1][1].names
    pairs, kinds, values = [], [], []
    for request, (part, found) in enumerate(parts):
        at = part[found.pair]
        mine = latest[at] == request
        pairs.append(numbered[at][mine])
        kinds.append(found.kind[mine])
        wide = np.zeros((int(mine.sum()), len(names)))
        wide[:, : found.values.shape[1]] = found.values[mine]
        values.append(wide)
    none = np.zeros(0, np.int64)
    return Outcomes(names, np.concatenate(pairs), np.concatenate(kinds), none, np.concatenate(values), none, False)


def _bounded(problem: Problem, graph: Any, found: _Found) -> Relaxation:
    """Compose the rewards of all results and take their bounds over the results of each transition."""
    won, over, size = graph.won, graph.over, len(found.quotient.source)
    channels = [c for c in problem.reward.channels if c.kind != "potential"]
    free, low, high = (np.zeros(len(found.pair)) for _ in range(3))
    for channel in (c for c in channels if c.kind != "env"):
        plain, gated = _ungated(channel)
        raw = channel_values(channel, found.names, found.values[None], problem.reward.functions)
        pays = _part(problem, plain, raw)
        # A gated or capped channel pays between nothing and what it would pay without its gate.
        low += np.minimum(0.0, pays) if gated else pays
        high += np.maximum(0.0, pays) if gated else pays
        free += 0.0 if gated else pays
    least, most, lasting = np.full(size, np.inf), np.full(size, -np.inf), np.full(size, -np.inf)
    np.minimum.at(least, found.pair, low)
    np.maximum.at(most, found.pair, high)
    np.maximum.at(lasting, found.pair[found.steady], free[found.steady])
    pair = found.quotient.of_pair
    reached: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(most)[pair], axis=1)
    least, most, steady = least[pair], most[pair], lasting[pair]
    for channel in (c for c in channels if c.kind == "env"):
        plain, gated = _ungated(channel)
        nodes = np.arange(len(graph.state))
        pays = [_part(problem, plain, graph.paid(nodes, last).reshape(1, -1)).reshape(won.shape) for last in (0, 1)]
        least += np.minimum(np.minimum(*pays), 0.0 if gated else np.inf)
        most += np.maximum(np.maximum(*pays), 0.0 if gated else -np.inf)
        steady += 0.0 if gated else np.maximum(*pays)
    least[~reached], most[~reached], steady[over] = 0.0, 0.0, -np.inf
    successor = np.where(over, -1, graph.node[graph.successor]).astype(np.int32)
    capped = any(_ungated(channel)[1] for channel in channels)
    return Relaxation(graph, successor, won, reached, least, most, steady, capped, len(found.pair))


def _ungated(channel: Channel) -> tuple[Channel, bool]:
    """(the channel without gate and cap, whether it has one)."""
    gated = channel.cap is not None or channel.gate == "latch"
    return (replace(channel, cap=None, gate="none") if gated else channel), gated


def _part(problem: Problem, channel: Channel, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    nothing = np.zeros(raw.shape, dtype=bool)
    return compose((channel,), {channel.name: raw}, nothing, nothing, problem.gamma, Carry()).parts[channel.name][0]
