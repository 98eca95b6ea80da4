"""Work item `check`: the checks and the critic's review of a candidate."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from rewardsmith.agents import roles
from rewardsmith.agents.models import ReplayKey
from rewardsmith.engine.context import Context
from rewardsmith.engine.items.counter_examples import saved_exploits, with_recording
from rewardsmith.engine.items.earlier_policies import earlier_policies
from rewardsmith.engine.items.shown import anonymous, check_figures
from rewardsmith.engine.models.open import lengths, open_role, own_prompts, reads_facts
from rewardsmith.engine.search.snapshot import Snapshot
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item
from rewardsmith.storage.records import Candidate
from rewardsmith.storage.schema import checks
from rewardsmith.syntax import NotPython
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.training.briefing import briefing
from rewardsmith.training.fit import require_hindsight
from rewardsmith.verification.checks import ADVISORY, RANDOM_TRANSITIONS, Proof, Verdict, run_checks, steps_played
from rewardsmith.verification.episode_cap import bounded
from rewardsmith.verification.searched import STEPS
from rewardsmith.verification.yielding_lock import at_once


def run_check(context: Context, item: Item) -> None:
    """Run the checks and the critic's review of a candidate, and write every verdict."""
    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
        exploits = saved_exploits(connection, item.key.job_id, item.key.iteration)
    candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
    spec, recipe = snapshot.spec, recipe_of(snapshot.spec)
    task = get_task(spec.task, spec.description)
    asked = Problem(task, recipe.reward(candidate.source), spec.training.gamma, context.settings.isolation)
    most, proof = extent(task, spec)
    reward = bounded(asked, spec.episode_cap, most=proof.played)
    # Channels that exist only during training cannot be checked beforehand.
    rivals = earlier_policies(context, snapshot, task, item.key.iteration)
    with at_once(context.settings.check_processes):
        checked = run_checks(asked.with_reward(reward.written), proof, exploits, most, rivals)
    verdicts = [with_recording(asked.with_reward(reward.written), v) if not v.passed else v for v in checked.verdicts]
    bonuses = reward.training_only
    if bonuses and checked.passed:
        text = f"added during training only, and not part of the other checks: {', '.join(bonuses)}"
        verdicts.append(Verdict("bonuses", True, text))
    if spec.training.her:
        verdicts.append(_hindsight(task, reward))
    if checked.passed and candidate.kind == "designed":
        verdicts.append(_novelty(context, snapshot, candidate, verdicts))
    objections = {v.kind for v in verdicts if not v.passed}
    goes_on = not objections or (spec.train_anyway and objections <= ADVISORY)
    if goes_on and spec.searches and recipe.contract is not None:
        asked = roles.ReviewRequest(
            contract=recipe.contract,
            interface=briefing(task, spec),
            source=candidate.source,
            components=checked.components,
            played=checked.played,
            key=ReplayKey("critic", candidate.iteration, candidate.sample, 2 * snapshot.repair_depth(candidate)),
            figures=check_figures({v.kind: v.details for v in verdicts}, checked.difficulty),
            given=recipe.given(task),
            facts=reads_facts(spec, "critic"),
            scale=spec.score,
            limits=lengths(spec),
            prompts=own_prompts(spec),
        )
        outcome = roles.review(open_role(context, snapshot, item, "critic", candidate.id), asked)
        verdicts.append(_critic_verdict(outcome))
    # `train` trains a user's reward even if one of these checks warns.
    advisory: set[str] = set() if spec.searches and not spec.train_anyway else {*ADVISORY}
    told = {"difficulty": checked.difficulty, "behaviour": _behaviour(verdicts), "played": steps_played(task, checked)}
    _write_verdicts(context, item, candidate.id, verdicts, advisory, told, reward)


def _hindsight(task: Task, reward: TrainingReward) -> Verdict:
    """Whether hindsight experience replay can score the reward's transitions one by one."""
    try:
        require_hindsight(task, reward)
    except UsageError as error:
        return Verdict("hindsight", False, f"{error.cause} {error.remedy}")
    except NotPython as error:
        return Verdict("hindsight", False, f"the program cannot be read: {error}")
    return Verdict("hindsight", True, "every transition can be scored alone, under any goal")


def extent(task: Task, spec: JobSpec) -> tuple[int, Proof]:
    """Return the number of random transitions in a check, and the extent of its battery.

    If steps are slow, both together play at most half of the steps that the first rung allows (training.played), and
    random play an eighth of them. Half of the rest is for the search for exploits, at most `training.search_share` of
    a trial. The other half is for the evaluation at the rung's end.
    """
    if task.cheap_steps:
        return RANDOM_TRANSITIONS, Proof(wanted=spec.verification)
    allowed = int(spec.training.evaluation_share * spec.steps * spec.rungs[0])
    drawn = min(RANDOM_TRANSITIONS, allowed // 8)
    left = allowed // 2 - drawn
    searched = min(STEPS, int(spec.training.search_share * spec.steps), left // 2)
    return drawn, Proof(wanted=spec.verification, played=left - searched, searched=searched)


def _novelty(context: Context, snapshot: Snapshot, candidate: Candidate, verdicts: list[Verdict]) -> Verdict:
    """Reject a program that gives the same rewards on the played transitions as one of an earlier round.

    Programs of the same round are compared when all its checks have ended (engine.search.rounds), so that the result
    does not depend on which check ends first.
    """
    mine = _behaviour(verdicts)
    if mine is None:
        return Verdict("novelty", True, "no program to compare")
    earlier = [c for c in snapshot.candidates if c.iteration < candidate.iteration and c.kind != "baseline"]
    with read(context.database) as connection:
        for other in earlier:
            query = select(checks.c.details).where(checks.c.candidate_id == other.id, checks.c.kind == "contract")
            details = connection.execute(query).scalar()
            if details and details.get("behaviour") == mine:
                name = anonymous(other)
                text = f"pays exactly what {name} paid on every played transition; training would bring nothing new"
                return Verdict("novelty", False, text, {"same_as": other.id})
    return Verdict("novelty", True, "no earlier program paid the same")


def _behaviour(verdicts: list[Verdict]) -> str | None:
    """Return the hash of the rewards on the played transitions, or None if the reward was not evaluated on them."""
    return next((v.details["behaviour"] for v in verdicts if "behaviour" in v.details), None)


def _write_verdicts(
    context: Context,
    item: Item,
    candidate_id: str,
    verdicts: list[Verdict],
    advisory: set[str],
    told: dict[str, Any],
    reward: TrainingReward,
) -> None:
    """Write the verdicts and the candidate's state; the item's result is `told` and whether the candidate passed."""
    failed = next((v for v in verdicts if not v.passed and v.kind not in advisory), None)

    def rows(connection: Connection) -> None:
        for verdict in verdicts:
            records.put_check(
                connection,
                candidate_id=candidate_id,
                kind=verdict.kind,
                passed=verdict.passed,
                message=verdict.message,
                details=verdict.details,
            )
        values: dict[str, Any] = {"state": "passed", "reward": reward.stored}
        if failed is not None:
            values |= {"state": "rejected", "rejection_reason": f"failed check {failed.kind}: {failed.told}"}
        records.update_candidate(connection, candidate_id, **values)
        queue.finish(connection, item, "done", {"passed": failed is None, **told})

    context.write(rows)


def _critic_verdict(outcome: roles.Outcome) -> Verdict:
    if outcome.result is None:
        # The critic only advises: an unreadable review must not reject a program that passed every check.
        return Verdict("critic", True, f"no readable review: {outcome.reason}")
    issues = [f"{f'line {i.line}: ' if i.line else ''}{i.problem}; {i.remedy}" for i in outcome.result.issues]
    text = "\n".join(issues) or "no objection"
    return Verdict("critic", outcome.result.verdict == "accept", text)
