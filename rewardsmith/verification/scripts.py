"""Scripted episodes on a layout: solutions, and behaviours that should not be rewarded.

Scripts come from four sources. This module itself does not know what an action means.

- The planner's solution, with a detour, and without its last step.
- The action set: every action repeated (spinning, idling) and every pair alternated, from the start and after each
  event of the solution. This covers picking up and dropping, opening and closing, and idling in front of the goal.
- The task: walking to and fro before an object, into lava or against a wall.
- Exploits of earlier programs of the job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rewardsmith.programs.rollout import Rollout, record
from rewardsmith.tasks.base import Behaviour, Task
from rewardsmith.tasks.capabilities import planner_of
from rewardsmith.tasks.subgoals import plan_events

_RANDOM_SCRIPTS = 4


class Named(Protocol):
    """A way to act, known by its name."""

    @property
    def name(self) -> str:
        """A short name for reports."""
        ...


@dataclass(frozen=True)
class Played:
    """Scripts played to the end of their episodes on one layout.

    Attributes:
        scripts: The scripts.
        rollout: A rollout [T, S] with one script per column.
        length: int64 [S], the length of each script's episode; later steps of the column are not part of it.
        solved: bool [S], whether the episode succeeded.
        led: Whether the first script is the task's reference, and any other that succeeds is a solution, too.
    """

    scripts: tuple[Named, ...]
    rollout: Rollout
    length: np.ndarray
    solved: np.ndarray
    led: bool = False

    @staticmethod
    def of(scripts: tuple[Named, ...], rollout: Rollout, length: np.ndarray, *, led: bool = False) -> Played:
        """Return the first episode of each column of a rollout [T, S]; what ends later is no part of it.

        A column may go on with new episodes, which are not evaluated; the host needs their starts.
        """
        inside = np.arange(len(rollout.starts))[:, None] < length
        ends = {name: getattr(rollout, name) & inside for name in ("terminated", "truncated", "success")}
        solved = np.logical_or.reduce(ends["success"], axis=0)
        return Played(scripts, replace(rollout, **ends), length, solved, led)

    @property
    def steps(self) -> int:
        """Environment steps that were played."""
        return int(self.length.sum()) if self.led else self.rollout.starts.size

    def solutions(self) -> list[int]:
        """Return the columns that count as solutions, the standard one first."""
        found = [i for i in range(len(self.scripts)) if self.solved[i]]
        return found if self.led else [i for i in found if self.scripts[i].name.startswith("solution")]

    def success_step(self, column: int) -> int:
        """Return the step on which a column's episode first succeeds; its last step if that is not recorded."""
        won = np.flatnonzero(self.rollout.success[:, column])
        return int(won[0]) if len(won) else int(self.length[column]) - 1


def exploit_scripts(
    task: Task, layout: int, plan: Sequence[int], exploits: Sequence[Behaviour]
) -> tuple[Behaviour, ...]:
    """Return the solution of one layout and its saved exploits; empty if it has none."""
    mine = [exploit for exploit in exploits if exploit.layout == layout]
    found = [replace(h, name=f"saved exploit {k}").then(_idle(task)) for k, h in enumerate(mine, start=1)]
    return (Behaviour("solution", tuple(plan), ()), *found) if found else ()


def scripts_for(task: Task, layout: int, plan: Sequence[int]) -> tuple[Behaviour, ...]:
    """Return all scripts of one layout, the solution first."""
    names = task.actions.names
    count = len(names)
    solution = tuple(plan)
    scripts = [
        Behaviour("solution", solution, ()),
        Behaviour("solution with a detour", _detour(task, solution), ()),
    ]
    scripts.append(Behaviour("near miss: all but the last step, then idling", solution[:-1], (_idle(task),)))
    others = [a for a in range(count) if solution and a != solution[-1]]
    scripts += [Behaviour(f"{names[a]} in place of the last step", (*solution[:-1], a), (_idle(task),)) for a in others]
    scripts += [Behaviour(f"only {names[a]}", (), (a,)) for a in range(count)]
    scripts += [
        Behaviour(f"alternating {names[a]} and {names[b]}", (), (a, b))
        for a in range(count)
        for b in range(a + 1, count)
    ]
    for t, event, kind in plan_events(task, layout, list(plan))[:-1]:
        after = f"after {event.replace('_', ' ')} {kind or ''}".rstrip()
        prefix, last = solution[: t + 1], solution[t]
        scripts.append(Behaviour(f"{after}, idling", prefix, (_idle(task),)))
        for b in range(count):
            if b != last:
                scripts.append(Behaviour(f"{after}, alternating {names[b]} and {names[last]}", prefix, (b, last)))
        scripts.append(Behaviour(f"{after}, only {names[last]}", prefix, (last,)))
    planner = planner_of(task)
    behaviours = [] if planner is None else planner.behaviours(layout, plan)
    scripts += [each.then(_idle(task)) for each in behaviours]
    rng = np.random.default_rng(layout)
    for k in range(_RANDOM_SCRIPTS):
        scripts.append(Behaviour(f"random {k + 1}", tuple(rng.integers(count, size=task.max_steps).tolist()), (0,)))
    return tuple(scripts)


def _idle(task: Task) -> int:
    """The action that changes least; the last action if the task names none."""
    return len(task.actions) - 1 if task.actions.idle is None else task.actions.idle


def _detour(task: Task, solution: tuple[int, ...]) -> tuple[int, ...]:
    # A slow policy that solves the task must still be rewarded.
    detour = task.actions.detour or (_idle(task),) * 4
    middle = len(solution) // 2
    return detour + solution[:middle] + detour + solution[middle:]


def _written_out(scripts: Sequence[Behaviour], steps: int) -> np.ndarray:
    """Return the action of each script at each step, int64 [T, S]."""
    found = np.zeros((steps, len(scripts)), np.int64)
    for column, script in enumerate(scripts):
        first = len(script.prefix)
        found[:first, column] = script.prefix[:steps]
        if first < steps:
            found[first:, column] = np.resize(script.cycle or (0,), steps - first)
    return found


def play_scripts(task: Task, layout: int, scripts: tuple[Behaviour, ...]) -> Played:
    """Play each script on one training layout, each in a separate environment, to the end of its episode."""
    count = len(scripts)
    batch = task.batch(count, "train")
    batch.play(layout)
    chosen = _written_out(scripts, task.max_steps)
    rollout = record(batch, task, lambda t, starts: chosen[t], task.max_steps, once=True)
    batch.close()
    length = rollout.first_episodes()
    length[length == 0] = len(rollout.starts)
    return Played.of(scripts, rollout, length)
