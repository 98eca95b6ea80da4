"""Routes: the objects that an episode should change or reach, in order, for each layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import Rollout, score_rollout
from rewardsmith.tasks.base import Tables, Task
from rewardsmith.tasks.capabilities import planner_of
from rewardsmith.tasks.subgoals import MOTION

MOST = 8
"""Most subgoals of an episode."""

Route = tuple[int, ...]
"""Slots of objects in the state's list `objects`, in order."""


class Routes(Protocol):
    """The source of the subgoals of each episode."""

    def of(self, rows: NDArray[Any], layouts: NDArray[np.int64], tables: Tables) -> list[Route]:
        """Return the route of each of K episodes.

        Args:
            rows: Their first states, [K, W].
            layouts: The layouts that they play, int64 [K].
            tables: The tables that the rows refer to.
        """
        ...

    def close(self) -> None:
        """End all processes that were started."""
        ...


class PlannedRoutes:
    """The objects of the events in the planner's solution of each training layout; an episode's route is kept."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._known: dict[int, Route] = {}

    def of(self, rows: NDArray[Any], layouts: NDArray[np.int64], tables: Tables) -> list[Route]:
        """Return the planned routes; empty where the planner finds no solution."""
        return [self._planned(int(layout)) for layout in layouts]

    def close(self) -> None:
        """Do nothing: a planner has no processes."""

    def _planned(self, layout: int) -> Route:
        if layout not in self._known:
            planner = planner_of(self._task)
            solution = planner.solution(layout) if planner is not None else None
            self._known[layout] = () if solution is None else changed_objects(self._task, layout, solution)
        return self._known[layout]


def changed_objects(task: Task, layout: int, actions: Sequence[int]) -> Route:
    """Return the objects of the events of a plan on a training layout, apart from motion, each at its first event."""
    event, slot = task.schema.field("event"), task.schema.field("event_object").column
    still = {event.number(name) for name in MOTION if name in event.values}
    batch, rows = task.batch(1, "train"), task.schema.rows(1)
    batch.play(layout)
    found: list[int] = []
    for action in actions:
        batch.step(np.array([action], dtype=np.int64))
        batch.state_rows(rows)
        changed = int(rows[0, slot])
        if int(rows[0, event.column]) not in still and changed >= 0 and changed not in found:
            found.append(changed)
    batch.close()
    return tuple(found[:MOST])


class WrittenRoutes:
    """The routes of a program, whose function is called in the sandbox with the first state of each episode.

    It returns the ids of objects under names that sort into their order, such as s1 to s8. Each start is asked once.
    """

    def __init__(self, task: Task, source: str, function: str, num_envs: int) -> None:
        self._problem = Problem(task, TrainingReward(source, (function,), ()), 1.0)
        self._envs, self._slots = num_envs, task.schema.field("objects").length
        self._host: Any = None  # a RewardHost, once an episode has begun
        self._known: dict[bytes, Route] = {}

    def of(self, rows: NDArray[Any], layouts: NDArray[np.int64], tables: Tables) -> list[Route]:
        """Return the routes. Raises sandbox.HostError if the program fails."""
        keys = [row.tobytes() for row in rows]
        new = {key: row for key, row in zip(keys, rows, strict=True) if key not in self._known}
        if new:
            self._known |= dict(zip(new, self._asked(np.stack(list(new.values())), tables), strict=True))
        return [self._known[key] for key in keys]

    def _asked(self, rows: NDArray[Any], tables: Tables) -> list[Route]:
        task = self._problem.task
        if self._host is None:
            self._host = self._problem.host(tables, self._envs, 1)
        rollout = Rollout.empty(task, 1, self._envs)
        rollout.before[0] = rollout.after[0] = rows[np.arange(self._envs) % len(rows)]
        rollout.starts[:], rollout.tables = True, tables
        scores = score_rollout(self._host, rollout, task)
        order = sorted(range(len(scores.names)), key=lambda k: scores.names[k])
        return [
            tuple(int(i) for i in ids[order] if 0 <= i < self._slots)[:MOST] for ids in scores.values[0, : len(rows)]
        ]

    def close(self) -> None:
        """End the host, if one was started."""
        if self._host is not None:
            self._host.close()


class ErringRoutes:
    """Routes in which each subgoal is right with the probability `accuracy`, and otherwise a random other object.

    The errors of a layout are always the same ones.
    """

    def __init__(self, routes: Routes, task: Task, accuracy: float, seed: int) -> None:
        self._routes, self._accuracy, self._seed = routes, accuracy, seed
        objects = task.schema.field("objects")
        self._present = objects.slots() + objects.present

    def of(self, rows: NDArray[Any], layouts: NDArray[np.int64], tables: Tables) -> list[Route]:
        """Return the routes with their errors."""
        found = []
        routes = self._routes.of(rows, layouts, tables)
        for route, row, layout in zip(routes, rows, layouts.tolist(), strict=True):
            rng = np.random.default_rng([self._seed, layout])
            there = np.flatnonzero(row[self._present] > 0)
            wrong = rng.random(len(route)) >= self._accuracy
            drawn = [int(rng.choice(others)) if len(others := there[there != s]) else s for s in route]
            found.append(tuple(d if w else s for s, d, w in zip(route, drawn, wrong.tolist(), strict=True)))
        return found

    def close(self) -> None:
        """Close the routes that errors are added to."""
        self._routes.close()
