"""Optional capabilities of tasks, one protocol each, and functions that look them up.

`planner_of(task)` and the other functions return the task itself, typed as one capability, or None. Code that needs a
capability asks for it here and states what happens without it; no code compares the names of tasks or engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rewardsmith.scores import ScoreRule
from rewardsmith.tasks.base import BatchEnv, Behaviour, Tables, Task
from rewardsmith.tasks.reference import Reference
from rewardsmith.tasks.transition_table import NotTabular, TabularDynamics, TransitionTable


@runtime_checkable
class Planner(Protocol):
    """Solves layouts. Without it there is no battery, no order of subgoals and no method that learns from plans."""

    def oracle_plans(self, count: int) -> Sequence[tuple[int, list[int]]] | None:
        """Return (layout, actions) for at most `count` solved training layouts; None if it can solve none."""
        ...

    def solution(self, layout: int) -> Sequence[int] | None:
        """Return actions that solve a training layout, or None. They are the fewest if a full search is affordable."""
        ...

    def behaviours(self, layout: int, solution: Sequence[int]) -> list[Behaviour]:
        """Return generic behaviours on a training layout that a sound reward must not favour over solving it.

        Repeated and alternated actions are not among them: the battery adds those for every task.
        """
        ...


@runtime_checkable
class CountableStates(Protocol):
    """Counts a layout's states. Without it a certificate cannot state which fraction of the states it covers."""

    def count_states(self, layout: int, cap: int) -> tuple[int, bool] | None:
        """Count the non-terminal states that a training layout can reach.

        Returns:
            (number of states, at most `cap`; whether these are all), or None if unknown.
        """
        ...


@runtime_checkable
class TabularModel(Protocol):
    """Enumerates states with every action's outcome. Without it there is no certificate and no predicted difficulty."""

    state_limit: int
    """The most states of a layout that a certificate enumerates unless a limit is given."""

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> Any | None:
        """Enumerate the states that a training layout can reach.

        Args:
            layout: Index of a training layout.
            limit: The most states to expand.
            events: Whether states that differ only in the last event are different states.
            uses: Costly features to fill into the rows.
            along: Actions from the start. States nearest to the ones that they pass are expanded first; without them,
                states nearest to the start.

        Returns:
            A minigrid.enumerate.StateGraph, or None if the states cannot be enumerated.
        """
        ...


@runtime_checkable
class ListedStarts(Protocol):
    """Lists its starting layouts. Without it one layout stands for all, and no trajectory is replayed."""

    def pool_hashes(self, split: str) -> list[str]:
        """Return a hash of every layout of a pool, in its order; equal layouts have equal hashes."""
        ...

    def start_seed(self, layout: int) -> int:
        """Return the seed that makes the real environment's reset start on a training layout."""
        ...

    def real_batch(self, num_envs: int, pool: str) -> BatchEnv:
        """Return `num_envs` real environments that play the layouts of `pool`, whichever engine `batch` uses."""
        ...


@runtime_checkable
class KnownPay(Protocol):
    """Rewards success alone, by the step it comes at. Without it the success reward is known only where observed."""

    def success_reward(self, step: int) -> float:
        """Return the environment's reward for a success at `step` (1 to max_steps), equal to it bit for bit."""
        ...


@runtime_checkable
class Events(Protocol):
    """Reports what each step did, and to which object. Without it there are no subgoals, labels or verifiers' flags."""

    def read_event(self, row: NDArray[Any]) -> tuple[str, str | None]:
        """The last event in a state row [W], and the kind of object it concerned, if any."""
        ...


@runtime_checkable
class Rendering(Protocol):
    """Draws transitions. Without it a transition is described by captions of the states before and after alone."""

    legend: str
    """The meaning of the symbols in the drawings."""

    def draw_state(self, row: NDArray[Any], tables: Tables) -> str:
        """Return a drawing of the whole state in a row [W]."""
        ...

    def draw_observation(self, observation: NDArray[np.float32]) -> str:
        """Return a drawing of a policy's observation [D]."""
        ...

    def transition_columns(
        self, before: NDArray[Any], actions: NDArray[Any], after: NDArray[Any], everything: bool
    ) -> NDArray[np.int32]:
        """Return the columns that determine a transition's description, int32 [..., K].

        Args:
            before: State rows [..., W].
            actions: Actions [...].
            after: State rows [..., W].
            everything: Whether the description includes the whole states.
        """
        ...

    def transition_words(
        self, before: NDArray[Any], action: str, after: NDArray[Any], tables: Tables, drawings: list[str]
    ) -> str:
        """Describe a transition between two rows [W]; `drawings` show the state before and after, or are empty."""
        ...


@dataclass(frozen=True)
class StateReader:
    """Code that reads the state from the plain environment without rewardsmith.

    `modules` and `code` together define the class StateTracker and the functions first_row and next_row.

    Attributes:
        making: The expression that makes the environment.
        modules: Modules whose source comes first, without docstring and imports.
        code: Source texts that follow.
        notes: Sentences on what has to be installed, or to lie beside the exported file.
    """

    making: str
    modules: tuple[ModuleType, ...]
    code: tuple[str, ...]
    notes: tuple[str, ...] = ("Nothing here imports rewardsmith.",)


@runtime_checkable
class OfEnvironment(Protocol):
    """Plays a registered environment under another name. Without it, published settings are found by the task's id."""

    @property
    def environment_id(self) -> str:
        """Gymnasium's id of the environment."""
        ...


@runtime_checkable
class Scored(Protocol):
    """May be compared by a score instead of a success. Without it a task has a success."""

    @property
    def score_rule(self) -> ScoreRule | None:
        """What the score of an episode is; None if the task has a success."""
        ...


@runtime_checkable
class Starts(Protocol):
    """Starts from states rather than layouts. Without it the starts of a task are called layouts."""

    def has_one_start(self) -> bool:
        """Return whether every episode starts in the same state."""
        ...


@runtime_checkable
class Exportable(Protocol):
    """Can be read without rewardsmith. Without it no reward is exported as a file that runs on its own."""

    def state_reader(self) -> StateReader:
        """Return the code that an exported reward includes."""
        ...


@runtime_checkable
class NamedByHand(Protocol):
    """Is described by a user. Without it there are no names that a user has to compare with the environment."""

    def order_warning(self) -> str | None:
        """Return which names of the description the user should check; None if they cannot be mixed up."""
        ...


@runtime_checkable
class Referenced(Protocol):
    """May name something that succeeds. Without it, and without a planner, no behaviour is compared with a solution."""

    @property
    def reference(self) -> Reference | None:
        """The reference, or None if the task names none."""
        ...

    def referring_to(self, named: str) -> Reference:
        """Open another reference, such as a policy file; `named` is what a description may name. Raises UsageError."""
        ...


@runtime_checkable
class OneEnvironment(Protocol):
    """Makes its environment alone, outside of a batch. Without it no wrapper or function of observations is checked."""

    def make_env(self) -> Any:
        """Return one environment of Gymnasium as the task plays it. Raises UsageError if it cannot be made."""
        ...


def referenced_of(task: Task) -> Referenced | None:
    """Return the task if references can act in it, or None."""
    return task if isinstance(task, Referenced) else None


def reference_of(task: Task) -> Reference | None:
    """Return the task's reference, or None."""
    return task.reference if isinstance(task, Referenced) else None


def environment_of(task: Task) -> OneEnvironment | None:
    """Return the task if it makes its environment alone, or None."""
    return task if isinstance(task, OneEnvironment) else None


def planner_of(task: Task) -> Planner | None:
    """Return the task if it is a planner, or None."""
    return task if isinstance(task, Planner) else None


def countable_of(task: Task) -> CountableStates | None:
    """Return the task if its states can be counted, or None."""
    return task if isinstance(task, CountableStates) else None


def tabular_of(task: Task) -> TabularModel | None:
    """Return the task if it has a tabular model, or None."""
    return task if isinstance(task, TabularModel) else None


def transition_table_of(task: Task) -> TransitionTable | None:
    """Return the task's exact model, or None; `task.transition_table()` raises the reasons why there is none."""
    if not isinstance(task, TabularDynamics):
        return None
    try:
        return task.transition_table()
    except NotTabular:
        return None


def starts_of(task: Task) -> ListedStarts | None:
    """Return the task if it lists its starting layouts, or None."""
    return task if isinstance(task, ListedStarts) else None


def pay_of(task: Task) -> KnownPay | None:
    """Return the task if its success reward is known at every step, or None."""
    return task if isinstance(task, KnownPay) else None


def events_of(task: Task) -> Events | None:
    """Return the task if it reports events, or None."""
    return task if isinstance(task, Events) else None


def rendering_of(task: Task) -> Rendering | None:
    """Return the task if it draws transitions, or None."""
    return task if isinstance(task, Rendering) else None


def score_rule_of(task: Task) -> ScoreRule | None:
    """Return what the score of an episode is; None if the task has a success."""
    return task.score_rule if isinstance(task, Scored) else None


def start_kind(task: Task) -> str:
    """Return what the starts of a task are called: "layouts", "starts", or "one start" if there is only one."""
    if not isinstance(task, Starts):
        return "layouts"
    return "one start" if task.has_one_start() else "starts"


def environment_id(task: Task) -> str:
    """Return Gymnasium's id of the environment that a task plays; the task's own id if it has no other."""
    return task.environment_id if isinstance(task, OfEnvironment) else task.id


def exportable_of(task: Task) -> Exportable | None:
    """Return the task if exported files can read its state, or None."""
    return task if isinstance(task, Exportable) else None


def named_by_hand(task: Task) -> NamedByHand | None:
    """Return the task if a user's description names its state, or None."""
    return task if isinstance(task, NamedByHand) else None


def solutions_of(task: Task, count: int) -> list[tuple[int, list[int]]]:
    """Return (layout, actions) for at most `count` solved training layouts; empty without a planner."""
    planner = planner_of(task)
    return [] if planner is None else list(planner.oracle_plans(count) or ())


def state_limit_of(task: Task) -> int:
    """Return the most states of a layout that a certificate enumerates by default; 0 without a tabular model."""
    tabular = tabular_of(task)
    return 0 if tabular is None else tabular.state_limit
