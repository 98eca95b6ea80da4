"""What some tasks can do beyond being played. Each capability is a protocol of its own, and is found by asking here.

`planner_of(task)` and its siblings return the task itself, seen through one capability, or None. Whoever needs a
capability asks for it, and says what happens without it; nobody compares the names of tasks or engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.base import BatchEnv, Behaviour, Tables, Task


@runtime_checkable
class Planner(Protocol):
    """Solves layouts. Without it there is no battery, no order of subgoals and no method that learns from plans."""

    def oracle_plans(self, count: int) -> Sequence[tuple[int, list[int]]] | None:
        """Solutions of at most `count` training layouts as (layout, actions); None where it finds none at all."""
        ...

    def solution(self, layout: int) -> Sequence[int] | None:
        """Actions that solve one training layout, the fewest where the search can afford to know, or None."""
        ...

    def behaviours(self, layout: int, solution: Sequence[int]) -> list[Behaviour]:
        """Generic behaviours on a training layout that should not pay, beyond repeated and alternated actions."""
        ...


@runtime_checkable
class CountableStates(Protocol):
    """Counts a layout's states. Without it a certificate cannot say which share of the states it has seen."""

    def count_states(self, layout: int, cap: int) -> tuple[int, bool] | None:
        """(states of a training layout with a move left, at most `cap`; whether these are all), or None if unknown."""
        ...


@runtime_checkable
class TabularModel(Protocol):
    """Lists a layout's states with every action's outcome. Without it there is no certificate and no difficulty."""

    state_limit: int
    """States of a layout that a certificate lists unless a limit is given."""

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> Any | None:
        """Every state a training layout can reach (minigrid.enumerate.StateGraph), or None if it cannot be listed.

        At most `limit` states are expanded, the nearest to the start first, or to the states that the actions `along`
        pass. `events`: states reached by different events are told apart.
        """
        ...


@runtime_checkable
class ListedStarts(Protocol):
    """Knows its starting layouts one by one. Without it one layout stands for all, and no trajectory is replayed."""

    def pool_hashes(self, split: str) -> list[str]:
        """A hash of every layout of a pool, in its order; equal where layouts are."""
        ...

    def start_seed(self, layout: int) -> int:
        """What the real environment is reset with to start on a training layout."""
        ...

    def real_batch(self, num_envs: int, pool: str) -> BatchEnv:
        """The layouts of `pool` in the real environment, whichever engine `batch` plays in."""
        ...


@runtime_checkable
class KnownPay(Protocol):
    """Pays for success alone, by the step. Without it what success pays is known only where it was played."""

    def success_reward(self, step: int) -> float:
        """What the environment pays for a success at `step` (from 1 to max_steps), to the last bit."""
        ...


@runtime_checkable
class Events(Protocol):
    """Tells what each step did, and to what. Without it no subgoals, labels or verifiers' flags can be read off."""

    def read_event(self, row: NDArray[Any]) -> tuple[str, str | None]:
        """The last event in a state row [W], and the kind of object it concerned, if any."""
        ...


@runtime_checkable
class Rendering(Protocol):
    """Draws transitions. Without it they are told by captions of the states before and after alone."""

    legend: str
    """What the symbols of the drawings mean."""

    def draw_state(self, row: NDArray[Any], tables: Tables) -> str:
        """The whole state of a row [W]."""
        ...

    def draw_observation(self, observation: NDArray[np.float32]) -> str:
        """What a policy is shown, an observation [D]."""
        ...

    def transition_columns(
        self, before: NDArray[Any], actions: NDArray[Any], after: NDArray[Any], everything: bool
    ) -> NDArray[np.int32]:
        """int32 [..., K]: what tells transitions apart in words. before, after: [..., W]; actions: [...]."""
        ...

    def transition_words(
        self, before: NDArray[Any], action: str, after: NDArray[Any], tables: Tables, drawings: list[str]
    ) -> str:
        """A transition between two rows [W]; `drawings`: of what was before and after, or empty."""
        ...


@dataclass(frozen=True)
class StateReader:
    """Code that reads the state from the plain environment where rewardsmith is absent.

    making: the expression that makes the environment. modules: their text comes first, without docstring and imports.
    code: texts that follow. Together they define the class StateTracker and the functions first_row and next_row.
    """

    making: str
    modules: tuple[ModuleType, ...]
    code: tuple[str, ...]


@runtime_checkable
class Exportable(Protocol):
    """Can be read without rewardsmith. Without it no reward is exported as a file that runs alone."""

    def state_reader(self) -> StateReader:
        """The code that an exported reward carries."""
        ...


@runtime_checkable
class NamedByHand(Protocol):
    """Was described by a person. Without it there is nothing that a person has to compare with the environment."""

    def order_warning(self) -> str | None:
        """What is to be checked of the names that the description gives; None where they cannot be mixed up."""
        ...


def planner_of(task: Task) -> Planner | None:
    """The task as a planner, or None."""
    return task if isinstance(task, Planner) else None


def countable_of(task: Task) -> CountableStates | None:
    """The task as one whose states can be counted, or None."""
    return task if isinstance(task, CountableStates) else None


def tabular_of(task: Task) -> TabularModel | None:
    """The task as a tabular model, or None."""
    return task if isinstance(task, TabularModel) else None


def starts_of(task: Task) -> ListedStarts | None:
    """The task as one whose starts are listed, or None."""
    return task if isinstance(task, ListedStarts) else None


def pay_of(task: Task) -> KnownPay | None:
    """The task as one that says what success pays, or None."""
    return task if isinstance(task, KnownPay) else None


def events_of(task: Task) -> Events | None:
    """The task as one that tells events, or None."""
    return task if isinstance(task, Events) else None


def rendering_of(task: Task) -> Rendering | None:
    """The task as one that draws transitions, or None."""
    return task if isinstance(task, Rendering) else None


def exportable_of(task: Task) -> Exportable | None:
    """The task as one that exported files can read, or None."""
    return task if isinstance(task, Exportable) else None


def named_by_hand(task: Task) -> NamedByHand | None:
    """The task as one that a person described, or None."""
    return task if isinstance(task, NamedByHand) else None


def solutions_of(task: Task, count: int) -> list[tuple[int, list[int]]]:
    """Solutions of at most `count` training layouts as (layout, actions); empty without a planner."""
    planner = planner_of(task)
    return [] if planner is None else list(planner.oracle_plans(count) or ())


def state_limit_of(task: Task) -> int:
    """States of a layout that a certificate lists unless a limit is given; 0 without a tabular model."""
    tabular = tabular_of(task)
    return 0 if tabular is None else tabular.state_limit
