"""`tasks list`, `tasks describe`, `tasks new`, `tasks try`, `tasks record` and `tasks prepare`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.options import named, takes_settings

app = typer.Typer(help="List, describe and prepare tasks.", no_args_is_help=True)


@app.command(name="list")
def list_(
    match: Annotated[str, typer.Argument(help="Show only ids that contain this text.")] = "",
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """List task ids with the engine that runs each, and the installed package that brings it."""
    from rewardsmith.tasks import brought_by, list_tasks

    found = [
        {"task": task_id, "engine": engine, "package": "" if engine != "-" else brought_by(task_id)}
        for task_id, engine in list_tasks()
        if match.lower() in task_id.lower()
    ]
    shown = screen.table(None, [("task", "left"), ("engine", "left"), ("package", "left")])
    for row in found:
        shown.add_row(*row.values())
    screen.emit(found, form, shown)
    if form == "table":
        screen.say(
            "engines: batched = compiled, fast; real = the environment itself. For a task of your own see docs/tasks.md"
        )
        screen.next_command("rewardsmith tasks describe ID")


@app.command()
def describe(
    task: Annotated[str, typer.Argument(help="Task id, or a file that describes one.")],
    form: Annotated[str, typer.Option("--format", help="table (text) or json.")] = "table",
) -> None:
    """Print the task description that designers receive.

    It contains state, actions, mechanics, success test and an example.
    """
    from rewardsmith.spec import default_steps
    from rewardsmith.tasks import get_task
    from rewardsmith.tasks.capabilities import named_by_hand, score_rule_of
    from rewardsmith.tasks.subgoals import subgoal_order

    found = get_task(task)
    interface = found.interface()
    if form == "json":
        screen.emit([interface.__dict__], "json", screen.table(None, []))
        return
    screen.write(interface.text)
    screen.write(f"\n{'SCORE' if score_rule_of(found) else 'SUCCESS'}\n{found.success_rule}")
    screen.write(f"\nENGINE\n{found.engine}; {default_steps(found.id):,} environment steps per full trial by default")
    order = subgoal_order(found)
    if order:
        steps = ", ".join(f"{g['event']} {g['kind'] or ''}".strip() for g in order)
        screen.write(f"\nPLANNER\nSubgoals of a shortest solution, in order: {steps}")
    if (described := named_by_hand(found)) is not None and (warning := described.order_warning()):
        screen.say(f"warning: {warning}")
    screen.next_command(f"rewardsmith run --task {task}")


@app.command()
@takes_settings("model", "api_base", "record", "replay")
def new(
    context: typer.Context,
    environment: Annotated[
        str, typer.Argument(help="Gymnasium id; MODULE:ID or MODULE:CLASS for a module in this folder; or FILE.py.")
    ],
    out: Annotated[Path | None, typer.Option("--out", help="File to write; NAME.yaml unless given.")] = None,
    python: Annotated[bool, typer.Option("--python", help="Write a Python file instead of YAML.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the draft of --model without asking.")] = False,
    **given: Any,
) -> None:
    """Write a description of a Gymnasium environment.

    The environment is made and played at random: the file has its spaces, the ranges that were seen, the infos and
    signs of success. Where rewardsmith ships a description, the file has its names. With --model a language model
    names the variables and says when an episode succeeds; you confirm what it wrote. The file runs as it is.
    """
    from rewardsmith.errors import UsageError
    from rewardsmith.offline import draft_task
    from rewardsmith.tasks.described.drafts import draft

    typed, around = named(context, given)
    path = out or _file_of(environment, python)
    python = python or path.suffix == ".py"
    if path.exists():
        raise UsageError(f"{path} exists already.", "Give another file with --out, or remove it.")
    model = _opened(typed, around, yes)
    screen.say(f"making and playing {environment}")
    drafted = draft(environment, Path.cwd(), python=python)
    if model is not None:
        screen.say(f"asking {model.name}")
        try:
            drafted = draft_task.improve(drafted, model)
        finally:
            screen.say(model.line())
        if not yes:
            screen.write(drafted.text)
            if not typer.confirm(f"Write this to {path}?", err=True):
                screen.say("Nothing was written.")
                raise typer.Exit(1)
    path.write_text(drafted.text, encoding="utf-8")
    screen.write(str(path))
    if model is None:
        screen.say(f"{drafted.why[0].upper()}{drafted.why[1:]}.")
    screen.next_command(f"rewardsmith tasks try {path}")


def _file_of(environment: str, python: bool) -> Path:
    """The file that is written unless one is named; it must not hide the module of the environment."""
    file, _, attribute = environment.partition(":")
    named = attribute or (Path(file).stem if file.endswith(".py") else environment)
    named = re.sub(r"\W+", "_", re.sub(r"-v\d+$", "", named.rpartition("/")[2])).strip("_").lower()
    return Path(f"{named}_task.py" if python else f"{named}.yaml")


def _opened(typed: dict[str, Any], around: dict[str, Any], yes: bool) -> Any:
    """The model that drafts, counted; None unless --model or --replay was given."""
    import sys

    from rewardsmith.config import settings
    from rewardsmith.errors import UsageError
    from rewardsmith.offline import draft_task

    if "model" not in typed and "replay" not in typed:
        if lone := [f"--{name.replace('_', '-')}" for name in ("api_base", "record") if name in typed]:
            raise UsageError(f"{lone[0]} needs a model.", "Pass --model, too.")
        return None
    draft_task.require_confirmable(yes, sys.stdin.isatty())
    here = settings()
    record, replay = (Path(typed[key]) if key in typed else None for key in ("record", "replay"))
    base = typed.get("api_base", around.get("api_base", here.api_base))
    chosen = draft_task.ModelChoice(typed.get("model", ""), base, record, replay, here.model_parameters)
    return draft_task.Counted(chosen.open())


@app.command(name="try")
def try_(
    task: Annotated[str, typer.Argument(help="Task id, or a file that describes one.")],
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """Play a task with random and constant actions, and with its reference if it names one.

    Shows the first steps as a reward program would see them, then the success and the return of each way to act.
    """
    from rewardsmith.tasks import get_task
    from rewardsmith.tasks.capabilities import score_rule_of
    from rewardsmith.tasks.trying import first_steps, tries

    found = get_task(task)
    scored = score_rule_of(found) is not None
    for line in first_steps(found):
        screen.say(line)
    shown = screen.table(
        None,
        [("actions", "left"), *([] if scored else [("success", "right")]), ("episodes", "right"),
         ("score" if scored else "mean return", "right")],
    )  # fmt: skip
    rows = []
    for tried in tries(found):
        returned = "-" if tried.returned is None else f"{tried.returned:.3g}"
        success = "-" if tried.episodes == 0 else f"{100 * tried.successes / tried.episodes:.0f} %"
        shown.add_row(tried.name, *([] if scored else [success]), str(tried.episodes), returned)
        rows.append(tried.__dict__)
    screen.emit(rows, form, shown)
    screen.next_command(f"rewardsmith run --task {task}")


@app.command()
def record(
    task: Annotated[str, typer.Argument(help="Task id, or a file that describes one.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, NAME.json.")],
    reference: Annotated[
        str | None, typer.Option(help="MODULE:FUNCTION or a policy file; the description's reference by default.")
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to play; those that succeed are written.")] = 20,
) -> None:
    """Record successful episodes of a reference.

    The file can be the `reference:` of a description: the recorded episodes then stand for solutions of the task.
    """
    from rewardsmith.errors import UsageError
    from rewardsmith.tasks import get_task
    from rewardsmith.tasks.capabilities import referenced_of
    from rewardsmith.tasks.described.references.recordings import record_episodes, write_episodes

    if out.suffix != ".json" or out.exists():
        why = "exists already" if out.exists() else "does not end with .json"
        raise UsageError(f"{out} {why}.", "Give another file with --out.")
    found = get_task(task)
    referenced = referenced_of(found)
    if referenced is None:
        raise UsageError(f"{task} needs no reference: a planner solves it.", "Give a task with a description.")
    acts = referenced.reference if reference is None else referenced.referring_to(reference)
    if acts is None:
        raise UsageError(f"{task} names no reference.", "Give one with --reference.")
    kept = record_episodes(acts, found.schema, episodes)
    if not kept:
        raise UsageError(f"{acts.name} succeeds in none of {episodes} episodes of {task}.", "Correct the reference.")
    write_episodes(out, found.id, kept)
    screen.write(str(out))
    screen.say(f"{len(kept)} of {episodes} episodes succeeded and were recorded.")
    screen.next_command(f"rewardsmith tasks try {task}")


@app.command()
def prepare(task: Annotated[str, typer.Argument(help="Task id, or a file that describes one.")]) -> None:
    """Compile the engine and build a task's layouts.

    Otherwise the first job on the task does so.
    """
    screen.say(f"preparing {task}: this takes about half a minute")
    _run_tiny_job(task)
    screen.next_command(f"rewardsmith run --task {task}")


def _run_tiny_job(task: str) -> None:
    """Run a small job in a temporary folder, which compiles and builds everything that a job needs."""
    import tempfile

    from rewardsmith.api import design
    from rewardsmith.errors import RewardsmithError

    few = {"eval_episodes": 10, "final_episodes": 10}
    with tempfile.TemporaryDirectory() as folder:
        ended = design(task, home=folder, iterations=1, samples=1, steps=20_000, rungs=[1.0], confirm=1, training=few)
    if ended.state != "done":
        raise RewardsmithError(f"The tiny job on {task} ended as {ended.state}.", ended.note or "Run a job to see why.")
