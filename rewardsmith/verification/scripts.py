"""Scripted episodes on a layout: solutions, and behaviours that should not pay.

Nothing here knows what an action means. Scripts come from the planner's solution and from the action set:
every action repeated (spinning, idling), every pair alternated, and the same after each event of the solution (which
covers picking up and dropping, opening and closing, idling in front of the goal); from the task, which knows how to
walk to and fro before an object, into lava or against a wall; and from what earlier programs of a job were caught with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rewardsmith.programs.rollout import Rollout, record
from rewardsmith.tasks.base import Behaviour, Task
from rewardsmith.tasks.capabilities import planner_of
from rewardsmith.tasks.subgoals import plan_events

_RANDOM_SCRIPTS = 4


@dataclass(frozen=True)
class Played:
    """Scripts played to their end on one layout: a rollout [T, S], one script per column.

    `length` [S] is the number of steps of each script's only episode; what follows is not part of it.
    """

    scripts: tuple[Behaviour, ...]
    rollout: Rollout
    length: np.ndarray  # int64 [S]
    solved: np.ndarray  # bool [S]


def hack_scripts(task: Task, layout: int, plan: Sequence[int], hacks: Sequence[Behaviour]) -> tuple[Behaviour, ...]:
    """The saved hacks of one layout, behind its solution; empty if there are none."""
    mine = [hack for hack in hacks if hack.layout == layout]
    found = [replace(h, name=f"saved hack {k}").then(_idle(task)) for k, h in enumerate(mine, start=1)]
    return (Behaviour("solution", tuple(plan), ()), *found) if found else ()


def scripts_for(task: Task, layout: int, plan: Sequence[int]) -> tuple[Behaviour, ...]:
    """The bank of one layout, the solution first."""
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
    """The action that changes least; the last one where the task does not say."""
    return len(task.actions) - 1 if task.actions.idle is None else task.actions.idle


def _detour(task: Task, solution: tuple[int, ...]) -> tuple[int, ...]:
    # An honest policy that dawdles must still be paid.
    detour = task.actions.detour or (_idle(task),) * 4
    middle = len(solution) // 2
    return detour + solution[:middle] + detour + solution[middle:]


def play_scripts(task: Task, layout: int, scripts: tuple[Behaviour, ...]) -> Played:
    """Play each script in an environment of its own, on one training layout, to its episode's end."""
    count = len(scripts)
    batch = task.batch(count, "train")
    batch.play(layout)
    rollout = record(
        batch, task.schema, lambda t, starts: [script.action(t) for script in scripts], task.max_steps, once=True
    )
    batch.close()
    steps, length = len(rollout.starts), rollout.first_episodes()
    length[length == 0] = steps
    # A column goes on with new episodes that nobody reads; the host sees them begin.
    inside = np.arange(steps)[:, None] < length
    ends = {name: getattr(rollout, name) & inside for name in ("terminated", "truncated", "success")}
    solved = np.logical_or.reduce(ends["success"], axis=0)
    return Played(scripts, replace(rollout, **ends), length, solved)
