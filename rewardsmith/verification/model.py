"""Enumerates a reward on one layout as a Markov decision process whose nodes are (state, memory, gates) triples.

Nodes are reached breadth-first. The sandbox scores the transitions, and `compose` combines the channels; the state of a
gate is the carry of `compose`. If there are too many nodes, only a part around a solution is enumerated (`missing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import MOVING_GATES, Carry, compose
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward, channel_values
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import countable_of, tabular_of
from rewardsmith.tasks.progress import report
from sandbox.client import HostError
from sandbox.memories import ONE_TOO_MANY, UNLISTED
from sandbox.product import READ_EARLIER_EVENT, READ_EVENT_FOR_POTENTIAL, READ_STEP, Expansion

from .interning import Front, Keys, TooManyValues
from .shared_hosts import POOL
from .solving import END
from .yielding_lock import TURNS

_NODES_PER_MEMORY = 16  # a memory that grows with every step is given up early, long before the limit of nodes
_MOST_MEMORIES = 4096  # 25,000 sets of visited cells took half a minute of processor time and were still not all
_OURS = ("memory", "timeout", "died")
_READS_STEP_WITH_MEMORY = "the reward is time-dependent: the program reads the step count and also has memory or gates"
_DECIMALS = 9  # gates carry sums; values that differ only by rounding count as one state


PART_LIMIT = 30_000
"""Nodes of a model that is enumerated in part: enough to find exploits near a solution, a few seconds to score."""

POTENTIAL = "potential"
"""Name of the potential in `RewardModel.pays`."""

MOST_COUNTED = 1_000_000
"""Most states that are counted to determine the proportion that was enumerated."""


class NotCertified(Exception):
    """The reward cannot be certified. The message gives the reason, for the designer of the reward."""


@dataclass(frozen=True)
class RewardModel:
    """One layout under one reward, with N nodes and A actions; node 0 is the start.

    Attributes:
        graph: The state graph of the layout.
        state: int32 [N], the state of each node.
        successor: int32 [N, A], the next node, or END if the episode ends.
        low: float64 [N, A], the composed reward, with the success reward of the last step.
        high: float64 [N, A], the composed reward, with the success reward of the first step.
        success: bool [N, A], whether the transition succeeds.
        died: bool [N, A], whether it ends the episode without success.
        leftover: float64 [N], w * Phi of the potential channels.
        reads_step: bool [N, A], whether the program reads the step count.
        events: Whether the last event is part of the state.
        memories: Number of distinct memories of the program.
        transitions: Number of transitions scored.
        left: bool [N, A], whether the transition leads to a node that was not enumerated (its successor is then END).
        missing: Reason why the enumeration is incomplete; empty if it is complete.
        pays: Number of transitions on which each component pays something, and on which the potential changes, by name.
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
    left: NDArray[np.bool_]
    missing: str
    pays: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.state)


def build_model(problem: Problem, layout: int, limit: int, along: Sequence[int] = ()) -> RewardModel:
    """Enumerate a reward on one training layout.

    Args:
        problem: The task, the reward and the learner's gamma.
        layout: Index into the task's training pool.
        limit: Most nodes.
        along: A solution. If there are too many nodes, the part around it is enumerated.

    Raises:
        NotCertified: Not even a part can be enumerated.
        sandbox.HostError: The program failed.
    """
    refuse_what_moves(problem.reward)
    with _asking_much():
        return _build(problem, layout, limit, along)


def _build(problem: Problem, layout: int, limit: int, along: Sequence[int]) -> RewardModel:
    graph = graph_of(problem.task, layout, limit, False, (), along)
    with _Scorer(problem, graph, limit) as scorer:
        uses, events = scorer.uses, False
        if uses:
            graph = graph_of(problem.task, layout, limit, False, uses, along)
        try:
            return _Product(problem, graph, limit, scorer, events).model(along)
        except _ReadsEvents:
            pass  # enumerated again below, with the last event as part of the state
    graph = graph_of(problem.task, layout, limit, True, uses, along)
    with _Scorer(problem, graph, limit) as scorer:
        return _Product(problem, graph, limit, scorer, True).model(along)


def count_states(task: Task, layout: int) -> tuple[int, bool]:
    """Return the number of states of a layout, at most MOST_COUNTED, and whether these are all states."""
    countable = countable_of(task)
    return (0, False) if countable is None else countable.count_states(layout, MOST_COUNTED) or (0, False)


def paid_by_step(
    problem: Problem, model: RewardModel, nodes: NDArray[np.int64], steps: Iterable[int]
) -> NDArray[np.float64] | None:
    """Return composed rewards float64 [T, K, A] of K nodes at T step counts.

    A success has the environment's reward 1.0, and Phi of the nodes themselves is not subtracted. Only for rewards
    without memory and gates: returns None if the program writes to memory at one of these steps.
    """
    with _asking_much(), _Scorer(problem, model.graph, len(model)) as scorer:
        product = _Product(problem, model.graph, len(model), scorer, model.events)
        return product.paid(model.state[nodes], steps)


@contextmanager
def _asking_much() -> Iterator[None]:
    """Turn a host's end by a limit into NotCertified: enumeration needs more resources than training."""
    try:
        yield
    except TooManyValues as error:
        raise NotCertified("the reward's gates or potentials take too many values") from error
    except HostError as error:
        if error.cause in _OURS:
            raise NotCertified(f"enumeration exceeded a limit of the sandbox ({error})") from error
        raise


def refuse_gates(reward: TrainingReward) -> None:
    """Raise NotCertified for a channel whose gate, or whose earlier value, no enumerated state holds."""
    for channel in reward.channels:
        if channel.gate in MOVING_GATES:
            raise NotCertified(f"the gate {channel.gate!r} of channel {channel.name} cannot be enumerated")
        if channel.delta:
            raise NotCertified(f"channel {channel.name} pays changes, so it depends on the value of the step before")


def refuse_what_moves(reward: TrainingReward) -> None:
    """Raise NotCertified for a channel whose pay depends on more than state, memory and gates."""
    refuse_gates(reward)
    for channel in reward.channels:
        if channel.kind == "env" and (channel.cap is not None or channel.bound != "none"):
            raise NotCertified("the environment's channel is bounded")


def graph_of(
    task: Task, layout: int, limit: int, events: bool, uses: tuple[str, ...], along: Sequence[int] = ()
) -> Any:
    tabular = tabular_of(task)
    graph = None if tabular is None else tabular.state_graph(layout, limit, events, uses)
    if tabular is None or graph is None:
        text = "the layout's states cannot be enumerated: the task runs only in the real environment, or its observable"
        raise NotCertified(f"{text} state is not Markov")
    if not graph.complete:
        return tabular.state_graph(layout, min(limit, PART_LIMIT), events, uses, along)
    return graph


class _ReadsEvents(Exception):
    """The program reads an earlier event, which must be part of the state."""


class _Scorer:
    """Scores (state, memory) pairs in the sandbox; returns zeros for a reward without a program."""

    def __init__(self, problem: Problem, graph: Any, limit: int) -> None:
        self._host, self._pool = None, POOL.get()
        self._shared = (problem, graph.tables, _most_memories(limit))
        self.uses: tuple[str, ...] = ()
        if problem.reward.functions:
            with TURNS.released():
                self._host = (
                    problem.pairs_host(*self._shared[1:]) if self._pool is None else self._pool.take(*self._shared)
                )
            self.uses = self._host.uses

    def __enter__(self) -> _Scorer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._host is None:
            return
        if self._pool is None or (kind is not None and not issubclass(kind, _ReadsEvents)):
            self._host.close()
        else:
            self._pool.give_back(self._host, *self._shared)

    def begin(self, graph: Any) -> tuple[float, int]:
        if self._host is None:
            return 0.0, 0
        row = graph.rows_before(np.array([0]))[0]
        with TURNS.released():
            return self._host.begin(row)

    def expand(self, graph: Any, nodes: NDArray[Any], memory: NDArray[Any], step: int) -> Expansion:
        if self._host is None:
            shape = (len(nodes), graph.successor.shape[1])
            zeros = np.zeros(shape)
            return Expansion((), np.zeros((*shape, 0)), zeros, zeros.astype(np.int64), zeros.astype(np.int64))
        before, after = graph.rows_before(nodes, step - 1), graph.rows_after(nodes, step)
        with TURNS.released():
            return self._host.expand(before, after, memory)


class _Product:
    """The breadth-first walk over (state, memory, gates)."""

    def __init__(self, problem: Problem, graph: Any, limit: int, scorer: _Scorer, events: bool) -> None:
        self.graph, self.reward, self.gamma = graph, problem.reward, problem.gamma
        self.limit, self.expanded = limit if graph.complete else min(limit, PART_LIMIT), 0
        self.scorer, self.events = scorer, events
        self.potentials = [c for c in self.reward.channels if c.kind == "potential"]
        self.gates = [c for c in self.reward.channels if c.cap is not None or c.gate == "latch"]
        self.tables = Keys()
        self.layers: list[dict[str, NDArray[Any]]] = []
        self.missing = "" if graph.complete else _too_many_states(limit, events)
        self.pays: dict[str, int] = {}
        self.phi = 0.0  # of the start

    def model(self, along: Sequence[int] = ()) -> RewardModel:
        """Expand along a solution first, then all nodes met, until there are no new ones or the limit is reached."""
        front, rest = self._start(), []
        for action in along:
            fresh, successor = self._expanded(front)
            ahead = fresh.number == successor[0, action]
            rest.append(fresh.only(~ahead))
            front = fresh.only(ahead)
            if not len(front.number):
                break
        front = Front.joined([*rest, front])
        while len(front.number) and self.expanded < self.limit:
            front, _ = self._expanded(front.only(np.arange(len(front.number)) < self.limit - self.expanded))
        if self.expanded >= self.limit and self.tables.count > self.expanded:
            self.missing = self.missing or _too_many_pairs(self.limit, bool(self.gates))
        return self._gathered()

    def paid(self, state: NDArray[Any], steps: Iterable[int]) -> NDArray[np.float64] | None:
        """Rewards of all actions of graph nodes at several step counts, from the first memory; see `paid_by_step`."""
        _, memory = self.scorer.begin(self.graph)
        memories = np.full(len(state), memory)
        carried = np.zeros((len(state), 2 * len(self.gates) + len(self.potentials)))
        found = [self.scorer.expand(self.graph, state, memories, step) for step in steps]
        over = self.graph.over[state]
        if any((each.memory[~over] != memory).any() for each in found):
            return None
        return np.stack([self._compose(each, state, carried)[0] for each in found])

    def _start(self) -> Front:
        self.phi, memory = self.scorer.begin(self.graph)
        _refuse_memory(np.array([memory]))
        carried = np.zeros((1, 2 * len(self.gates) + len(self.potentials)))
        carried[:, 2 * len(self.gates) :] = [
            c.shift + float(np.clip(self.phi, -c.limit, c.limit)) for c in self.potentials
        ]
        state, memories = np.zeros(1, np.int64), np.array([memory])
        return Front(self.tables.number(state, memories, carried)[0], state, memories, carried)

    def _expanded(self, front: Front) -> tuple[Front, NDArray[Any]]:
        """Expand a frontier; return the triples met for the first time, and successors [S, A] by number, or END."""
        graph, state = self.graph, front.state
        found = self.scorer.expand(graph, state, front.memory, 1)
        over, won = graph.over[state], graph.won[state]
        reads = found.reads
        if not self.events and (reads & (READ_EARLIER_EVENT | READ_EVENT_FOR_POTENTIAL)).any():
            raise _ReadsEvents
        _refuse_memory(found.memory[~over])
        if (reads & READ_STEP).any() and (self.gates or (found.memory[~over] != 0).any()):
            self.missing = self.missing or _READS_STEP_WITH_MEMORY
            self.limit = min(self.limit, PART_LIMIT)
        self._count_pays(found)
        low, after = self._compose(found, state, front.carried, last=True)
        high, _ = self._compose(found, state, front.carried)
        reached, kept = graph.node[graph.successor[state].ravel()].astype(np.int64), found.memory.ravel()
        if (kept[~over.ravel()] == ONE_TOO_MANY).any():
            self.missing = self.missing or _too_much_memory(self.limit)
            self.limit = min(self.limit, PART_LIMIT)  # the model cannot be complete, so it need not be large
        going = ~over.ravel() & (reached >= 0) & (kept >= 0)
        met = Front(np.zeros(0, np.int64), reached[going], kept[going], after[going])
        numbers, fresh = self.tables.number(met.state, met.memory, met.carried)
        successor = np.full(over.size, END, np.int64)
        successor[going] = numbers
        self.expanded += len(state)
        what = f"(state, memory) pairs of layout {graph.layout} scored"
        report(what, self.expanded, self.limit, bound=True, begins=not self.layers)
        self.layers.append({
            "number": front.number, "state": state, "successor": successor.reshape(over.shape), "low": low,
            "high": high, "won": won, "over": over, "step": (reads & READ_STEP) > 0, "memory": front.memory,
            "leftover": front.carried[:, 2 * len(self.gates) :] @ np.array([c.weight for c in self.potentials]),
        })  # fmt: skip
        first = Front(numbers[fresh], met.state[fresh], met.memory[fresh], met.carried[fresh])
        return first, successor.reshape(over.shape)

    def _count_pays(self, found: Expansion) -> None:
        for i, name in enumerate(found.names):
            self.pays[name] = self.pays.get(name, 0) + int(np.count_nonzero(found.values[..., i]))
        if self.potentials:
            # A potential that is the same everywhere says nothing.
            changes = int((np.abs(found.phi - self.phi) > 0).sum())
            self.pays[POTENTIAL] = self.pays.get(POTENTIAL, 0) + changes

    def _compose(
        self, found: Expansion, state: NDArray[Any], carried: NDArray[Any], *, last: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """(composed reward [S, A], carry of the gates [S * A, columns]); `last`: success reward of the last step."""
        graph = self.graph
        won, over = graph.won[state], graph.over[state]
        env = graph.paid(state, last)
        size, actions = won.size, won.shape[1]
        raw: dict[str, NDArray[Any]] = {}
        for channel in self.reward.channels:
            if channel.kind == "env":
                raw[channel.name] = env.reshape(1, size)
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
        place = np.full(self.tables.count + 1, END, np.int32)  # the last entry is the successor of END itself
        place[joined["number"]] = np.arange(len(joined["number"]))
        successor = place[joined["successor"]]
        return RewardModel(
            self.graph, joined["state"].astype(np.int32), successor, joined["low"], joined["high"], joined["won"],
            joined["over"] & ~joined["won"], joined["leftover"], joined["step"], self.events,
            len(np.unique(joined["memory"])), successor.size, (successor == END) & ~joined["over"], self.missing,
            self.pays,
        )  # fmt: skip


def _most_memories(limit: int) -> int:
    return max(2, min(limit // _NODES_PER_MEMORY, _MOST_MEMORIES))


def _too_many_states(limit: int, events: bool) -> str:
    what = "states (including the last event, which the program reads)" if events else "states"
    return f"the layout has more than {limit:,} {what}, the limit per layout"


def _too_much_memory(limit: int) -> str:
    return f"the program's memory takes more than {_most_memories(limit):,} different values"


def _too_many_pairs(limit: int, gates: bool) -> str:
    what = "(state, memory, gates)" if gates else "(state, memory)"
    return f"the reward depends on memory or gates: there are more than {limit:,} {what} combinations"


def _refuse_memory(memory: NDArray[Any]) -> None:
    if (memory == UNLISTED).any():
        usual = "numbers, strings, None, tuples, lists, dicts and sets, without sharing one between two entries"
        raise NotCertified(f"the program's memory contains values that cannot be enumerated; keep only {usual}")
