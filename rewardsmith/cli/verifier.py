"""`evaluate-verifier`: how well a model says which steps terminate a subgoal."""

from __future__ import annotations

from functools import wraps
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen


def register(app: typer.Typer) -> None:
    """Add this file's command, and its former name, which will be gone in the next version."""
    app.command(name="evaluate-verifier")(evaluate_verifier)
    app.command(name="evaluate-judge", hidden=True)(evaluate_judge)


def evaluate_verifier(  # noqa: PLR0913  (options of a command)
    task: Annotated[str, typer.Option("--task", help="Task id.")],
    model: Annotated[str, typer.Option(help="synth (a stand-in, and rules), or a litellm id.")] = "synth",
    transitions: Annotated[int, typer.Option(min=4, help="Balanced transitions, each one call per arm.")] = 200,
    mode: Annotated[str | None, typer.Option(help="Only verifier, or only code.")] = None,
    subgoals: Annotated[str | None, typer.Option(help="Only preset, or only discover.")] = None,
    view: Annotated[str | None, typer.Option(help="Only this view of the verifier: cropped, full or caption.")] = None,
    false_positive: Annotated[float, typer.Option(min=0, max=1, help="Error rate of the stand-in.")] = 0.0,
    false_negative: Annotated[float, typer.Option(min=0, max=1, help="Error rate of the stand-in.")] = 0.0,
    max_calls: Annotated[int | None, typer.Option(min=1, help="Limit of language-model calls.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which transitions are drawn.")] = 0,
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """Measure offline how well a model verifies subgoals, against the simulator's truth; nothing is trained."""
    from rewardsmith.config import settings
    from rewardsmith.offline import evaluate_verifier as offline

    screen.check_format(form)
    if mode == "judge":
        screen.say("The mode `judge` is now `verifier`; the former name will be gone in the next version.")
        mode = "verifier"
    test = offline.VerifierTest(
        task=task, model=model, transitions=transitions, seed=seed, arms=_arms(mode, subgoals, view),
        false_positive=false_positive, false_negative=false_negative, max_calls=max_calls,
        isolation=settings().isolation,
    )  # fmt: skip
    scores = offline.evaluate_verifier(test, screen.say)
    shown = screen.table(
        None,
        [("mode", "left"), ("subgoals", "left"), ("view", "left"), ("flagged by", "left"), ("n", "right"),
         ("accuracy", "right"), ("precision", "right"), ("recall", "right"), ("F1", "right"),
         ("false on hard", "right"), ("calls", "right")],
    )  # fmt: skip
    rows = []
    for s in scores:
        a = s.agreement
        count = a.tp + a.fp + a.tn + a.fn
        by = s.flagged_by + (" *" if s.oracle_informed else "")
        shown.add_row(
            s.mode, s.subgoals, s.view, by, str(count), f"{a.accuracy:.3f}",
            _number(a.precision), _number(a.recall), _number(a.f1), f"{a.hard_fp}/{a.hard}", str(s.calls),
        )  # fmt: skip
        rows.append(_row(s))
    screen.emit(rows, form, shown)
    if form == "table":
        screen.say("* oracle-informed: preset subgoals are a planner's, a stand-in reads the simulator's truth")
        screen.next_command(f"rewardsmith run --task {task} --method calm --option mode=verifier")


@wraps(evaluate_verifier)
def evaluate_judge(**options: Any) -> None:
    screen.say("`evaluate-judge` is now `evaluate-verifier`; the former name will be gone in the next version.")
    evaluate_verifier(**options)


def _arms(mode: str | None, subgoals: str | None, view: str | None) -> tuple[tuple[Any, ...], ...]:
    """The arms that fit; None means any. Raises UsageError where none does."""
    from rewardsmith.errors import UsageError
    from rewardsmith.offline.evaluate_verifier import ARMS

    for place, named in enumerate((mode, subgoals, view)):
        known = sorted({arm[place] for arm in ARMS})
        if named is not None and named not in known:
            raise UsageError(f"{named!r} is none of an arm's settings.", f"Use one of: {', '.join(known)}.")
    found = tuple(
        arm for arm in ARMS
        if (mode in (None, arm[0])) and (subgoals in (None, arm[1])) and (arm[0] == "code" or view in (None, arm[2]))
    )  # fmt: skip
    if not found:
        arms = "; ".join(", ".join(arm) for arm in ARMS)
        raise UsageError("No arm has that mode, those subgoals and that view.", f"There are: {arms}.")
    return found


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _row(score: Any) -> dict[str, Any]:
    a = score.agreement
    # `judged_by` is the former name of `flagged_by`; it will be gone in the next version.
    return {
        "mode": score.mode, "subgoals": score.subgoals, "view": score.view,
        "flagged_by": score.flagged_by, "judged_by": score.flagged_by,
        "oracle_informed": score.oracle_informed, "accuracy": a.accuracy, "precision": a.precision,
        "recall": a.recall, "f1": a.f1, **vars(a), "calls": score.calls, "tokens": score.tokens,
    }  # fmt: skip
