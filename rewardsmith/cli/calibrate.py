"""`calibrate`: how far the language model of ULPS can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.errors import UsageError

_ROWS = {
    "accuracy": "most probable action is an optimal one, all states",
    "unique_accuracy": "the same, states with one optimal action",
    "brier": "Brier score, 0 to 2",
    "ece": "expected calibration error, 10 bins",
    "auroc_entropy": "AUROC of 1 - h for right answers, published gate",
    "auroc_information": "AUROC of 1 - h for right answers, mutual information",
}


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(calibrate)


def calibrate(
    task: Annotated[str, typer.Option("--task", help="Task id.")],
    prompts: Annotated[str, typer.Option(help="privileged (the full state) or view (own view and memory).")] = (
        "privileged"
    ),
    language_model: Annotated[
        str | None, typer.Option(help="Path or name of a BERT-family model; a small one fitted here by default.")
    ] = None,
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, options of ulps; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json and reliability.png.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """Fit the language model that guides a ULPS job, and score it on layouts it has never seen."""
    from rewardsmith.cli.methods import read_options
    from rewardsmith.offline.calibrate_teacher import calibrate_teacher

    screen.check_format(form)
    given = read_options(option, "ulps")
    if strange := set(given) - {"ulps"}:
        raise UsageError(f"Options are set of {min(strange)!r}, which takes no part.", "Only ulps has options here.")
    options: dict[str, Any] = {"prompts": prompts, **given.get("ulps", {})}
    if language_model is not None:
        options["language_model"] = language_model
    report = calibrate_teacher(task, options, out, screen.say)
    figures = {k: v for k, v in report.figures.items() if k != "bins"}
    shown = screen.table(None, [("figure", "left"), ("value", "right"), ("what it is", "left")])
    for name, meaning in _ROWS.items():
        shown.add_row(name, "-" if figures[name] is None else f"{figures[name]:.3f}", meaning)
    shown.add_row("states", str(figures["states"]), f"of them with one optimal action: {figures['unique_states']}")
    screen.emit([{**figures, "folder": str(report.folder)}], form, shown)
    if form == "table":
        for path in report.files:
            screen.say(f"wrote {path}")
        screen.say(f"the model is kept in {report.folder}")
        screen.next_command(
            f"rewardsmith run --task {task} --method ulps " + " ".join(f"--option {k}={v}" for k, v in options.items())
        )
