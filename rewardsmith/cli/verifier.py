"""`evaluate-verifier`: how well a model recognises the steps that terminate a subgoal."""

from __future__ import annotations

from functools import wraps
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen


def register(app: typer.Typer) -> None:
    """Add `evaluate-verifier` to the application, and its deprecated name `evaluate-judge`."""
    app.command(name="evaluate-verifier")(evaluate_verifier)
    app.command(name="evaluate-judge", hidden=True)(evaluate_judge)


def evaluate_verifier(  # noqa: PLR0913  (options of a command)
    task: Annotated[str, typer.Option("--task", help="Task id.")],
    model: Annotated[
        str, typer.Option(help="A litellm id, or synth: an oracle labeller (mode verifier) and rules (mode code).")
    ] = "synth",
    transitions: Annotated[
        int, typer.Option(min=4, help="Transitions, half of them terminating; one call for each per condition.")
    ] = 200,
    mode: Annotated[str | None, typer.Option(help="Test only this mode: verifier or code.")] = None,
    subgoals: Annotated[str | None, typer.Option(help="Test only these subgoals: preset or discover.")] = None,
    view: Annotated[
        str | None, typer.Option(help="Test only this view of the verifier: cropped, full or caption.")
    ] = None,
    false_positive: Annotated[
        float, typer.Option(min=0, max=1, help="False-positive rate of the oracle labeller.")
    ] = 0.0,
    false_negative: Annotated[
        float, typer.Option(min=0, max=1, help="False-negative rate of the oracle labeller.")
    ] = 0.0,
    max_calls: Annotated[int | None, typer.Option(min=1, help="Limit of language-model calls.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample of transitions.")] = 0,
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """Measure how well a model verifies subgoals.

    Its verdicts are compared with the simulator's state; nothing is trained.
    """
    from rewardsmith.config import settings
    from rewardsmith.offline import evaluate_verifier as offline

    screen.check_format(form)
    if mode == "judge":
        screen.say("`--mode judge` is deprecated and will be removed in the next version; use `--mode verifier`.")
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
        screen.say(
            "* uses privileged information: preset subgoals come from a planner, the oracle labeller reads the state"
        )
        screen.next_command(f"rewardsmith run --task {task} --method calm --option mode=verifier")


@wraps(evaluate_verifier)
def evaluate_judge(**options: Any) -> None:
    screen.say("`evaluate-judge` is deprecated and will be removed in the next version; use `evaluate-verifier`.")
    evaluate_verifier(**options)


def _arms(mode: str | None, subgoals: str | None, view: str | None) -> tuple[tuple[Any, ...], ...]:
    """Return the experimental conditions that match; None matches any value. Raises UsageError if none does."""
    from rewardsmith.errors import UsageError
    from rewardsmith.offline.evaluate_verifier import ARMS

    for place, (option, named) in enumerate((("--mode", mode), ("--subgoals", subgoals), ("--view", view))):
        known = sorted({arm[place] for arm in ARMS})
        if named is not None and named not in known:
            raise UsageError(f"{option} has no value {named!r}.", f"Use one of: {', '.join(known)}.")
    found = tuple(
        arm for arm in ARMS
        if (mode in (None, arm[0])) and (subgoals in (None, arm[1])) and (arm[0] == "code" or view in (None, arm[2]))
    )  # fmt: skip
    if not found:
        conditions = "; ".join(", ".join(arm) for arm in ARMS)
        raise UsageError("No condition combines these --mode, --subgoals and --view.", f"Use one of: {conditions}.")
    return found


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _row(score: Any) -> dict[str, Any]:
    a = score.agreement
    # `judged_by` is the deprecated name of `flagged_by`; the next version drops it.
    return {
        "mode": score.mode, "subgoals": score.subgoals, "view": score.view,
        "flagged_by": score.flagged_by, "judged_by": score.flagged_by,
        "oracle_informed": score.oracle_informed, "accuracy": a.accuracy, "precision": a.precision,
        "recall": a.recall, "f1": a.f1, **vars(a), "calls": score.calls, "tokens": score.tokens,
    }  # fmt: skip
