"""Reads the exact model that tabular environments keep as `P[state][action] = [(probability, next, reward, over)]`.

The model is compared with play before anything rests on it: wrappers and the environment's own step may differ from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.reading import NoValue
from rewardsmith.tasks.transition_table import NotTabular, TransitionTable

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup

_RESETS = 64  # starts that are compared with the start distribution
_STEPS = 4_000  # random steps that are compared with the model
_SIGMAS = 5.0  # deviation of an outcome's frequency from its probability that is no accident
_SAME = 1e-9  # tolerance of probabilities and rewards
_SHOWN = 4  # faults of one kind that a message names
_REMEDY = "A task needs `env.unwrapped.P` and `initial_state_distrib` that agree with play; others have no exact model."
_BEYOND_A_STEP = re.compile(r"\b(step|length|truncated|episode_return|info|held)\b")

_Outcome = tuple[float, int, float, bool]


def read_table(setup: Setup) -> TransitionTable:
    """Return the exact model of a described task, compared with play.

    Args:
        setup: The description and what follows from it.

    Raises:
        NotTabular: If there is none, or play contradicts it, with every reason that is found.
        TaskError: If the environment fails while it is played.
    """
    env = setup.make()
    try:
        with environments.generators_kept():
            return _Reader(setup, env).table()
    finally:
        environments.close(env)


class _Reader:
    """Reads the model of one environment and collects what is wrong with it."""

    def __init__(self, setup: Setup, env: Any) -> None:
        self._setup, self._env, self._bare = setup, env, env.unwrapped
        self._faults: list[str] = []

    def table(self) -> TransitionTable:
        """Return the model. Raises NotTabular with every reason against it."""
        self._require(self._of_spaces())
        states, actions = int(self._env.observation_space.n), int(self._env.action_space.n)
        model = self._model(states, actions)
        start = self._start(states)
        self._require(iter(()))
        rows = self._rows(states)
        self._require(iter(()))
        counts = np.array([[len(model[s][a]) for a in range(actions)] for s in range(states)])
        flat = [outcome for by_action in model for outcomes in by_action for outcome in outcomes]
        probability, successor, reward, over = (np.array(column) for column in zip(*flat, strict=True))
        found = TransitionTable(
            states=states,
            actions=actions,
            first=np.concatenate([[0], np.cumsum(counts.ravel())]).astype(np.int64),
            probability=probability.astype(np.float64),
            successor=successor.astype(np.int64),
            reward=reward.astype(np.float64),
            terminated=over.astype(np.bool_),
            solved=self._solved(rows, flat),
            start=start,
            rows=rows,
        )
        self._require(self._played(found, rows))
        return found

    def _require(self, more: Iterator[str]) -> None:
        """Raise NotTabular if there are faults."""
        self._faults += more
        if self._faults:
            task_id = self._setup.description.id
            raise NotTabular(f"{task_id} has no exact model: {'; '.join(self._faults)}.", _REMEDY)

    def _of_spaces(self) -> Iterator[str]:
        from gymnasium import ActionWrapper, ObservationWrapper, RewardWrapper, Wrapper, spaces

        bare = self._bare
        table = getattr(bare, "P", None)
        if not isinstance(table, dict | list | tuple | np.ndarray) or not len(table):
            yield "its environment has no table `P`"
            return
        layer, neutral = self._env, "gymnasium.wrappers.common"
        while isinstance(layer, Wrapper):
            kind = type(layer)
            changes = isinstance(layer, ActionWrapper | ObservationWrapper | RewardWrapper)
            if changes or (kind.step is not Wrapper.step and not kind.__module__.startswith(neutral)):
                yield f"the wrapper {kind.__name__} may change what `P` says"
            layer = layer.env
        if not isinstance(self._env.observation_space, spaces.Discrete):
            yield f"the observation is not the state: its space is {self._env.observation_space}"
        elif int(self._env.observation_space.n) != len(table):
            yield f"the observation has {self._env.observation_space.n} values, and `P` {len(table)} states"
        if not isinstance(self._env.action_space, spaces.Discrete):
            yield f"its actions are in {self._env.action_space}"
        for variable in self._setup.description.state:
            if (variable.source or "").startswith("info"):
                yield f"the variable {variable.name} is read from an info, which no state has by itself"

    def _model(self, states: int, actions: int) -> list[list[list[_Outcome]]]:
        """The outcomes of each state and action, equal ones added up; faults are noted."""
        first, first_action = int(self._env.observation_space.start), int(self._env.action_space.start)
        wrong: list[str] = []
        model = [
            [self._outcomes(s + first, a + first_action, states, first, wrong) for a in range(actions)]
            for s in range(states)
        ]
        more = [f"and {len(wrong) - _SHOWN} more of this kind"] if len(wrong) > _SHOWN else []
        self._faults += [*wrong[:_SHOWN], *more]
        return model

    def _outcomes(self, state: int, action: int, states: int, first: int, wrong: list[str]) -> list[_Outcome]:
        where = f"P[{state}][{action}]"
        try:
            told = [(float(p), int(s) - first, float(r), bool(over)) for p, s, r, over in self._bare.P[state][action]]
        except (LookupError, TypeError, ValueError):
            wrong.append(f"{where} is no list of (probability, next state, reward, terminated)")
            return []
        merged: dict[tuple[int, float, bool], float] = {}
        for p, s, r, over in told:
            merged[s, r, over] = merged.get((s, r, over), 0.0) + p
        total = sum(p for p, *_ in told)
        if abs(total - 1) > _SAME or any(p < 0 for p, *_ in told):
            wrong.append(f"the probabilities of {where} are not in [0, 1] with the sum 1, but sum to {total:.6g}")
        if outside := [s + first for _, s, *_ in told if not 0 <= s < states]:
            wrong.append(f"{where} leads to the state {outside[0]}, which there is not")
        if not all(np.isfinite(r) for _, _, r, _ in told):
            wrong.append(f"a reward of {where} is not finite")
        return [(p, s, r, over) for (s, r, over), p in merged.items() if p > 0]

    def _start(self, states: int) -> NDArray[np.float64]:
        """The distribution of first states; if the environment does not state it, the only one that resets show."""
        first = int(self._env.observation_space.start)
        seen = Counter(int(self._env.reset(seed=seed)[0]) - first for seed in range(_RESETS))
        told = getattr(self._bare, "initial_state_distrib", None)
        if told is None:
            if len(seen) > 1:
                self._faults.append("`initial_state_distrib` is missing, and episodes start in several states")
            found = np.zeros(states)
            found[next(iter(seen))] = 1.0
            return found
        found = np.asarray(told, np.float64).ravel()
        if found.shape != (states,) or (found < 0).any() or abs(found.sum() - 1) > _SAME:
            self._faults.append(f"`initial_state_distrib` is no distribution over {states} states")
            return np.zeros(states)
        if never := [state for state in seen if found[state] == 0]:
            self._faults.append(f"an episode started in state {never[0]}, which `initial_state_distrib` excludes")
        return found

    def _rows(self, states: int) -> NDArray[np.float64]:
        """Each state as a row of the schema. The user's functions may read the attribute `s` of toy text."""
        reading, first = self._setup.form.reading(), int(self._env.observation_space.start)
        rows = np.zeros((states, self._setup.form.width))
        held = hasattr(self._bare, "s")
        before = getattr(self._bare, "s", None)
        for state in range(states):
            if held:
                self._bare.s = state + first
            try:
                reading.first(self._env, state + first, {}, np.array([float(state + first)]), rows[state])
            except (NoValue, Exception) as error:
                self._faults.append(f"state {state} cannot be read by itself: {type(error).__name__}: {error}")
                break
        if held:
            self._bare.s = before
        return rows

    def _solved(self, rows: NDArray[np.float64], flat: list[_Outcome]) -> NDArray[np.bool_] | None:
        """Whether each outcome succeeds; None for a test that reads more than one step, or is a function."""
        condition, text = self._setup.condition, self._setup.description.condition or ""
        if condition is None or _BEYOND_A_STEP.search(text):
            return None
        test = condition.compile()
        values = [{v.name: v.read(row) for v in self._setup.variables} for row in rows]
        return np.array(
            [test.holds({**values[s], "reward": r, "terminated": over}, []) for _, s, r, over in flat], np.bool_
        )

    def _played(self, table: TransitionTable, rows: NDArray[np.float64]) -> Iterator[str]:
        """Compare random play with the model: what happens at all, how often, and what rewards read."""
        env, rng, reading = self._env, np.random.default_rng(0), self._setup.form.reading()
        first, own = int(env.observation_space.start), int(env.action_space.start)
        row, seen, over, episode, state = np.zeros(rows.shape[1]), Counter[int](), True, 0, 0
        for _ in range(_STEPS):
            if over:
                observation, info = env.reset(seed=episode)
                state, episode = int(observation) - first, episode + 1
                reading.first(env, observation, info, np.array([float(observation)]), row)
            action = int(rng.integers(table.actions))
            observation, reward, terminated, truncated, info = env.step(own + action)
            plain = observation, float(reward), bool(terminated), bool(truncated), info
            reading.next(env, plain, np.array([float(observation)]), row)
            after = int(observation) - first
            place = self._place(table, state, action, after, float(reward), bool(terminated))
            if place is None:
                led = f"action {action} in state {state} led to state {after} with reward {reward:g}"
                yield f"play contradicts `P`: {led}"
                return
            if not np.array_equal(row[:-3], rows[after, :-3]):
                yield f"what rewards read in state {after} depends on more than the state"
                return
            seen[place] += 1
            state, over = after, bool(terminated or truncated)
        yield from self._frequencies(table, seen)

    @staticmethod
    def _place(table: TransitionTable, state: int, action: int, after: int, reward: float, over: bool) -> int | None:
        for k in range(*table.outcomes(state, action).indices(len(table.probability))):
            same = table.successor[k] == after and table.terminated[k] == over
            if same and abs(table.reward[k] - reward) <= _SAME * (1 + abs(reward)):
                return k
        return None

    @staticmethod
    def _frequencies(table: TransitionTable, seen: Counter[int]) -> Iterator[str]:
        for pair in range(table.states * table.actions):
            places = range(int(table.first[pair]), int(table.first[pair + 1]))
            count = sum(seen[k] for k in places)
            for k in places if len(places) > 1 else ():
                p = float(table.probability[k])
                if abs(seen[k] - count * p) > _SIGMAS * max((count * p * (1 - p)) ** 0.5, 1.0):
                    state, action = divmod(pair, table.actions)
                    yield (
                        f"play contradicts `P`: action {action} in state {state} led to state {table.successor[k]} "
                        f"{seen[k]} times of {count}, and `P` says {p:.3g}"
                    )
                    return
