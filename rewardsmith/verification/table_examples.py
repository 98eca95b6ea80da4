"""Counter-examples on tasks with probabilities: an optimal policy that fails, played in the real environment."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout, record
from rewardsmith.tasks.base import BatchEnv, Behaviour
from rewardsmith.tasks.transition_table import TabularDynamics, TransitionTable

from .counterexample import CounterExample
from .horizons import policy_return
from .solving import END
from .table_model import TableModel
from .verdicts import Chances
from .ways import joined_episodes

_EPISODES = 20
_SIGMAS = 5.0  # deviation of the mean return from the computed one that is no accident
_SHOWN_STATES, _SHOWN_ACTIONS = 4, 24
_OFTEN = 0.05  # share of steps from which on a state is shown


@dataclass(frozen=True)
class _Way:
    name: str


class _LostTrack(Exception):
    """The environment did what its table does not contain."""


def find_example(
    problem: Problem,
    task: TabularDynamics,
    table: TransitionTable,
    model: TableModel,
    policy: NDArray[np.int64],
    chances: Chances,
) -> CounterExample | None:
    """Play a policy in the real environment; return one of its episodes without success, and the policy in words.

    The result is None if its mean return differs from the computed one by more than chance explains.

    Args:
        problem: The task, the reward and the learner's gamma.
        task: The same task, which knows the model.
        table: The exact model.
        model: The reward on it.
        policy: int64 [N], the action at every node.
        chances: Probabilities of success.

    Raises:
        sandbox.HostError: The program failed.
    """
    gamma, steps = problem.gamma, problem.task.max_steps
    try:
        found = _played(problem, task, table, model, policy, 1 if model.process.deterministic else _EPISODES)
    except _LostTrack:
        return None
    episodes = [episode for episode, _ in found]
    played = joined_episodes([(_Way("optimal policy"), episode) for episode in episodes], led=False)
    total = problem.score(played.rollout).total
    inside = np.arange(len(total))[:, None] < played.length
    returns = (total * inside * gamma ** np.arange(len(total))[:, None]).sum(axis=0)
    claimed = policy_return(model.process, policy, gamma, steps)
    spread = 0.0 if len(returns) < 2 else float(returns.std(ddof=1)) / math.sqrt(len(returns))
    if abs(float(returns.mean()) - claimed) > _SIGMAS * spread + 1e-6 * (1 + abs(claimed)):
        return None
    failed = np.flatnonzero(~played.solved)
    if not len(failed):
        return None
    shown = int(failed[0])
    actions = tuple(int(a) for a in episodes[shown].actions[:, 0])
    seed = task.table_seed(shown)
    often = _most_visited(problem, table, found[shown][1], actions)
    kind = "never solves the task" if chances.smallest <= 0 else f"solves it with probability {chances.smallest:.3g}"
    text = f"Counter-example: an optimal policy {kind}. An episode from the start with seed {seed}: "
    text += f"{_words(problem, actions)}. It earns {returns[shown]:.4g} (discounted, {len(actions)} steps) and does "
    text += f"not solve the task; it takes most steps in {often}."
    acts = Behaviour("counter-example", actions, layout=shown)
    plain = float((total * inside)[:, shown].sum())
    return CounterExample(problem.task.id, acts, seed, gamma, len(actions), float(returns[shown]), plain, text)


def _played(
    problem: Problem,
    task: TabularDynamics,
    table: TransitionTable,
    model: TableModel,
    policy: NDArray[np.int64],
    count: int,
) -> list[tuple[Rollout, list[int]]]:
    """Episodes of a policy from the first starts of the training pool, each [T, 1], and the state at each step."""
    batch = problem.task.batch(1, "train")
    found = []
    try:
        for layout in range(count):
            batch.play(layout)
            follower = _Follower(task, table, model, policy, batch)
            episode = record(batch, problem.task, follower.choose, problem.task.max_steps, once=True)
            found.append((episode, follower.states))
    finally:
        batch.close()
    return found


class _Follower:
    """Follows the nodes of an episode, because a policy depends on what the program remembers as well."""

    def __init__(
        self,
        task: TabularDynamics,
        table: TransitionTable,
        model: TableModel,
        policy: NDArray[np.int64],
        batch: BatchEnv,
    ) -> None:
        self._task, self._table, self._model, self._policy, self._batch = task, table, model, policy, batch
        self._node = -1
        self.states: list[int] = []

    def choose(self, t: int, starts: NDArray[np.bool_]) -> list[int]:
        """Return the policy's action after `t` steps of the episode."""
        state = int(self._task.table_states(self._batch)[0])
        self.states.append(state)
        self._node = self._first(state) if t == 0 else self._next(state)
        return [int(self._policy[self._node])]

    def _first(self, state: int) -> int:
        found = np.flatnonzero((self._model.process.start > 0) & (self._model.state == state))
        if not len(found):
            raise _LostTrack
        return int(found[0])

    def _next(self, state: int) -> int:
        process = self._model.process
        pair = self._node * process.actions + int(self._policy[self._node])
        for k in range(int(process.first[pair]), int(process.first[pair + 1])):
            there = int(process.successor[k])
            paid = self._table.reward[self._model.outcome[k]]
            if there != END and self._model.state[there] == state and np.isclose(paid, self._batch.rewards[0]):
                return there
        raise _LostTrack


def _most_visited(problem: Problem, table: TransitionTable, states: list[int], actions: tuple[int, ...]) -> str:
    """The states in which an episode takes most of its steps, with the actions, in words."""
    names = problem.task.actions.names
    often = Counter(zip(states, actions, strict=True)).most_common(_SHOWN_STATES)
    least = max(2, _OFTEN * len(actions))
    shown = [
        f"{problem.task.caption(table.rows[state], {})} ({names[action]}, {count} times)"
        for (state, action), count in often
        if count >= least
    ] or [f"{problem.task.caption(table.rows[states[-1]], {})} ({names[actions[-1]]})"]
    return "; ".join(shown)


def _words(problem: Problem, actions: tuple[int, ...]) -> str:
    names = [problem.task.actions.names[a] for a in actions[:_SHOWN_ACTIONS]]
    runs = [(word, len(list(same))) for word, same in groupby(names)]
    text = ", ".join(word if count == 1 else f"{word} x{count}" for word, count in runs)
    return text + (", ..." if len(actions) > _SHOWN_ACTIONS else "")
