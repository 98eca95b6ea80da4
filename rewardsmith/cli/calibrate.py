"""`calibrate`: fit the language model of ULPS and measure its calibration on held-out layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.errors import UsageError

_ROWS = {
    "accuracy": "most probable action is optimal, all states",
    "unique_accuracy": "the same, on states with a single optimal action",
    "brier": "Brier score, 0 to 2",
    "ece": "expected calibration error, 10 bins",
    "auroc_entropy": "AUROC of 1 - h as predictor of a right answer, h from entropy (as published)",
    "auroc_information": "the same, h from mutual information",
}


def register(app: typer.Typer) -> None:
    """Add `calibrate` to the application."""
    app.command()(calibrate)


def calibrate(
    task: Annotated[str, typer.Option("--task", help="Task id.")],
    prompts: Annotated[
        str, typer.Option(help="What the model reads: privileged (full state) or view (the agent's view and memory).")
    ] = ("privileged"),
    language_model: Annotated[
        str | None, typer.Option(help="Path or name of a BERT-family model; by default a small one is trained here.")
    ] = None,
    option: Annotated[list[str] | None, typer.Option(help="An option of ulps, NAME=VALUE; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json and reliability.png.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """Measure the calibration of the ULPS teacher policy.

    The teacher is fitted first, and then evaluated on held-out layouts.
    """
    from rewardsmith.cli.methods import read_options
    from rewardsmith.offline.calibrate_teacher import calibrate_teacher

    screen.check_format(form)
    given = read_options(option, "ulps")
    if strange := set(given) - {"ulps"}:
        raise UsageError(f"--option names the method {min(strange)!r}.", "`calibrate` takes options of ulps only.")
    options: dict[str, Any] = {"prompts": prompts, **given.get("ulps", {})}
    if language_model is not None:
        options["language_model"] = language_model
    report = calibrate_teacher(task, options, out, screen.say)
    figures = {k: v for k, v in report.figures.items() if k != "bins"}
    shown = screen.table(None, [("figure", "left"), ("value", "right"), ("meaning", "left")])
    for name, meaning in _ROWS.items():
        shown.add_row(name, "-" if figures[name] is None else f"{figures[name]:.3f}", meaning)
    shown.add_row("states", str(figures["states"]), f"{figures['unique_states']} of them have a single optimal action")
    screen.emit([{**figures, "folder": str(report.folder)}], form, shown)
    if form == "table":
        for path in report.files:
            screen.say(f"wrote {path}")
        screen.say(f"the model is saved in {report.folder}")
        screen.next_command(
            f"rewardsmith run --task {task} --method ulps " + " ".join(f"--option {k}={v}" for k, v in options.items())
        )
