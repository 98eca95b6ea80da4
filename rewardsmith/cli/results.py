"""How a job ended: the claim with its intervals, the best candidate, the next command."""

from __future__ import annotations

from typing import Any

from rewardsmith.cli import screen
from rewardsmith.plaintext import indented
from rewardsmith.reporting import queries, text
from rewardsmith.reporting.queries import Arm, Claim

_VERDICTS = {"better": "better", "not shown": "a difference is not shown", "worse": "worse"}


def print_result(context: Any, job_id: str) -> None:
    """Print the job's end. Raises RewardsmithError if it failed."""
    from rewardsmith.errors import RewardsmithError
    from rewardsmith.storage.database import read

    with read(context.database) as connection:
        job = queries.find_job(connection, job_id)
        claim = queries.read_claim(connection, job) if job.state in ("done", "paused") else None
    cause, _, remedy = (job.note or "").partition("\n")
    # Of a failed job the note is the error itself where it has a remedy, too: the task's environment failed.
    failed_for = (cause, remedy) if job.state == "failed" and remedy else None
    if job.note and job.state != "paused" and failed_for is None:
        screen.say(indented(job.note))
    if claim is not None:
        print_claim(claim)
    if job.best_candidate is not None:
        screen.say(f"best: {job.best_candidate}" + ("  (oracle-informed)" if job.oracle_informed else ""))
        if job.oracle_informed:
            screen.say(text.ORACLE_INFORMED)
        if claim is not None and claim.best.mean <= claim.baseline.mean:
            screen.say("On fresh seeds it did no better than the environment's own reward: there is nothing to gain.")
        screen.next_command(f"rewardsmith show {job.best_candidate}")
        screen.next_command(f"rewardsmith export {job.id} --best --out exported")
    if failed_for is not None:
        raise RewardsmithError(*failed_for)
    if job.state == "failed":
        raise RewardsmithError(f"Job {job.id} found no reward.", f"See `rewardsmith why {job.id}`.")


def explain_end(context: Any, job_id: str, failure: tuple[str, str] | None) -> None:
    """After `print_result`: raises RewardsmithError if the job stopped short of its end, unless for a person's answer.

    `failure` is the executor's own, where it had one.
    """
    from rewardsmith.engine.jobs import lifecycle
    from rewardsmith.errors import RewardsmithError
    from rewardsmith.storage.database import read
    from rewardsmith.storage.reads import items_of

    with read(context.database) as connection:
        job = queries.find_job(connection, job_id)
        asked = any(item.state == "waiting" for item in items_of(connection, job.id))
    go_on = f"Give the same command again, or `rewardsmith resume {job.id}`."
    if job.state == "paused" and job.note in lifecycle.ASKED_PAUSES:
        screen.say(f"job {job.id} is paused: {job.note}")
        screen.next_command(f"rewardsmith resume {job.id}")
        return
    if job.state == "paused" and not asked:
        cause, _, remedy = (job.note or "The job is paused.").partition("\n")
        raise RewardsmithError(cause, f"{remedy} {go_on}".strip())
    if job.state == "running":
        cause, remedy = failure or ("The executor ended early.", "")
        raise RewardsmithError(cause, remedy or f"{go_on} See `rewardsmith logs {job.id}`.")


def print_claim(claim: Claim) -> None:
    """Both arms of a claim as a table, and the verdict in words."""
    label = f"{len(claim.best.seeds)} fresh seeds" + (", preliminary" if claim.preliminary else "")
    layouts = "unseen layouts" if claim.best.unseen else "layouts that training may have seen"
    shown = screen.table(
        f"claim: {label}, {claim.best.episodes:,} episodes each, stochastic policy, {layouts}",
        [
            ("reward", "left"),
            ("success [95 %]", "right"),
            ("each seed", "left"),
            ("greedy", "right"),
            ("steps", "right"),
            ("steps to 90 %", "left"),
        ],
    )
    for arm in (claim.best, claim.baseline):
        shown.add_row(
            arm.candidate,
            text.percent(arm.mean, *arm.interval),
            " ".join(f"{100 * s:.1f}" for s in arm.success),
            " ".join(f"{100 * s:.1f}" for s in arm.greedy),
            text.steps(arm.steps),
            _to_90(arm),
        )
    screen.out.print(shown)
    for arm in (claim.best, claim.baseline):
        if arm.failed:
            text_failed = (
                f"{arm.failed} of {len(arm.seeds)} seeds of {arm.candidate} failed in training and count as 0 %"
            )
            screen.out.print(text_failed, markup=False)
    if claim.settings:
        screen.out.print(f"settings: {claim.settings}, for both rewards", markup=False)
    few = " (fewer than 4 seeds can show none; the default is 10)" if len(claim.best.seeds) < 4 else ""
    screen.out.print(
        f"verdict: {_VERDICTS[claim.verdict]}{few}; probability of improvement {claim.improvement:.2f}", markup=False
    )


def _to_90(arm: Arm) -> str:
    return " ".join("never" if s is None else f"{s:,}" for s in arm.steps_to_90)
