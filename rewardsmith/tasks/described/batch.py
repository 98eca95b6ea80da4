"""N real environments of a described task, behind the BatchEnv protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described.columns import INTS, Columns, quick
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.judging import Judge
from rewardsmith.tasks.described.reading import NoValue, StateReading, Variable
from rewardsmith.tasks.described.watchdog import WATCHDOG
from rewardsmith.tasks.guarded import task_error
from rewardsmith.tasks.observations import ObservationSpace

FIRST_SEEDS = {"train": 1_000_000, "select": 2_000_000, "claim": 3_000_000}
"""By pool, the seed of the reset that starts on layout 0."""

_POOL_SIZE = 1_000_000
_FEW = 12  # environments up to which a loop over them is quicker than one call of numpy
_GOES_ON = False, False
_NUMBERS = frozenset({float, int, np.float64, np.float32, np.int64})
"""Types of rewards that need no closer look."""


@dataclass(frozen=True)
class Form:
    """The properties that the environments of one task share.

    Attributes:
        task_id: What errors call the task.
        actions: The actions as reward code sees them.
        observation: The observation space.
        offset: Subtracted from each number of an observation before a policy sees it, float64 [D].
        scale: What each number is divided by then, float32 [D].
        max_steps: Step limit of an episode.
        width: Columns of a state row.
        reading: Makes what reads the state of one environment.
        variables: Readers of the variables.
        judge: Makes what tests the success of N environments, which it is given.
        function: The user's own state(env, observation, info); None if there is none.
        mask: Reads the actions that are allowed from (env, info), bool [A]; None if all are.
    """

    task_id: str
    actions: ActionSpace
    observation: ObservationSpace
    offset: NDArray[np.float64]
    scale: NDArray[np.float32]
    max_steps: int
    width: int
    reading: Callable[[], StateReading]
    variables: Sequence[Variable]
    judge: Callable[[Sequence[Any]], Judge]
    function: Callable[..., Mapping[str, Any]] | None = None
    mask: Callable[[Any, Mapping[str, Any]], NDArray[np.bool_]] | None = None


class Seeds:
    """Draws the start of each episode of a batch, from the seeds of one pool."""

    def __init__(self, pool: str) -> None:
        self._first = FIRST_SEEDS[pool]
        self.begin(0)

    def begin(self, seed: int) -> None:
        """`seed` decides all that is drawn from here on."""
        self._rng = np.random.default_rng(seed)
        self._drawn: list[int] = []

    def draw(self) -> int:
        """The layout of the next episode that starts."""
        if not self._drawn:  # many at once are the same numbers as one by one, and cheaper
            self._drawn = self._rng.integers(_POOL_SIZE, size=64).tolist()[::-1]
        return self._drawn.pop()

    def of(self, layout: int) -> int:
        """The seed that an environment starts a layout with."""
        return self._first + layout


class DescribedBatch:
    """N real environments, stepped one after the other.

    What is the same for all of them is done once for the batch, because a step of a classic environment takes
    microseconds.
    """

    def __init__(self, envs: Sequence[GuardedEnv], pool: str, form: Form) -> None:
        """envs: the real environments, which this batch closes."""
        num_envs = len(envs)
        self._envs, self._form, self._seeds = envs, form, Seeds(pool)
        inner = [env.inner(form.max_steps) for env in envs]
        self._calls, self._resets = [env.step for env in inner], [env.reset for env in inner]
        self._columns = Columns(envs, form.observation, form.width, form.variables, form.function)
        self._judge = form.judge([env.env for env in envs])
        self.num_envs = num_envs
        self.observation_size = form.observation.size
        self.tables: Mapping[str, Any] = {}
        self.rewards = np.zeros(num_envs)
        self.terminated = np.zeros(num_envs, dtype=bool)
        self.truncated = np.zeros(num_envs, dtype=bool)
        self.success = np.zeros(num_envs, dtype=bool)
        self.layout = np.zeros(num_envs, dtype=np.int64)
        self.masks = None if form.mask is None else np.ones((num_envs, len(form.actions)), dtype=bool)
        self._paid: list[Any] = [0.0] * num_envs
        self._rewards = quick(self.rewards)
        self._own_actions = _own_type(form.actions)
        self._outcomes: list[Any] = [None] * num_envs
        self._returns = np.zeros(num_envs)
        self._length = self._columns.rows[:, -3]
        self._lengths = quick(self._length) if num_envs <= _FEW else None
        self._tick, self._began = 0, [0] * num_envs  # steps of the batch, and when each episode began
        self._limit = 0  # the step of the batch on which the first episode reaches its limit
        self._ended: dict[int, tuple[bool, bool]] = {}  # (terminated, truncated) where a step ended an episode
        self._solved: list[int] = []
        self._scaled = Scaling(form)

    def reset(self, seed: int) -> None:
        """Start everywhere; the seed decides all start states from here on."""
        self._seeds.begin(seed)
        self.restart(np.ones(self.num_envs, dtype=bool))

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start where `mask` is true."""
        self.start([(n, self._seeds.draw()) for n in mask.nonzero()[0].tolist()])

    def play(self, layout: int) -> None:
        """Start everywhere from the same state."""
        self.start([(n, layout) for n in range(self.num_envs)])

    def start(self, chosen: Sequence[tuple[int, int]]) -> None:
        """Start episodes: (environment, layout) of each."""
        WATCHDOG.begin(self._form.task_id, "reset()", self._envs[0].limit)
        try:
            for n, layout in chosen:
                WATCHDOG.beat = n
                self._start(n, layout)
        finally:
            WATCHDOG.end()
        self._columns.check("reset()", self._envs.__getitem__)
        self._limit = min(self._began) + self._form.max_steps

    def _start(self, n: int, layout: int) -> None:
        env, columns = self._envs[n], self._columns
        env.steps = 0
        try:
            returned = self._resets[n](seed=self._seeds.of(layout))
        except (Exception, SystemExit) as error:
            raise task_error(self._form.task_id, "reset()", error) from error
        env.check_start(returned)
        observation, info = returned
        columns.write(n, observation, "reset()")
        if type(info) is not dict:
            env.known_info("reset()", info)
        try:
            columns.start(n, observation, info)
        except (Exception, SystemExit) as error:
            raise self._unreadable(error) from error
        self._judge.start(n)
        self.layout[n] = layout
        self.terminated[n] = self.truncated[n] = self.success[n] = False
        self._ended.pop(n, None)
        if self.masks is not None:
            self._mask(n, env, info)
        self._returns[n], self._began[n] = 0.0, self._tick

    def step(self, actions: NDArray[Any]) -> None:
        """One step of every environment."""
        chosen = self._chosen(actions)
        self._tick += 1
        if self._ended or self._solved:
            self._forget_last()
        self._play(chosen)
        total = sum(self._paid)
        if total - total != 0.0:  # NaN or infinity
            for n, paid in enumerate(self._paid):
                self._guard(n).number(paid)
        columns = self._columns
        columns.check("step()", self._guard)
        if columns.copied:
            columns.copy()
        if (lengths := self._lengths) is None:
            self._length += 1.0
        else:
            tick = self._tick
            for n, began in enumerate(self._began):
                lengths[n] = tick - began
        if self._judge.reads_return:
            self._returns += self.rewards
        if self._tick >= self._limit:
            self._reach_limit()
        if self._ended or not self._judge.at_end:
            self._test()

    def _chosen(self, actions: NDArray[Any]) -> Sequence[Any]:
        """The argument of each environment's `step`."""
        own = self._own_actions
        if own is None or type(actions) is not np.ndarray or actions.ndim != (2 if own.kind == "f" else 1):
            return self._form.actions.all_in_environment(actions)
        cast = actions if actions.dtype is own else actions.astype(own)
        # One entry is taken out of an array in a third of the time that a list of it takes.
        return [cast[0]] if len(cast) == 1 else [*cast]

    def _play(self, chosen: Sequence[Any]) -> None:
        """Step every environment, and write what it returns."""
        columns, paid, rewards, outcomes = self._columns, self._paid, self._rewards, self._outcomes
        dtype, size, targets = columns.dtype, columns.size, columns.targets
        reads = columns.reads_more or self.masks is not None
        keeps = not self._judge.at_end or self._tick >= self._limit
        choices, array, numbers, ints, watchdog = columns.choices, np.ndarray, _NUMBERS, INTS, WATCHDOG
        watchdog.begin(self._form.task_id, "step()", self._envs[0].limit)
        # Every step of every environment comes through here: the usual forms are tested first, by identity.
        try:
            for n, call in enumerate(self._calls):
                watchdog.beat = n
                try:
                    returned = call(chosen[n])
                except (Exception, SystemExit) as error:
                    raise task_error(self._form.task_id, "step()", error) from error
                if type(returned) is not tuple or len(returned) != 5:
                    self._guard(n).check_form(returned)
                observation, reward, terminated, truncated, info = returned
                if targets and type(observation) is array and observation.dtype is dtype and observation.size == size:
                    targets[n][...] = observation
                elif choices is not None and type(observation) in ints:
                    choices[n] = observation
                else:
                    self._guard(n)
                    columns.write(n, observation, "step()")
                paid[n] = rewards[n] = reward if type(reward) in numbers else self._guard(n).number(reward)
                if terminated is not False or truncated is not False:
                    self._end(n, terminated, truncated)
                if type(info) is not dict:
                    self._guard(n).known_info("step()", info)
                if keeps or n in self._ended:
                    outcomes[n] = returned
                if reads:
                    self._read(n, observation, info)
        finally:
            watchdog.end()

    def _guard(self, n: int) -> GuardedEnv:
        """The guard of environment n, which knows the number of its step."""
        env = self._envs[n]
        env.steps = self._tick - self._began[n]
        return env

    def _forget_last(self) -> None:
        """Take back what the last step said of episodes that it ended, or in which it was successful."""
        rows = self._columns.rows
        for n in self._ended:
            self.terminated[n] = self.truncated[n] = False
            rows[n, -1] = 0.0
        for n in self._solved:
            rows[n, -2] = 0.0
        self._ended.clear()
        self._solved.clear()

    def _end(self, n: int, terminated: Any, truncated: Any) -> None:
        over, late = self._guard(n).flags(terminated, truncated)
        if over or late:
            self._ended[n] = over, late and not over
            self.terminated[n], self.truncated[n] = self._ended[n]

    def _reach_limit(self) -> None:
        """Truncate the episodes that have reached the task's step limit."""
        for n, began in enumerate(self._began):
            if self._tick - began >= self._form.max_steps and n not in self._ended:
                self._ended[n] = False, True
                self.truncated[n] = True

    def _test(self) -> None:
        """Test the success of the episodes, as far as it can be true on this step."""
        judge, rows, ended = self._judge, self._columns.rows, self._ended
        row = self._columns.row
        returns = self._returns.tolist() if judge.reads_return else self._paid
        for n in list(ended) if judge.at_end else range(self.num_envs):
            terminated, truncated = ended.get(n, _GOES_ON)
            observation, reward, _, _, info = self._outcomes[n]
            step = self._tick - self._began[n]
            after = step, float(reward), terminated, truncated, returns[n], info
            try:
                solved = judge.holds(n, row[n], after, observation)
            except (Exception, SystemExit) as error:
                raise self._unreadable(error) from error
            if solved:
                self.success[n] = True
                self._solved.append(n)
                rows[n, -2] = 1.0
            if terminated and not self.success[n]:
                rows[n, -1] = 1.0

    def _read(self, n: int, observation: Any, info: Any) -> None:
        if self._columns.reads_more:
            try:
                self._columns.read(n, observation, info)
            except (Exception, SystemExit) as error:
                raise self._unreadable(error) from error
        if self.masks is not None:
            self._mask(n, self._envs[n], info)

    def _unreadable(self, error: BaseException) -> BaseException:
        if isinstance(error, NoValue):
            return TaskError(
                f"The state of {self._form.task_id} cannot be read: {error} is not there.",
                "Correct the sources under `state`; `rewardsmith tasks try` shows what there is.",
            )
        return task_error(self._form.task_id, "the description's `state` or `success`", error)

    def _mask(self, n: int, env: GuardedEnv, info: Mapping[str, Any]) -> None:
        if self.masks is not None and self._form.mask is not None:
            self.masks[n] = found = self._form.mask(env.env, info)
            if not found.any() and n not in self._ended:
                raise env.wrong("its action mask", "allows no action", "Allow an action wherever another one follows.")

    def observe(self, out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """Observations in the policy's scale; only rows where `mask` is true, if given."""
        self._scaled.write(self._columns.observed, out, mask)

    @property
    def observed(self) -> NDArray[Any]:
        """The numbers of the observations as the environments returned them, [N, D]."""
        return self._columns.observed

    def state_rows(self, out: NDArray[Any]) -> None:
        """The variables, then step count, success on this step, failure."""
        out[:] = self._columns.rows

    def close(self) -> None:
        """Close the N real environments."""
        for env in self._envs:
            env.close()


def _own_type(actions: ActionSpace) -> np.dtype[Any] | None:
    """The type to which actions are cast where nothing else is to be done with them; None if there is more to do."""
    if actions.discrete:
        return None if actions.first[0] else np.dtype(actions.dtype)
    kind = np.dtype(actions.dtype)
    return kind if actions.kind == "box" and kind.kind == "f" and actions.shape == (actions.width,) else None


class Scaling:
    """Brings observations into the scale of a policy."""

    def __init__(self, form: Form) -> None:
        self._offset = form.offset if form.offset.any() else None
        self._scale = form.scale if (form.scale != 1.0).any() else None

    def write(self, observed: NDArray[Any], out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """Write observations [N, D] into out [N, D]; only the rows where `mask` is true, if given."""
        chosen: Any = slice(None) if mask is None else mask
        seen = observed[chosen]
        if self._offset is not None:
            seen = seen - self._offset
        out[chosen] = seen if self._scale is None else seen / self._scale
