"""Scores a reward on an exact model with probabilities, as a decision process over (state, memory, gates) triples.

The sandbox scores each outcome of each action once for every content of memory that can be reached before it, and
`compose` combines the channels, as model.py does for the deterministic states of a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import Carry, compose
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import channel_values
from rewardsmith.tasks.transition_table import TransitionTable
from sandbox.client import HostError
from sandbox.memories import ONE_TOO_MANY, UNLISTED
from sandbox.product import READ_STEP, Expansion, ProductHost

from .decision_process import Process
from .interning import Front, Keys, TooManyValues
from .model import POTENTIAL, NotCertified, refuse_gates
from .solving import END

LIMIT = 200_000
"""Most (state, memory) pairs of a table."""

_MOST_TIMED_OUTCOMES = 2_000_000  # outcomes times steps
_MOST_MEMORIES = 4096
_DECIMALS = 9  # gates carry sums; values that differ only by rounding count as one state
_OURS = ("memory", "timeout", "died")


@dataclass(frozen=True)
class TableModel:
    """A table under one reward.

    Attributes:
        process: The process of its N (state, memory, gates) triples.
        state: int64 [N], the state of each node, as `transition_table` counts it.
        outcome: int64 [K], the entry of the table that each outcome of the process is.
        memories: Number of distinct memories of the program.
        pays: Number of outcomes on which each component pays something, and on which the potential changes, by name.
        timed: Whether nodes contain the step count, because the program reads it. Then everything ends with the last
            step of an episode.
    """

    process: Process
    state: NDArray[np.int64]
    outcome: NDArray[np.int64]
    memories: int
    pays: dict[str, int]
    timed: bool = False


class _ReadsStep(Exception):
    """The program reads the step count, which nodes do not contain."""


def build_table_model(problem: Problem, table: TransitionTable, limit: int = LIMIT) -> TableModel:
    """Score a reward on a table.

    Args:
        problem: The task, the reward and the learner's gamma.
        table: The exact model.
        limit: Most nodes.

    Raises:
        NotCertified: The reward depends on what a node does not contain, or there are too many nodes.
        sandbox.HostError: The program failed.
    """
    if table.solved is None:
        raise NotCertified("the success test depends on more than one step of the table")
    refuse_gates(problem.reward)
    host = None
    try:
        if problem.reward.functions:
            host = problem.pairs_host({}, _MOST_MEMORIES)
        remembering = _remembering_success(table, problem.task.schema.field("solved").column)
        try:
            return _Nodes(problem, remembering, host, limit).model(table)
        except _ReadsStep:
            return _Nodes(problem, _over_time(problem, remembering), host, limit, remembering.states).model(table)
    except TooManyValues as error:
        raise NotCertified("the reward's gates or potentials take too many values") from error
    except HostError as error:
        if error.cause in _OURS:
            raise NotCertified(f"enumeration exceeded a limit of the sandbox ({error})") from error
        raise
    finally:
        if host is not None:
            host.close()


def _remembering_success(table: TransitionTable, column: int) -> TransitionTable:
    """The table with three copies of every state if an episode may go on after a success.

    What a program reads then depends on more than the state: `state.failed` on whether there has been a success, and
    `prev.solved` on whether the last step was one. The copies are: no success so far; an earlier one; one just now.
    """
    solved, count, pairs = table.solved, table.states, table.states * table.actions
    assert solved is not None
    if not (solved & ~table.terminated).any():
        return table
    just = table.rows.copy()
    just[:, column] = 1.0
    later = np.where(solved, table.successor + 2 * count, table.successor + count)
    return replace(
        table,
        states=3 * count,
        first=np.concatenate([table.first, *(table.first[1:] + k * table.first[pairs] for k in (1, 2))]),
        probability=np.tile(table.probability, 3),
        successor=np.concatenate([np.where(solved, later, table.successor), later, later]),
        reward=np.tile(table.reward, 3),
        terminated=np.tile(table.terminated, 3),
        solved=np.tile(solved, 3),
        start=np.concatenate([table.start, np.zeros(2 * count)]),
        rows=np.concatenate([table.rows, table.rows, just]),
    )


def _over_time(problem: Problem, table: TransitionTable) -> TransitionTable:
    """The table with one copy of every state for each step of an episode, from step 0 to the last one.

    Raises:
        NotCertified: It would be too large.
    """
    levels, pairs = problem.task.max_steps + 1, table.states * table.actions
    if levels * len(table.probability) > _MOST_TIMED_OUTCOMES:
        text = f"its {problem.task.max_steps:,} steps times {len(table.probability):,} outcomes of the task are more"
        raise NotCertified(
            f"the reward is time-dependent: the program reads the step count, and {text} than {_MOST_TIMED_OUTCOMES:,}"
        )
    rows = np.tile(table.rows, (levels, 1))
    rows[:, problem.task.schema.field("step").column] = np.repeat(np.arange(levels), table.states)
    offsets = np.repeat(np.arange(levels), len(table.probability))
    first = np.concatenate([table.first[:-1] + k * table.first[pairs] for k in range(levels)])
    assert table.solved is not None
    return replace(
        table,
        states=levels * table.states,
        first=np.concatenate([first, [levels * table.first[pairs]]]),
        probability=np.tile(table.probability, levels),
        # The copies of the last step are never expanded, so their successors do not matter.
        successor=np.tile(table.successor, levels) + np.minimum(offsets + 1, levels - 1) * table.states,
        reward=np.tile(table.reward, levels),
        terminated=np.tile(table.terminated, levels),
        solved=np.tile(table.solved, levels),
        start=np.concatenate([table.start, np.zeros((levels - 1) * table.states)]),
        rows=rows,
    )


class _Nodes:
    """The breadth-first walk over (state, memory, gates)."""

    def __init__(
        self, problem: Problem, table: TransitionTable, host: ProductHost | None, limit: int, level: int | None = None
    ) -> None:
        """Start with no node.

        Args:
            problem: The task, the reward and the learner's gamma.
            table: With the copies that `_remembering_success` and `_over_time` make.
            host: Scores the program; None without one.
            limit: Most nodes.
            level: Number of states in each copy that `_over_time` made; None if it made none.
        """
        copied = table.solved is not None and bool((table.solved & ~table.terminated).any())
        self.level, self.timed = level or table.states, level is not None
        self.end = table.states - self.level if self.timed else table.states  # states from here on end an episode
        self.single = self.level // 3 if copied else self.level
        self.table, self.host, self.limit = table, host, limit
        self.reward, self.gamma = problem.reward, problem.gamma
        fields = problem.task.schema
        self.step, self.solved, self.failed = (fields.field(name).column for name in ("step", "solved", "failed"))
        self.potentials = [c for c in self.reward.channels if c.kind == "potential"]
        self.gates = [c for c in self.reward.channels if c.cap is not None or c.gate == "latch"]
        self.keys = Keys()
        counts = np.diff(table.first).reshape(table.states, table.actions)
        slots = np.arange(counts.max())
        first = table.first[:-1].reshape(counts.shape)
        # Places of the outcomes [S, A, slots]; where there are fewer, the last one is repeated and later left out.
        self.places = first[..., None] + np.minimum(slots, counts[..., None] - 1)
        self.real = slots < counts[..., None]
        self.pays: dict[str, int] = {}
        self.phi = 0.0

    def model(self, original: TransitionTable) -> TableModel:
        """Expand all nodes. `original`: the table whose states and outcomes the result refers to."""
        front, start = self._start()
        layers: list[dict[str, NDArray[Any]]] = []
        while len(front.number):
            if self.keys.count > self.limit:
                text = "the reward depends on memory or gates: there are" if self.gates or layers else "there are"
                raise NotCertified(f"{text} more than {self.limit:,} (state, memory, gates) combinations")
            front = self._expanded(front, layers)
        return self._gathered(layers, start, original)

    def _start(self) -> tuple[Front, dict[int, float]]:
        """The nodes at which episodes start, and the probability of each by its number."""
        states = np.flatnonzero(self.table.start)
        begun = [(0.0, 0) if self.host is None else self.host.begin(self.table.rows[s]) for s in states]
        self.phi = begun[0][0]
        memory = np.array([m for _, m in begun], np.int64)
        _refuse_memory(memory)
        carried = np.zeros((len(states), 2 * len(self.gates) + len(self.potentials)))
        for k, channel in enumerate(self.potentials):
            phi = np.clip([phi for phi, _ in begun], -channel.limit, channel.limit)
            carried[:, 2 * len(self.gates) + k] = channel.shift + phi
        numbers, fresh = self.keys.number(states, memory, carried)
        chances: dict[int, float] = {}
        for number, state in zip(numbers.tolist(), states.tolist(), strict=True):
            chances[number] = chances.get(number, 0.0) + float(self.table.start[state])
        front = Front(numbers[fresh], states[fresh], memory[fresh], carried[fresh])
        return front, chances

    def _expanded(self, front: Front, layers: list[dict[str, NDArray[Any]]]) -> Front:
        """Score all outcomes of some nodes; return the nodes that are met for the first time."""
        table, places = self.table, self.places[front.state]
        shape = places.shape  # [F, A, slots]
        reward, successor = np.zeros(shape), np.full(shape, END, np.int64)
        fresh: list[Front] = []
        for slot in range(shape[2]):
            at, real = places[..., slot], self.real[front.state][..., slot]
            found = self._scored(front, at)
            _refuse_memory(found.memory[real & ~table.terminated[at]])
            if not self.timed and (found.reads[real] & READ_STEP).any():
                raise _ReadsStep
            self._count(found, real)
            reward[..., slot], after = self._composed(found, at, front.carried)
            going = (real & ~table.terminated[at] & (table.successor[at] < self.end)).ravel()
            state, memory = table.successor[at].ravel()[going], found.memory.ravel()[going]
            numbers, first = self.keys.number(state, memory, after[going])
            flat = np.full(going.size, END, np.int64)
            flat[going] = numbers
            successor[..., slot] = flat.reshape(at.shape)
            fresh.append(Front(numbers[first], state[first], memory[first], after[going][first]))
        layers.append({
            "number": front.number, "state": front.state, "memory": front.memory, "reward": reward,
            "successor": successor, "place": places, "real": self.real[front.state],
        })  # fmt: skip
        return Front.joined(fresh)

    def _scored(self, front: Front, at: NDArray[np.int64]) -> Expansion:
        """The program's components on one outcome [F, A] of each action."""
        table = self.table
        if self.host is None:
            zeros = np.zeros(at.shape)
            return Expansion((), np.zeros((*at.shape, 0)), zeros, zeros.astype(np.int64), zeros.astype(np.int64))
        after = table.rows[table.successor[at]]
        assert table.solved is not None
        before = table.rows[front.state]
        after[..., self.step] = before[:, None, self.step] + 1.0
        after[..., self.solved] = table.solved[at]
        succeeded = front.state % self.level >= self.single
        after[..., self.failed] = table.terminated[at] & ~table.solved[at] & ~succeeded[:, None]
        return self.host.expand(before, after, front.memory)

    def _count(self, found: Expansion, real: NDArray[np.bool_]) -> None:
        for i, name in enumerate(found.names):
            self.pays[name] = self.pays.get(name, 0) + int(np.count_nonzero(found.values[..., i][real]))
        if self.potentials:
            changes = int((np.abs(found.phi[real] - self.phi) > 0).sum())
            self.pays[POTENTIAL] = self.pays.get(POTENTIAL, 0) + changes

    def _composed(
        self, found: Expansion, at: NDArray[np.int64], carried: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(composed reward [F, A], what gates and potentials carry on [F * A, columns])."""
        table, size = self.table, at.size
        raw: dict[str, NDArray[Any]] = {}
        for channel in self.reward.channels:
            if channel.kind == "env":
                raw[channel.name] = table.reward[at].reshape(1, size)
            elif channel.kind == "potential":
                raw[channel.name] = found.phi.reshape(1, size)
                raw[channel.name + ":start"] = np.zeros((1, size))
            else:
                values = found.values.reshape(1, size, -1)
                raw[channel.name] = channel_values(channel, found.names, values, self.reward.functions)
        columns, base = np.repeat(carried, at.shape[1], axis=0), 2 * len(self.gates)
        carry = Carry()
        for k, channel in enumerate(self.gates):
            carry.spent[channel.name] = columns[:, 2 * k].copy()
            carry.latched[channel.name] = columns[:, 2 * k + 1] > 0
        for k, channel in enumerate(self.potentials):
            carry.phi[channel.name] = columns[:, base + k].copy()
        over = table.terminated[at].reshape(1, size)
        total = compose(self.reward.channels, raw, np.zeros((1, size), dtype=bool), over, self.gamma, carry).total
        after = np.zeros_like(columns)
        for k, channel in enumerate(self.gates):
            after[:, 2 * k] = np.round(carry.spent[channel.name], _DECIMALS) + 0.0  # + 0.0 makes -0.0 equal 0.0
            after[:, 2 * k + 1] = carry.latched[channel.name]
        for k, channel in enumerate(self.potentials):
            after[:, base + k] = carry.phi[channel.name] + 0.0
        return total.reshape(at.shape), after

    def _gathered(
        self, layers: list[dict[str, NDArray[Any]]], start: dict[int, float], original: TransitionTable
    ) -> TableModel:
        joined = {name: np.concatenate([layer[name] for layer in layers]) for name in layers[0]}
        place = np.full(self.keys.count + 1, END, np.int64)  # the last entry is the successor of END itself
        place[joined["number"]] = np.arange(len(joined["number"]))
        real, outcome = joined["real"], joined["place"]
        chances = np.zeros(len(joined["number"]))
        for number, chance in start.items():
            chances[place[number]] += chance
        at = outcome[real]
        assert self.table.solved is not None
        process = Process(
            actions=self.table.actions,
            first=np.concatenate([[0], np.cumsum(real.sum(axis=2).ravel())]).astype(np.int64),
            probability=self.table.probability[at],
            successor=place[joined["successor"]][real],
            reward=joined["reward"][real],
            solved=self.table.solved[at],
            start=chances,
        )
        state = joined["state"] % self.single
        memories = len(np.unique(joined["memory"]))
        return TableModel(process, state, at % len(original.probability), memories, self.pays, self.timed)


def _refuse_memory(memory: NDArray[Any]) -> None:
    if (memory == ONE_TOO_MANY).any():
        raise NotCertified(f"the program's memory takes more than {_MOST_MEMORIES:,} different values")
    if (memory == UNLISTED).any():
        usual = "numbers, strings, None, tuples, lists, dicts and sets, without sharing one between two entries"
        raise NotCertified(f"the program's memory contains values that cannot be enumerated; keep only {usual}")
