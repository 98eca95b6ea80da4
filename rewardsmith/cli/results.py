"""How a job ended: the final evaluation with its intervals, the best candidate, the next command."""

from __future__ import annotations

from typing import Any

from rewardsmith.cli import screen
from rewardsmith.plaintext import indented
from rewardsmith.reporting import queries, text
from rewardsmith.reporting.queries import Arm, Claim

_VERDICTS = {"better": "better", "not shown": "no difference is shown", "worse": "worse"}


def print_result(context: Any, job_id: str) -> None:
    """Print how a job ended. Raises RewardsmithError if it failed."""
    from rewardsmith.errors import RewardsmithError
    from rewardsmith.storage.database import read

    with read(context.database) as connection:
        job = queries.find_job(connection, job_id)
        claim = queries.read_claim(connection, job) if job.state in ("done", "paused") else None
    cause, _, remedy = (job.note or "").partition("\n")
    # If a failed job's note has a remedy, it is the error of the task's environment.
    failed_for = (cause, remedy) if job.state == "failed" and remedy else None
    if job.note and job.state != "paused" and failed_for is None:
        screen.say(indented(job.note))
    if claim is not None:
        print_claim(claim)
    if job.best_candidate is not None:
        screen.say(f"best: {job.best_candidate}")
        if job.oracle_informed:
            screen.say(text.ORACLE_INFORMED)
        if claim is not None and _merit(claim.best) <= _merit(claim.baseline):
            screen.say("On fresh seeds the designed reward did not beat the environment's own reward.")
        screen.next_command(f"rewardsmith show {job.best_candidate}")
        screen.next_command(f"rewardsmith export {job.id} --best --out exported")
    if failed_for is not None:
        raise RewardsmithError(*failed_for)
    if job.state == "failed":
        raise RewardsmithError(f"Job {job.id} found no reward.", f"See `rewardsmith why {job.id}`.")


def explain_end(context: Any, job_id: str, failure: tuple[str, str] | None) -> None:
    """Report, after `print_result`, why a job stopped before its end. A job that waits for an answer is no error.

    Args:
        context: Where the job is stored.
        job_id: The job.
        failure: Cause and remedy of the executor's own failure, if it had one.

    Raises:
        RewardsmithError: The job stopped before its end for another reason than a user's pause.
    """
    from rewardsmith.engine.jobs import lifecycle
    from rewardsmith.errors import RewardsmithError
    from rewardsmith.storage.database import read
    from rewardsmith.storage.reads import items_of

    with read(context.database) as connection:
        job = queries.find_job(connection, job_id)
        asked = any(item.state == "waiting" for item in items_of(connection, job.id))
    go_on = f"Run the same command again, or `rewardsmith resume {job.id}`."
    if job.state == "paused" and job.note in lifecycle.ASKED_PAUSES:
        screen.say(f"job {job.id} is paused: {job.note}")
        screen.next_command(f"rewardsmith resume {job.id}")
        return
    if job.state == "paused" and not asked:
        cause, _, remedy = (job.note or "The job is paused.").partition("\n")
        raise RewardsmithError(cause, f"{remedy} {go_on}".strip())
    if job.state == "running":
        cause, remedy = failure or ("The executor ended before the job.", "")
        raise RewardsmithError(cause, remedy or f"{go_on} See `rewardsmith logs {job.id}`.")


def print_claim(claim: Claim, *, verdict: bool = True) -> None:
    """Print both rewards of a final evaluation as a table, and the verdict unless it was printed already."""
    seeds = len(claim.best.seeds)
    label = f"{seeds} fresh seed{'' if seeds == 1 else 's'}" + (", preliminary" if claim.preliminary else "")
    measure = claim.best.measure
    reached = "steps to 90 %" if measure.scale is None else "steps to 0.9" if measure.scale.has_reference else None
    columns = [
        ("reward", "left"),
        (f"{measure.name} [95 %]", "right"),
        ("each seed", "left"),
        *([] if measure.fixed else [("greedy", "right")]),
        ("steps", "right"),
        *([(reached, "left")] if reached else []),
    ]
    title = f"final evaluation: {label}, {claim.best.episodes:,} episodes each, {measure.policy}, {claim.best.where}"
    rows = [
        (
            arm.candidate,
            measure.show(arm.mean, *arm.interval),
            " ".join(map(measure.short, arm.success)),
            *([] if measure.fixed else [" ".join(map(measure.short, arm.greedy))]),
            text.steps(arm.steps),
            *([_to_90(arm)] if reached else []),
        )
        for arm in (claim.best, claim.baseline)
    ]
    screen.out.print(title, markup=False)  # above a table it would be wrapped at the table's width
    screen.out.print(screen.filled_table(None, columns, rows))
    if measure.scale is not None:
        screen.out.print(f"interquartile mean over seeds; {measure.scale.words}", markup=False)
    for arm in (claim.best, claim.baseline):
        if arm.failed:
            count = "0 %" if measure.scale is None else "random play"
            text_failed = (
                f"{arm.failed} of {len(arm.seeds)} seeds of {arm.candidate} failed in training and count as {count}"
            )
            screen.out.print(text_failed, markup=False)
    if claim.cut_off is not None:
        screen.out.print(claim.cut_off, markup=False)
    if claim.baseline_settings:
        screen.out.print(f"the baseline is trained by {claim.baseline_settings}", markup=False)
    if claim.settings:
        screen.out.print(f"training settings of both rewards: {claim.settings}", markup=False)
    if verdict:
        screen.out.print(verdict_line(claim), markup=False)


def verdict_line(claim: Claim) -> str:
    """Return the verdict of a final evaluation in a line."""
    few = " (at least 4 seeds are needed to show one; pass --confirm 10)" if len(claim.best.seeds) < 4 else ""
    return f"verdict: {_VERDICTS[claim.verdict]}{few}; probability of improvement {claim.improvement:.2f}"


def _merit(arm: Arm) -> float:
    return arm.measure.merit(arm.mean)


def _to_90(arm: Arm) -> str:
    return "-" if not arm.full_points else " ".join(queries.reached_words(s, True) for s in arm.steps_to_90)
