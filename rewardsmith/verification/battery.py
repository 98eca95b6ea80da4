"""The exploit battery: the best script that solves must earn more than every script that does not.

docs/contracts.md, section F, states the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from itertools import chain, islice
from typing import Any

import numpy as np

from rewardsmith.programs.composition import Composition
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import Rollout, without_potentials
from rewardsmith.tasks.base import Behaviour, Task
from rewardsmith.tasks.progress import report
from rewardsmith.verification.agreement import require_agreement
from rewardsmith.verification.branches import predicted
from rewardsmith.verification.counterexample import replay, solution_script
from rewardsmith.verification.guidance import trends_along
from rewardsmith.verification.guilty import margins_without
from rewardsmith.verification.layouts import LAYOUTS, battery_layouts, layout_sample, uses_reference
from rewardsmith.verification.plans import first_plans, plan_of
from rewardsmith.verification.scripts import Played, exploit_scripts, play_scripts, scripts_for
from rewardsmith.verification.soundness import guidance_ratio, with_ratio
from rewardsmith.verification.ways import Rival, bank_steps, played_rivals, played_ways
from rewardsmith.verification.yielding_lock import side_by_side
from sandbox.client import Scores


@dataclass(frozen=True)
class Earned:
    """The reward of one script.

    Attributes:
        script: The script's name.
        returned: Discounted return, less the leftover potential if the episode was truncated.
        channels: Undiscounted sum of each channel over the episode.
        components: Undiscounted sum of each component over the episode.
    """

    script: str
    returned: float
    channels: dict[str, float]
    components: dict[str, float]


@dataclass(frozen=True)
class Finding:
    """The best script that solves one layout (`solution`) and the best that does not (`rival`).

    discounted: Whether returns are discounted, see `comparing_gamma`.
    actions: The actions of the rival's episode: ints, or vectors as lists.
    """

    layout: int
    solution: Earned
    rival: Earned
    discounted: bool = True
    actions: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def margin(self) -> float:
        """How much more the solution earns; negative if the reward can be exploited."""
        return self.solution.returned - self.rival.returned


@dataclass(frozen=True)
class Shaping:
    """The shaping rewards of the scripted episodes: undiscounted sums per episode, the largest over the layouts.

    Potential channels are not included: what they add before the end of an episode they subtract at its end.

    Attributes:
        guidance: Absolute sum of the solution's rewards before its last step.
        exploited: Absolute sum of rewards of the script without success that has the largest.
        success_pay: The reward of the solution's last step, the smallest over the layouts.
        cap: Largest running sum of a program channel over the solution: a cap per episode that does not reduce it.
    """

    guidance: float
    exploited: float
    success_pay: float
    cap: float

    @property
    def ratio(self) -> float | None:
        """The shaping-to-task reward ratio: the largest guidance of an episode divided by the success reward.

        Above 1, never solving may earn more than solving. None if the success reward is zero or less.
        """
        return guidance_ratio(max(self.guidance, self.exploited), self.success_pay)

    def as_dict(self) -> dict[str, float | str | None]:
        """Return the fields, the ratio, and the reason if there is no ratio, as plain data."""
        return with_ratio(asdict(self))


@dataclass(frozen=True)
class BatteryReport:
    """The result of the exploit battery: one finding per layout, the smallest margin first, and the shaping rewards.

    difficulty: Predicted from the reference's episodes (branches.py); None if a planner provides the solutions.
    trends: What guidance.trends_along found from each start of a reference.
    without: On the first layout that is lost, the margin with each component left out.
    steps: Environment steps of all episodes that were scored.
    """

    findings: tuple[Finding, ...]
    shaping: Shaping
    scripts: int
    difficulty: float | None = None
    trends: tuple[dict[str, tuple[float, bool]], ...] = ()
    without: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0

    @property
    def lost(self) -> tuple[int, ...]:
        """The layouts on which a script that does not solve earns at least as much as the best solution."""
        return tuple(f.layout for f in self.findings if f.margin <= 0 and f.rival.script != f.solution.script)

    @property
    def passed(self) -> bool:
        """Whether the best solution earns most on every layout."""
        return not self.lost

    def with_solutions(self, more: Sequence[tuple[int, Earned]]) -> BatteryReport:
        """Return the report with more solving episodes, given as (layout, reward): the best of each layout counts."""
        best = {
            f.layout: max([f.solution, *(e for at, e in more if at == f.layout)], key=lambda e: e.returned)
            for f in self.findings
        }
        # A layout may have two findings: one of the standard scripts and one of the saved exploits.
        again = [replace(f, solution=max(f.solution, best[f.layout], key=lambda e: e.returned)) for f in self.findings]
        return replace(self, findings=tuple(sorted(again, key=lambda f: f.margin)))


def earned_by_way(problem: Problem, layout: int, way: Sequence[int]) -> tuple[int, Earned] | None:
    """Return the layout and the reward of `way`, actions played in the real environment; None if they do not solve.

    Raises sandbox.HostError if the program fails.
    """
    played = replay(problem, solution_script(problem, layout, way))
    if not played.solved:
        return None
    return layout, Earned("optimal solution", played.discounted, played.channels, played.components)


def played_bank(task: Task, layouts: Sequence[int] | None = None) -> tuple[tuple[int, Played], ...]:
    """Return (layout, scripted episodes) of `layouts`, a job's by default; layouts without a solution are omitted."""
    return tuple(_banks(task, layouts))


def first_bank(task: Task, layouts: Sequence[int] | None = None, most: int | None = None) -> Played | None:
    """Return the scripted episodes of the first of `layouts` with a solution; None if there is none, or no planner.

    most: As in `run_battery`.
    """
    return next((played for _, played in _banks(task, layouts, most)), None)


def _banks(task: Task, layouts: Sequence[int] | None, most: int | None = None) -> Iterator[tuple[int, Played]]:
    if uses_reference(task):
        chosen = battery_layouts(task, LAYOUTS) if layouts is None else tuple(layouts)
        if most is not None and most < len(chosen) * task.max_steps:
            return
        budget = bank_steps(len(chosen), most, task.max_steps)
        yield from ((at, played) for at in chosen if (played := played_ways(task, at, budget)) is not None)
        return
    kept = layout_sample(task, LAYOUTS).layouts
    for layout in kept if layouts is None else layouts:
        for at, plan in first_plans(task, (layout,)):
            played = _played(task, at) if at in kept else play_scripts(task, at, scripts_for(task, at, plan))
            if played.solved[0]:
                yield at, played


@lru_cache(maxsize=8 * LAYOUTS)
def _played(task: Task, layout: int) -> Played:
    """The scripted episodes of one of a job's layouts. Only these are cached: all layouts would fill the memory."""
    return play_scripts(task, layout, scripts_for(task, layout, plan_of(task, layout)))


@lru_cache(maxsize=8)
def played_exploits(task: Task, exploits: tuple[Behaviour, ...]) -> tuple[tuple[int, Played], ...]:
    """Play saved exploits on the layouts where they were found, each together with that layout's solution."""
    plans = [
        (at, plan_of(task, at)) for at in sorted({exploit.layout for exploit in exploits if exploit.layout is not None})
    ]
    return tuple((at, play_scripts(task, at, exploit_scripts(task, at, plan, exploits))) for at, plan in plans if plan)


def run_battery(
    problem: Problem,
    first: Scores | None = None,
    exploits: Sequence[Behaviour] = (),
    layouts: Sequence[int] | None = None,
    rivals: Sequence[Rival] = (),
    most: int | None = None,
) -> BatteryReport | None:
    """Score a reward on the scripted episodes of `layouts`; return None if none of them has a solution.

    Args:
        problem: The task, the reward and the learner's gamma.
        first: Scores of the first layout's episodes, if they are known.
        exploits: Saved exploits, played as additional scripts.
        layouts: Indices into the training pool; those of a job by default.
        rivals: Earlier policies, which are played where a reference stands for the solution.
        most: The most environment steps that the reference and other ways play; None for the usual number. If it does
            not cover an episode on each layout, the result is None. A planner's scripts are not limited.

    Raises:
        sandbox.HostError: The program failed.
    """
    judged, scripts, steps, hard = [], 0, 0, list[float]()
    trends, without = list[dict[str, tuple[float, bool]]](), {}
    chosen = battery_layouts(problem.task, LAYOUTS) if layouts is None else tuple(layouts)
    many = len(chosen)
    report("layouts played", 0, many, begins=True)
    more: Iterator[tuple[int, Played]] = iter(())
    if exploits and not uses_reference(problem.task):
        more = iter(played_exploits(problem.task, tuple(exploits)))
    elif rivals and uses_reference(problem.task):
        budget = bank_steps(many, most, problem.task.max_steps)
        more = ((at, each) for at in chosen if (each := played_rivals(problem.task, at, budget, rivals)) is not None)
    for layout, played, scores in _scored(problem, first, chain(_banks(problem.task, chosen, most), more)):
        judged.append(compare_returns(problem, layout, played, scores))
        if played.led and (score := predicted(problem, played, scores)) is not None:
            hard.append(score)
        trends += [trend for trend in (trends_along(played, scores),) if trend is not None]
        if judged[-1][0].margin <= 0 and not without:
            without = margins_without(scores, partial(_margin, problem, layout, played))
        scripts += len(played.scripts)
        steps += played.steps
        report("layouts played", len(judged), many)
    if not judged:
        return None
    meters = [meter for _, meter in judged]
    shaping = Shaping(
        max(m.guidance for m in meters),
        max(m.exploited for m in meters),
        min(m.success_pay for m in meters),
        max(m.cap for m in meters),
    )
    ordered = tuple(sorted((finding for finding, _ in judged), key=lambda f: f.margin))
    predicted_difficulty = float(np.mean(hard)) if hard else None
    return BatteryReport(ordered, shaping, scripts, predicted_difficulty, tuple(trends), without, steps)


def _margin(problem: Problem, layout: int, played: Played, scores: Scores) -> float:
    return compare_returns(problem, layout, played, scores)[0].margin


def _scored(
    problem: Problem, first: Scores | None, every: Iterator[tuple[int, Played]]
) -> Iterator[tuple[int, Played, Scores | None]]:
    known, tested = first, 0

    def scored(bank: tuple[int, Played]) -> Scores | None:
        _, played = bank
        found = known if bank is banks[0] else together.get(id(played))
        found = problem.scores(played.rollout) if found is None else found
        # A reference's tasks have no certificate to agree with. The agreement tests the program: a few layouts suffice.
        if found is not None and not played.led and tested < LAYOUTS:
            require_agreement(problem, played, found)
        return found

    while banks := list(islice(every, LAYOUTS)):  # a few at a time: the episodes of all layouts would fill the memory
        together = _scored_together(problem, banks) if tested else {}
        both = zip(banks, side_by_side(scored, banks), strict=True)
        tested += len(banks)
        yield from ((layout, played, scores) for (layout, played), scores in both)
        known = None


_HARDLY = 0.1  # discount of a success below which the return from the start says nothing about it


def comparing_gamma(problem: Problem, played: Played) -> float:
    """Return the discount with which returns are compared: the learner's, or 1 if its horizon ends before success.

    A learner with a short horizon is led by states on the way, and its return from the start hardly contains what
    comes later. Only where a reference stands for the solution.
    """
    far = played.led and bool(played.solved[0]) and problem.gamma ** played.success_step(0) < _HARDLY
    return 1.0 if far else problem.gamma


def discounted_returns(problem: Problem, played: Played, scores: Scores | None, gamma: float) -> np.ndarray:
    """Return the return of each script, discounted by `gamma`, less what potentials leave over, float64 [S]."""
    composition = problem.compose(played.rollout, scores)
    return _discounted(problem.reward, gamma, played, scores, composition)


def _discounted(
    reward: TrainingReward, gamma: float, played: Played, scores: Scores | None, composition: Composition
) -> np.ndarray:
    steps = len(played.rollout.starts)
    inside = np.arange(steps)[:, None] < played.length[None, :]
    discount = gamma ** np.arange(steps)[:, None]
    return (composition.total * discount * inside).sum(axis=0) - _unearned(reward, played, scores, gamma)


def _scored_together(problem: Problem, banks: Sequence[tuple[int, Played]]) -> dict[int, Scores]:
    """Score the episodes of several layouts in one host, as starting one takes long; by id() of the episodes.

    Empty if their lengths or their tables differ.
    """
    rollouts = [played.rollout for _, played in banks]
    if len({(len(each.starts), id(each.tables)) for each in rollouts}) > 1 or not problem.reward.functions:
        return {}
    whole = problem.scores(Rollout.joined(rollouts))
    ends = np.cumsum([each.starts.shape[1] for each in rollouts])
    return {
        id(played): _lanes(whole, slice(end - played.rollout.starts.shape[1], end))
        for (_, played), end in zip(banks, ends.tolist(), strict=True)
        if whole is not None
    }


def _lanes(scores: Scores, lanes: slice) -> Scores:
    phi, phi0 = (None if each is None else each[:, lanes] for each in (scores.phi, scores.phi0))
    return replace(scores, values=scores.values[:, lanes], phi=phi, phi0=phi0)


def compare_returns(problem: Problem, layout: int, played: Played, scores: Scores | None) -> tuple[Finding, Shaping]:
    """Compare the discounted returns of one layout's scripts, and measure their shaping rewards."""
    reward, gamma = problem.reward, comparing_gamma(problem, played)
    composition = problem.compose(played.rollout, scores)
    steps, columns = played.rollout.starts.shape
    inside = np.arange(steps)[:, None] < played.length[None, :]
    returns = _discounted(reward, gamma, played, scores, composition)
    solving = played.solutions()
    others = [i for i in range(columns) if not played.solved[i]]
    # Only the best solution counts: under a cost per step, a detour may rightly earn less than giving up at once.
    best = max(solving, key=lambda i: float(returns[i]))
    rival = max(others, key=lambda i: float(returns[i])) if others else best

    def earned(i: int) -> Earned:
        channels = {name: float(part[inside[:, i], i].sum()) for name, part in composition.parts.items()}
        parts = (
            {} if scores is None else dict(zip(scores.names, scores.values[inside[:, i], i].sum(axis=0), strict=True))
        )
        return Earned(played.scripts[i].name, float(returns[i]), channels, {n: float(v) for n, v in parts.items()})

    acted = played.rollout.actions[: int(played.length[rival]), rival].tolist()
    finding = Finding(layout, earned(best), earned(rival), gamma == problem.gamma, tuple(acted))
    return finding, _shaping(reward, composition, played, solving[0], others)


def _shaping(
    reward: TrainingReward, composition: Composition, played: Played, solution: int, others: list[int]
) -> Shaping:
    paid = without_potentials(reward, composition)
    inside = np.arange(len(paid))[:, None] < played.length[None, :]
    last = played.success_step(solution)
    exploited = np.abs((paid * inside)[:, others].sum(axis=0)).max(initial=0.0)
    running = [
        np.abs(np.cumsum(composition.parts[c.name][: last + 1, solution])).max()
        for c in reward.channels
        if c.kind == "program"
    ]
    return Shaping(
        float(abs(paid[:last, solution].sum())),
        float(exploited),
        float(paid[last, solution]),
        float(max(running, default=0.0)),
    )


def _unearned(reward: TrainingReward, played: Played, scores: Scores | None, gamma: float) -> np.ndarray:
    """The leftover potential w * gamma^T * Phi(s_T) of truncated episodes, which a near miss has not earned."""
    columns = played.length.shape[0]
    left = np.zeros(columns)
    if scores is None or scores.phi is None:
        return left
    ends = played.length - 1
    index = np.arange(columns)
    for channel in reward.channels:
        if channel.kind == "potential":
            phi = np.clip(scores.phi[ends, index], -channel.limit, channel.limit) + channel.shift
            cut = ~played.rollout.terminated[ends, index]
            left += channel.weight * gamma**played.length * phi * cut
    return left
