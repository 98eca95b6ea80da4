"""The checks before training: gate, contract, cost, determinism, fields, exploit battery, certificate and guidance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import top_level_names
from rewardsmith.programs.rollout import Rollout, featured, score_rollout
from rewardsmith.tasks import steps_of_states, with_states
from rewardsmith.tasks.base import Behaviour, Task
from rewardsmith.tasks.capabilities import planner_of, reference_of, score_rule_of
from rewardsmith.verification.battery import (
    BatteryReport,
    Earned,
    earned_by_way,
    first_bank,
    played_bank,
    run_battery,
)
from rewardsmith.verification.certificate import Certificate, certify_layout
from rewardsmith.verification.cost import cheaper, too_slow
from rewardsmith.verification.extent import Proof
from rewardsmith.verification.faults import field_faults
from rewardsmith.verification.guilty import guilty_words, verdicts_without
from rewardsmith.verification.hard_layouts import layouts_to_check
from rewardsmith.verification.layouts import battery_layouts, uses_reference
from rewardsmith.verification.learnability import guidance_checks
from rewardsmith.verification.model import NotCertified
from rewardsmith.verification.sample import (
    RANDOM_TRANSITIONS,
    component_statistics,
    random_transitions,
    sample_transitions,
)
from rewardsmith.verification.searched import search_exploits
from rewardsmith.verification.verdicts import LayoutCertificate
from rewardsmith.verification.ways import Rival
from sandbox.client import HostError, Scores, check_determinism, gate
from sandbox.views import costly_fields

MAX_US_PER_TRANSITION = 100.0
"""Limit of a program's processor time. A slower program would take longer than the rest of training."""

ADVISORY = frozenset(("fields", "battery", "certificate", "search", "components", "direction"))
"""Checks that only warn where a user wants a reward trained in any case."""

_TAKEN = {"wrap", "replay"}

_REPLAYED_ENVS = 16


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Attributes:
        kind: Name of the check: gate, contract, cost, determinism, fields, battery, certificate, search,
            components, direction or learnability.
        passed: Whether the program passed it.
        message: The result as text for the designer of the program.
        details: The result as plain data that JSON can hold.
    """

    kind: str
    passed: bool
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The message as prompts contain it: without measured times, which differ when a job is repeated."""
        return str(self.details.get("told", self.message))


@dataclass(frozen=True)
class Checked:
    """The results of all checks up to the first failure.

    Attributes:
        verdicts: One per check, in the order in which they ran.
        components: Statistics of each component on the transitions played, see `component_statistics`.
        played: Number of transitions, episodes and successes among these; empty if the program failed earlier.
        steps: Environment steps that were played in all, as far as the checks came.
    """

    verdicts: list[Verdict]
    components: dict[str, dict[str, float]]
    played: dict[str, int]
    steps: int = 0

    @property
    def passed(self) -> bool:
        """Whether all checks that ran have passed."""
        return all(v.passed for v in self.verdicts)

    @property
    def difficulty(self) -> float | None:
        """Predicted difficulty of learning, smaller is easier; None without enumerated states or a reference."""
        found = (v.details.get("difficulty") for v in self.verdicts if v.kind in ("certificate", "battery"))
        return next((value for value in found if value is not None), None)


def run_checks(
    problem: Problem,
    proof: Proof | None = None,
    exploits: Sequence[Behaviour] = (),
    most: int = RANDOM_TRANSITIONS,
    rivals: Sequence[Rival] = (),
) -> Checked:
    """Run the checks in order of cost, up to the first failure. A program's own faults never raise.

    If the battery fails, the certificate still runs, and its optimal solutions are played as additional scripts.

    Args:
        problem: The task, the reward and the learner's gamma.
        proof: The extent of battery and certificate; a job's by default.
        exploits: Exploits of earlier programs, which the battery plays as well.
        most: Transitions of random play if the task has no planner.
        rivals: Earlier policies, which the battery plays where a reference stands for the solution.
    """
    proof = proof or Proof()
    task = (problem := replace(problem, task=with_states(asked := problem.task, proof.enumerable))).task
    if not problem.reward.functions:
        return Checked([Verdict("contract", True, "no program: nothing to check before training")], {}, {})
    counted = partial(steps_of_states, asked, proof.enumerable)
    proof, rivals = proof.after(counted()).without(rivals, task)
    proof = replace(proof, wanted=proof.wanted and score_rule_of(task) is None)
    verdicts = [_gate(problem)]
    if not verdicts[-1].passed:
        return Checked(verdicts, {}, {})
    report, spent = None, 0
    try:
        if (planner_of(task) is not None or uses_reference(task)) and not task.cheap_steps:
            spent = (drawn := random_transitions(task, most)).starts.size
            problem.scores(drawn)  # faults show at once: scripted episodes first need the enumeration of states
        looked_at = battery_layouts(task, proof.layouts, layouts_to_check(task, proof.layouts, proof.hard).hard)
        rollout = sample_transitions(task, looked_at, most, proof.played)
        steps, envs = rollout.starts.shape
        spent += steps * envs
        rollout, scores, seconds = _scored(problem, rollout)
        components, played = component_statistics(scores), _counts(task, looked_at, rollout, proof.played)
        verdicts.append(_contract(components, steps * envs, behaviour_hash(problem, rollout, scores)))
        verdicts.append(_cost(seconds, steps * envs, task))
        if verdicts[-1].passed:
            verdicts.append(_determinism(problem, _sample(rollout)))
        if not verdicts[-1].passed:
            return Checked(verdicts, components, played, spent + counted())
        faults = field_faults(problem, rollout, scores)
        verdicts.append(Verdict("fields", not faults.failed, faults.message, faults.as_dict()))
        found: list[LayoutCertificate] = []
        if proof.wanted:
            report = run_battery(problem, scores, exploits, looked_at, rivals, proof.played)
            verdicts += [_battery_verdict(report, task)] if report is not None else []
            spent += max(0, (report.steps if report is not None else 0) - steps * envs)
            certificate = proof.certificate(problem)
            verdicts.append(_certificate(problem, certificate, proof, components))
            budget = proof.searched if planner_of(task) is None and certificate.verdict == "not certified" else 0
            tried = search_exploits(problem, looked_at, budget, proof.played, exploits)
            if report is not None and not report.passed:
                verdicts = _with_optimal_ways(problem, report, verdicts, tried.solutions)
            verdicts += [Verdict("search", *tried.verdict)] if tried.steps else []
            spent += tried.steps
            found = [each for each in certificate.layouts if each.guidance is not None]
        verdicts += _guidance_verdicts(problem, found, components, steps * envs, report)
        return Checked(verdicts, components, played, spent + counted())
    except HostError as error:
        failed = _fault(error, task)
        return Checked([*(v for v in verdicts if v.kind != failed.kind), failed], {}, {}, spent + counted())


def _guidance_verdicts(
    problem: Problem,
    found: Sequence[LayoutCertificate],
    components: dict[str, dict[str, float]],
    scored: int,
    report: BatteryReport | None,
) -> list[Verdict]:
    names, trends = problem.task.actions.names, report.trends if report else ()
    told = guidance_checks(found, components, scored, names, trends, pays=problem.reward.pays_program)
    return [Verdict(kind, each.passed, each.message, each.details) for kind, each in told]


def _scored(problem: Problem, rollout: Rollout) -> tuple[Rollout, Scores, float]:
    """(the rollout with the program's features, its components, the program's processor time in seconds)."""
    with problem.host_of(rollout) as host:
        rollout = featured(rollout, problem.task, host.uses)
        before = host.processor_seconds or 0.0
        scores = score_rollout(host, rollout, problem.task)
        # Processor time: on a busy machine a program must not fail because of other processes.
        used = host.processor_seconds
    return rollout, scores, scores.seconds if used is None else used - before


def _contract(components: dict[str, dict[str, float]], scored: int, behaviour: str) -> Verdict:
    """The verdict on a program that scored `scored` transitions without a fault."""
    silent = sorted(name for name, values in components.items() if not values["fires"])
    unused = f"; components that are 0 on all of them: {', '.join(silent)}" if silent else ""
    details = {"components": components, "behaviour": behaviour}
    return Verdict("contract", True, f"{scored:,} transitions scored{unused}", details)


def _fault(error: HostError, task: Task) -> Verdict:
    """The verdict on a program that raised an exception or broke its contract while it was scored."""
    text = str(error)
    if error.cause == "timeout":
        return Verdict(
            "cost",
            False,
            f"{text}. {cheaper(task)}",
            {"cause": error.cause, "told": too_slow(task, MAX_US_PER_TRANSITION)},
        )
    if "StopIteration" in text:
        text += "; next() found no element: objects can disappear (a box that was opened), so pass next() a default"
    kind = "determinism" if error.cause == "nondeterministic" else "contract"
    return Verdict(kind, False, text, {"cause": error.cause, "line": error.line})


def behaviour_hash(problem: Problem, rollout: Rollout, scores: Scores) -> str:
    """Return the sha256 of the training rewards of `rollout`, rounded to six decimals.

    Programs with equal hashes train identically. Where no channel pays a program's values, the hash is that of them.
    """
    total = problem.compose(rollout, scores).total
    if not problem.reward.pays_program:
        total = scores.values
    # Adding zero turns -0.0 into 0.0, which is the same reward.
    return hashlib.sha256((np.round(total, 6) + 0.0).tobytes()).hexdigest()


def _gate(problem: Problem) -> Verdict:
    task, reward = problem.task, problem.reward
    try:
        findings = gate(
            reward.source,
            reward.functions,
            costly_fields(task.schema.as_dict()),
            actions=task.actions.names if task.actions.discrete else (),
            allow=problem.isolation,
        )
    except HostError as error:
        return Verdict("gate", False, str(error))
    taken = _TAKEN & top_level_names(reward.source) if not findings else set()
    if taken:
        text = f"the name {sorted(taken)[0]!r} is reserved for a function of exported reward files; rename it"
        return Verdict("gate", False, text)
    if not findings:
        return Verdict("gate", True, "no findings")
    lines = [f"line {f.line}: {f.message}; {f.remedy}" for f in findings]
    return Verdict("gate", False, "\n".join(lines))


def _cost(seconds: float, transitions: int, task: Task) -> Verdict:
    micros = 1e6 * seconds / transitions
    ok = micros <= MAX_US_PER_TRANSITION
    if ok:
        return Verdict("cost", True, f"{micros:.1f} us per transition", {"us": micros})
    text = (
        f"one transition costs {micros:.0f} us of processor time, more than the limit of {MAX_US_PER_TRANSITION:g} us. "
        f"{cheaper(task)}"
    )
    return Verdict("cost", False, text, {"us": micros, "told": too_slow(task, MAX_US_PER_TRANSITION)})


def _determinism(problem: Problem, rollout: Rollout) -> Verdict:
    played = (rollout.before, rollout.actions, rollout.after, rollout.starts)
    error = check_determinism(problem.reward.source, problem.setup(rollout.tables), *played)
    if error is None:
        return Verdict("determinism", True, "three hosts returned the same values")
    return Verdict("determinism", False, str(error))


def _sample(rollout: Rollout) -> Rollout:
    """An evenly spread sample of its environments, with whole episodes, so that memory is replayed as well."""
    every = max(1, rollout.starts.shape[1] // _REPLAYED_ENVS)
    return rollout.chosen(slice(None), slice(None, None, every))


def _battery_verdict(report: BatteryReport, task: Task) -> Verdict:
    worst, shaping = report.findings[0], report.shaping
    kind_of_return = "a discounted" if worst.discounted else "an undiscounted"
    details = {
        "margin": worst.margin,
        "layout": worst.layout,
        "solution": asdict(worst.solution),
        "rival": asdict(worst.rival),
        "shaping": shaping.as_dict(),
        "layouts": sorted({f.layout for f in report.findings}),
        "lost": sorted(set(report.lost)),
        "scripts": report.scripts,
    }
    what, place, kind = "layout", f"layout {worst.layout}", "training "
    if uses_reference(task) and (led := reference_of(task)) is not None:
        what, place, kind = "start", f"the start with seed {led.start_seed(worst.layout)}", ""
        details |= {"reference": led.name, "difficulty": report.difficulty}
    count = len(details["layouts"])
    checked = f"{count} {what}{'' if count == 1 else 's'}"
    if report.passed:
        text = (
            f"solving earns most on {checked}; the closest script without success, {worst.rival.script!r} on {place}, "
            f"earns {worst.margin:.3g} less"
        )
        return Verdict("battery", True, text, details)
    more = f"{-worst.margin:.3g} more than" if worst.margin < -1e-9 else "no less than"
    guilty = {name: margin > 0 for name, margin in report.without.items()}
    details["without"] = dict(report.without)
    if not uses_reference(task):  # whose starts are no layouts of a pool
        acted = {"prefix": list(worst.actions), "cycle": [], "steps": len(worst.actions)}
        details["counterexample"] = {"task": task.id, "layout": worst.layout, **acted}
    text = (
        f"On {kind}{place}, the script {worst.rival.script!r} never solves the task and has "
        f"{kind_of_return} return of {worst.rival.returned:.3g}. That is {more} the {worst.solution.script}, which has "
        f"{worst.solution.returned:.3g}. Undiscounted sums of the script: {_sums(worst.rival)}; of the "
        f"{worst.solution.script}: {_sums(worst.solution)}. Change the reward so that solving earns most. "
        f"{guilty_words(guilty, 'battery on one such layout')}"
    ).rstrip()
    return Verdict("battery", False, text, details)


def _sums(earned: Earned) -> str:
    parts = earned.components or earned.channels
    return ", ".join(f"{name} {value:.3g}" for name, value in parts.items())


def _with_optimal_ways(
    problem: Problem, report: BatteryReport, verdicts: list[Verdict], more: Sequence[tuple[int, Earned]] = ()
) -> list[Verdict]:
    """Play the certificate's optimal solutions as scripts on the layouts where the battery failed.

    The battery's own solutions are the planner's. Under a reward, another solution may earn more.
    """
    *before, battery, certificate = verdicts
    lost = set(report.lost)
    ways = [(each["layout"], way) for each in certificate.details["layouts"] for way in each["ways"]]
    played = [earned_by_way(problem, at, way) for at, way in ways if at in lost]
    better = report.with_solutions([*(found for found in played if found is not None), *more])
    verdict = _battery_verdict(better, problem.task)
    if verdict.passed:
        rival = battery.details["rival"]["script"]
        text = f"the script {rival!r} earns more than the planner's solution, but another solution earns still more"
        verdict = replace(verdict, message=f"{text} (played in the real environment)")
    return [*before, verdict, certificate]


def _counts(task: Task, layouts: Sequence[int], rollout: Rollout, most: int | None) -> dict[str, int]:
    """The number of transitions, episodes and successful episodes played."""
    if uses_reference(task) and (bank := first_bank(task, layouts, most)) is not None:
        return {"transitions": bank.steps, "episodes": len(bank.scripts), "successes": int(bank.solved.sum())}
    episodes, successes = int(rollout.starts.sum()), int(rollout.success.sum())
    return {"transitions": rollout.starts.size, "episodes": episodes, "successes": successes}


def _certificate(
    problem: Problem, certificate: Certificate, proof: Proof, components: dict[str, dict[str, float]]
) -> Verdict:
    """The certificate's verdict; where it fails, repeated on one layout with each component left out."""
    details, message = certificate.as_dict(), certificate.message()
    if certificate.passed:
        return Verdict("certificate", True, message, details)
    layout = next(each.layout for each in certificate.layouts if each.misses)

    def passes(other: Problem) -> bool:
        try:
            return not certify_layout(other, layout, proof.limit, bounds=proof.bounds).misses
        except NotCertified:
            return False

    paying = sorted((n for n in components if components[n]["fires"]), key=lambda n: -components[n]["fires"])
    without = verdicts_without(problem, paying, passes)
    words = guilty_words(without, f"certificate of layout {layout}")
    return Verdict("certificate", False, f"{message} {words}".rstrip(), {**details, "without": without})


def steps_played(task: Task, checked: Checked) -> int:
    """Return the environment steps that `run_checks` played: the battery's scripts, or random play without them."""
    if not task.cheap_steps:
        return checked.steps
    bank = played_bank(task) if checked.played else ()
    return sum(played.steps for _, played in bank) or checked.played.get("transitions", 0)
