"""A reward as a small Markov decision process: nodes are (state, memory, gates) of one layout, reached breadth-first.

Rewards come from the sandbox and the one `compose`; a gate's state is what `compose` carries along.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import Carry, compose
from rewardsmith.programs.reward import TrainingReward, channel_values
from rewardsmith.tasks.base import Task
from sandbox.client import HostError
from sandbox.product import (
    ONE_TOO_MANY,
    READ_EARLIER_EVENT,
    READ_EVENT_FOR_POTENTIAL,
    READ_STEP,
    Expansion,
    ProductHost,
)

from .solving import END

LOW_PAY, HIGH_PAY = 0.1, 1.0
"""What the environment may pay for a success: 1 - 0.9 t / T."""

_PAIRS_PER_CALL = 8192
_NODES_PER_MEMORY = 16  # a memory that grows like a diary is given up early, long before all nodes are spent
_MOST_MEMORIES = 4096  # 25,000 sets of visited cells took half a minute of processor time, to no end
_OURS = ("memory", "timeout", "died")
_DECIMALS = 9  # gates carry sums; paths that differ by rounding alone are one state


class NotCertified(Exception):
    """The reward cannot be enumerated; the message says why, in words for a designer."""


@dataclass(frozen=True)
class RewardModel:
    """N nodes and A actions of one layout under one reward; node 0 is the start.

    state: int32 [N], node of the state graph. successor: int32 [N, A], END where the episode ends.
    low, high: float64 [N, A], the composed reward where a success is paid 0.1 and where it is paid 1.0.
    success, died: bool [N, A]. leftover: float64 [N], w * Phi of potential channels. reads_step: bool [N, A].
    events: whether states are told apart by the last event. memories: how many the program can be in.
    transitions: how many were scored.
    """

    graph: Any
    state: NDArray[np.int32]
    successor: NDArray[np.int32]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    success: NDArray[np.bool_]
    died: NDArray[np.bool_]
    leftover: NDArray[np.float64]
    reads_step: NDArray[np.bool_]
    events: bool
    memories: int
    transitions: int

    def __len__(self) -> int:
        return len(self.state)


def build_model(
    task: Task, reward: TrainingReward, gamma: float, layout: int, limit: int, allow: str = "kernel"
) -> RewardModel:
    """Enumerate a reward on one training layout. Raises NotCertified, sandbox.HostError."""
    _refuse_what_moves(reward)
    with _asking_much():
        return _build(task, reward, gamma, layout, limit, allow)


def _build(task: Task, reward: TrainingReward, gamma: float, layout: int, limit: int, allow: str) -> RewardModel:
    graph = _graph(task, layout, limit, False, ())
    with _Scorer(task, reward, graph, limit, allow) as scorer:
        uses, events = scorer.uses, False
        if uses:
            graph = _graph(task, layout, limit, False, uses)
        try:
            return _Product(graph, reward, gamma, limit, scorer, events).model()
        except _ReadsEvents:
            pass  # the last event is part of the state then
    graph = _graph(task, layout, limit, True, uses)
    with _Scorer(task, reward, graph, limit, allow) as scorer:
        return _Product(graph, reward, gamma, limit, scorer, True).model()


def rescored(
    model: RewardModel, task: Task, reward: TrainingReward, gamma: float, step: int, allow: str
) -> RewardModel:
    """The model as it would be scored at another step count; only for rewards without memory and gates."""
    with _asking_much(), _Scorer(task, reward, model.graph, len(model), allow) as scorer:
        return _Product(model.graph, reward, gamma, len(model), scorer, model.events, step).model()


@contextmanager
def _asking_much() -> Iterator[None]:
    """Turn a host's end by a limit into NotCertified: enumeration asks for more than training does."""
    try:
        yield
    except HostError as error:
        if error.cause in _OURS:
            raise NotCertified(f"enumeration ended with {error}") from error
        raise


def _refuse_what_moves(reward: TrainingReward) -> None:
    for channel in reward.channels:
        if channel.gate in ("count", "anneal"):
            raise NotCertified(f"the gate {channel.gate!r} of channel {channel.name} cannot be enumerated")
        if channel.kind == "env" and (channel.budget is not None or channel.bound != "none"):
            raise NotCertified("the environment's channel is bounded")


def _graph(task: Task, layout: int, limit: int, events: bool, uses: tuple[str, ...]) -> Any:
    graph = task.state_graph(layout, limit, events, uses)
    if graph is None:
        raise NotCertified("only the real environment plays this task; its states cannot be enumerated")
    if not graph.complete:
        what = "states (the last event included, which the program reads)" if events else "states"
        raise NotCertified(f"more than {limit:,} {what}; enumeration stopped there")
    return graph


class _ReadsEvents(Exception):
    """The program reads an event of the past: states must be told apart by it."""


class _Scorer:
    """The sandbox's answers for pairs, or nothing at all for a reward without a program."""

    def __init__(self, task: Task, reward: TrainingReward, graph: Any, limit: int, allow: str) -> None:
        self._host = None
        self.uses: tuple[str, ...] = ()
        if reward.functions:
            self._host = ProductHost(
                reward.source,
                reward.functions,
                task.schema,
                graph.tables,
                _PAIRS_PER_CALL,
                task.actions.names,
                _most_memories(limit),
                allow,
            )
            self.uses = self._host.uses

    def __enter__(self) -> _Scorer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._host is not None:
            self._host.close()

    def begin(self, graph: Any) -> tuple[float, int]:
        return (0.0, 0) if self._host is None else self._host.begin(graph.rows_before(np.array([0]))[0])

    def expand(self, graph: Any, nodes: NDArray[Any], memory: NDArray[Any], step: int) -> Expansion:
        if self._host is None:
            shape = (len(nodes), graph.successor.shape[1])
            zeros = np.zeros(shape)
            return Expansion((), np.zeros((*shape, 0)), zeros, zeros.astype(np.int64), zeros.astype(np.int64))
        return self._host.expand(graph.rows_before(nodes, step - 1), graph.rows_after(nodes, step), memory)


class _Product:
    """The breadth-first walk over (state, memory, gates)."""

    def __init__(
        self,
        graph: Any,
        reward: TrainingReward,
        gamma: float,
        limit: int,
        scorer: _Scorer,
        events: bool,
        step: int = 1,
    ) -> None:
        self.graph, self.reward, self.gamma, self.limit = graph, reward, gamma, limit
        self.scorer, self.events, self.step = scorer, events, step
        self.potentials = [c for c in reward.channels if c.kind == "potential"]
        self.gates = [c for c in reward.channels if c.budget is not None or c.gate == "latch"]
        self.tables = _Keys()
        self.layers: list[dict[str, NDArray[Any]]] = []

    def model(self) -> RewardModel:
        """Walk until nothing new is found."""
        phi, memory = self.scorer.begin(self.graph)
        _refuse_memory(np.array([memory]), self.limit)
        columns = 2 * len(self.gates) + len(self.potentials)
        state, memories = np.zeros(1, np.int64), np.array([memory])
        carried = np.zeros((1, columns))
        carried[:, 2 * len(self.gates) :] = [c.shift + float(np.clip(phi, -c.limit, c.limit)) for c in self.potentials]
        self.tables.number(state, memories, carried)
        while len(state):
            state, memories, carried = self._layer(state, memories, carried)
        return self._gathered()

    def _layer(
        self, state: NDArray[Any], memory: NDArray[Any], carried: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Expand one frontier; returns the next."""
        graph = self.graph
        found = self.scorer.expand(graph, state, memory, self.step)
        over, won = graph.over[state], graph.won[state]
        reads = found.reads
        if not self.events and (reads & (READ_EARLIER_EVENT | READ_EVENT_FOR_POTENTIAL)).any():
            raise _ReadsEvents
        _refuse_memory(found.memory[~over], self.limit)
        if (reads & READ_STEP).any() and (self.gates or (found.memory[~over] != 0).any()):
            raise NotCertified("it depends on time: the program reads the step count, and has memory or gates besides")
        low, after = self._compose(found, won, over, carried, LOW_PAY)
        high, _ = self._compose(found, won, over, carried, HIGH_PAY)
        going = ~over.ravel()
        there = graph.node[graph.successor[state].ravel()[going]].astype(np.int64)
        known = self.tables.count
        numbers, fresh = self.tables.number(there, found.memory.ravel()[going], after[going])
        if self.tables.count > self.limit:
            what = "(state, memory, gates)" if self.gates else "(state, memory)"
            raise NotCertified(f"it depends on memory or gates: more than {self.limit:,} {what} combinations")
        successor = np.full(over.size, END, np.int32)
        successor[going] = numbers
        self.layers.append({
            "state": state, "successor": successor.reshape(over.shape), "low": low, "high": high, "won": won,
            "died": over & ~won, "step": (reads & READ_STEP) > 0, "memory": memory,
            "leftover": carried[:, 2 * len(self.gates) :] @ np.array([c.weight for c in self.potentials]),
        })  # fmt: skip
        assert self.tables.count == known + len(fresh)
        return there[fresh], found.memory.ravel()[going][fresh], after[going][fresh]

    def _compose(
        self, found: Expansion, won: NDArray[Any], over: NDArray[Any], carried: NDArray[Any], pay: float
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """(composed reward [S, A], what the gates carry on [S * A, columns])."""
        size, actions = won.size, won.shape[1]
        raw: dict[str, NDArray[Any]] = {}
        for channel in self.reward.channels:
            if channel.kind == "env":
                raw[channel.name] = np.where(won, pay, 0.0).reshape(1, size)
            elif channel.kind == "potential":
                raw[channel.name] = found.phi.reshape(1, size)
                raw[channel.name + ":start"] = np.zeros((1, size))
            else:
                values = found.values.reshape(1, size, -1)
                raw[channel.name] = channel_values(channel, found.names, values, self.reward.functions)
        carry = self._carry(np.repeat(carried, actions, axis=0))
        starts = np.zeros((1, size), dtype=bool)
        total = compose(self.reward.channels, raw, starts, over.reshape(1, size), self.gamma, carry).total
        return total.reshape(won.shape), self._carried(carry, size)

    def _carry(self, columns: NDArray[Any]) -> Carry:
        carry = Carry()
        for k, channel in enumerate(self.gates):
            carry.spent[channel.name] = columns[:, 2 * k].copy()
            carry.latched[channel.name] = columns[:, 2 * k + 1] > 0
        for k, channel in enumerate(self.potentials):
            carry.phi[channel.name] = columns[:, 2 * len(self.gates) + k].copy()
        return carry

    def _carried(self, carry: Carry, size: int) -> NDArray[Any]:
        columns = np.zeros((size, 2 * len(self.gates) + len(self.potentials)))
        for k, channel in enumerate(self.gates):
            columns[:, 2 * k] = np.round(carry.spent[channel.name], _DECIMALS) + 0.0  # + 0.0 makes -0.0 equal 0.0
            columns[:, 2 * k + 1] = carry.latched[channel.name]
        for k, channel in enumerate(self.potentials):
            columns[:, 2 * len(self.gates) + k] = carry.phi[channel.name] + 0.0
        return columns

    def _gathered(self) -> RewardModel:
        joined = {name: np.concatenate([layer[name] for layer in self.layers]) for name in self.layers[0]}
        return RewardModel(
            self.graph, joined["state"].astype(np.int32), joined["successor"], joined["low"], joined["high"],
            joined["won"], joined["died"], joined["leftover"], joined["step"], self.events,
            len(np.unique(joined["memory"])), joined["successor"].size,
        )  # fmt: skip


def _most_memories(limit: int) -> int:
    return max(2, min(limit // _NODES_PER_MEMORY, _MOST_MEMORIES))


def _refuse_memory(memory: NDArray[Any], limit: int) -> None:
    if (memory == ONE_TOO_MANY).any():
        most = _most_memories(limit)
        raise NotCertified(f"it depends on memory, which takes more than {most:,} different contents")
    if (memory < 0).any():
        raise NotCertified("it depends on memory that holds more than plain values")


class _Keys:
    """Numbers (state, memory, carried) triples in the order in which they are met."""

    def __init__(self) -> None:
        self.count = 0
        self._carried: dict[bytes, int] = {}
        self._sorted, self._numbers = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def number(self, state: NDArray[Any], memory: NDArray[Any], carried: NDArray[Any]) -> tuple[Any, Any]:
        """(number of each triple, positions of the first occurrence of each new one)."""
        keys = (state << 40) | (memory << 20) | self._carried_numbers(carried)
        wanted, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        place = np.searchsorted(self._sorted, wanted)
        held = np.append(self._sorted, -1)[np.minimum(place, len(self._sorted))] == wanted
        numbers = np.empty(len(wanted), np.int64)
        numbers[held] = self._numbers[place[held]]
        new = np.flatnonzero(~held)
        numbers[new] = self.count + np.arange(len(new))
        self.count += len(new)
        self._sorted = np.insert(self._sorted, place[new], wanted[new])
        self._numbers = np.insert(self._numbers, place[new], numbers[new])
        return numbers[inverse], first[new]

    def _carried_numbers(self, carried: NDArray[Any]) -> NDArray[Any] | int:
        if not carried.shape[1]:
            return 0
        # One column is the usual case, and much faster to sort as plain numbers.
        rows, inverse = np.unique(carried[:, 0] if carried.shape[1] == 1 else carried, axis=0, return_inverse=True)
        known = [self._carried.setdefault(row.tobytes(), len(self._carried)) for row in rows]
        if len(self._carried) > 1 << 20:
            raise NotCertified("its gates or potentials take too many values")
        return np.array(known, np.int64)[inverse.ravel()]
