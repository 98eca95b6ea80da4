"""The check `search`: whether a searched behaviour that never solves the task earns more than one that does.

It runs where no optimum can be computed: on continuous tasks, images, and environments that are too large to enumerate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.base import Behaviour, Task
from rewardsmith.tasks.capabilities import reference_of, starts_of
from rewardsmith.tasks.progress import report

from .battery import Earned
from .exploit_search import Episode, Search, Trace, starts_searched
from .layouts import uses_reference
from .soundness import share_interval
from .ways import bank_steps, played_ways

STEPS = 60_000
"""Most environment steps of a search in `check`, over all starts: some seconds on a classic environment."""

_SAME = 1e-6  # relative difference of a return that is played again
_SHOWN = 5  # states of an episode that a message shows


@dataclass(frozen=True)
class Searched:
    """The result of a search.

    Attributes:
        accuses: Whether a behaviour that never solves the task earns at least as much as the best that does.
        message: The result as text for the designer.
        details: The same as plain data that JSON can hold; the behaviour under "counterexample", if there is one.
        steps: Environment steps that were played.
        solutions: (start, the best episode that succeeds there), for the battery.
    """

    accuses: bool
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    solutions: tuple[tuple[int, Earned], ...] = ()

    @property
    def verdict(self) -> tuple[bool, str, dict[str, Any]]:
        """Return whether the reward passes, the message and the details."""
        return not self.accuses, self.message, self.details


NOT_SEARCHED = Searched(False, "")


def search_exploits(
    problem: Problem,
    layouts: Sequence[int],
    steps: int,
    most: int | None = None,
    exploits: Sequence[Behaviour] = (),
) -> Searched:
    """Search for behaviours that earn more than solving the task, start by start.

    Args:
        problem: The task, the reward and the learner's gamma.
        layouts: Indices of starts in the training pool.
        steps: Most environment steps to play on all starts together.
        most: As in `run_battery`, whose episodes of the reference are compared as well.
        exploits: Behaviours that earlier searches found, which are played on their starts first.

    Returns:
        The result; NOT_SEARCHED if `steps` does not cover an episode.

    Raises:
        sandbox.HostError: The program failed.
    """
    task = problem.task
    if steps < task.max_steps:
        return NOT_SEARCHED
    chosen = list(starts_searched(layouts, steps, task.max_steps))
    traces: list[Trace] = []
    report("starts searched", 0, len(chosen), begins=True)
    with Search(problem) as search:
        found: list[tuple[int, Earned]] = []
        for layout, share in chosen:
            known = None
            if uses_reference(task):
                known = played_ways(task, layout, bank_steps(len(layouts), most, task.max_steps))
            mine = [np.array(acts.prefix) for acts in exploits if acts.layout == layout and acts.prefix]
            traces.append(search.run(layout, share, known, mine))
            if (best := traces[-1].solution) is not None:
                found.append((layout, Earned(f"best {best.name}", best.returned, {}, search.components(best))))
            report("starts searched", len(traces), len(chosen))
        return replace(_judged(problem, search, traces), solutions=tuple(found))


def _judged(problem: Problem, search: Search, traces: Sequence[Trace]) -> Searched:
    steps, episodes = sum(t.steps for t in traces), sum(t.episodes for t in traces)
    solved = [t.solution for t in traces if t.solution is not None]
    details: dict[str, Any] = {
        "starts": [t.layout for t in traces], "steps": steps, "episodes": episodes, "solved": bool(solved),
    }  # fmt: skip
    if not solved:
        text = (
            f"no success was seen in {episodes:,} episodes ({steps:,} steps), so nothing can be compared with one and "
            "no reward can be accused; a `reference` in the task's description would change that"
        )
        return Searched(False, text, details, steps)
    # Where nothing succeeds, the best success of another start counts.
    best = max(solved, key=lambda each: each.returned)
    lost: list[tuple[Trace, Episode, Episode]] = []
    for trace in traces:
        solution, rival = trace.solution or best, trace.rival
        if rival is not None and rival.returned >= solution.returned and _repeats(search, trace, rival):
            lost.append((trace, solution, rival))
    low, high = share_interval(len(lost), len(traces))
    details |= {"lost": [t.layout for t, *_ in lost], "share_low": low, "share_high": high}
    if not lost:
        margins = [(t.solution or best).returned - t.rival.returned for t in traces if t.rival is not None]
        closest = f"; the closest earns {min(margins):.3g} less" if margins else ""
        text = f"in {episodes:,} searched episodes ({steps:,} steps) nothing without success earns more{closest}"
        return Searched(False, text, details, steps)
    trace, solution, rival = max(lost, key=lambda each: each[2].returned - each[1].returned)
    example = _example(problem, trace, rival, "a discounted" if search.discounted else "an undiscounted")
    details |= {"counterexample": example, "solution": solution.returned, "rival": rival.returned}
    text = (
        f"{example['text']} The best that solves the task ({solution.name}) has {solution.returned:.4g}. Undiscounted "
        f"sums of the behaviour: {_sums(search, rival)}; of the solution: {_sums(search, solution)}. So it is on "
        f"{len(lost)} of {len(traces)} starts ({_share(low)} to {_share(high)} of all starts, 95 % interval). Change "
        "the reward so that solving earns most."
    )
    return Searched(True, text, details, steps)


def _repeats(search: Search, trace: Trace, rival: Episode) -> bool:
    """Whether the actions give the same return in a new environment, and again no success."""
    again = search.replay(trace.layout, rival)
    return not again.solved and abs(again.returned - rival.returned) <= _SAME * (1 + abs(rival.returned))


def _example(problem: Problem, trace: Trace, rival: Episode, kind: str) -> dict[str, Any]:
    """The behaviour as data that can be played again, in the form of `CounterExample.as_dict`."""
    task = problem.task
    seed = _seed(task, trace.layout)
    actions: NDArray[Any] = rival.rollout.actions[:, 0]
    text = f"The {rival.name} on the start with seed {seed} never solves the task and has {kind} return of "
    text += f"{rival.returned:.4g} in {rival.length} steps ({_ending(rival)}): {_shown(task, rival)}."
    total = problem.score(rival.rollout).total[:, 0]
    return {
        "task": task.id, "layout": trace.layout, "seed": seed, "gamma": problem.gamma, "prefix": actions.tolist(),
        "cycle": [], "steps": rival.length, "claimed": rival.returned, "undiscounted": float(total.sum()), "text": text,
    }  # fmt: skip


def _seed(task: Task, layout: int) -> int:
    reference, starts = reference_of(task), starts_of(task)
    if reference is not None:
        return reference.start_seed(layout)
    return layout if starts is None else starts.start_seed(layout)


def _ending(rival: Episode) -> str:
    return "it ends the episode" if rival.rollout.terminated[-1, 0] else "up to the step limit"


def _shown(task: Task, rival: Episode) -> str:
    """A few states of an episode, evenly spread, in words."""
    at = sorted(set(np.linspace(0, rival.length - 1, min(_SHOWN, rival.length)).astype(int).tolist()))
    after, tables = rival.rollout.after, rival.rollout.tables
    return "; ".join(f"after {t + 1} steps, {task.caption(after[t, 0], tables)}" for t in at)


def _sums(search: Search, episode: Episode) -> str:
    found = search.components(episode)
    return ", ".join(f"{name} {value:.3g}" for name, value in found.items()) or "none"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"
