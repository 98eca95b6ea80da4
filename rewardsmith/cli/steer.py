"""`calls` lists language-model calls and answers prompts; `fork`, `veto` and `comment` steer a job."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen

Format = Annotated[str, typer.Option("--format", help="table, json or csv.")]
CandidateArgument = Annotated[str, typer.Argument(help="A candidate (JOB-NAME), or best.")]


def register(app: typer.Typer) -> None:
    """Add `calls`, `fork`, `veto` and `comment` to the application."""
    for command in (calls, fork, veto, comment):
        app.command()(command)


def calls(
    what: Annotated[str, typer.Argument(help="A job, latest, pending or answer.")] = "latest",
    number: Annotated[int | None, typer.Argument(help="With answer: the id that `calls pending` shows.")] = None,
    file: Annotated[Path | None, typer.Argument(help="With answer: the file with the answer.")] = None,
    form: Format = "table",
) -> None:
    """List the language-model calls of a job.

    `calls pending` lists prompts that wait for an answer by hand; `calls answer ID FILE` answers one.
    """
    if what == "pending":
        _pending(form)
    elif what == "answer":
        _answer(number, file)
    else:
        _list(what, form)


def _pending(form: str) -> None:
    from rewardsmith import starting
    from rewardsmith.engine.jobs import steering

    found = steering.pending(starting.open_here(must_exist=True))
    shown = screen.table(None, [("id", "right"), ("job", "left"), ("about", "left"), ("prompt", "left")])
    for question in found:
        shown.add_row(str(question.id), question.job, question.about, question.prompt_file)
    screen.emit([question.__dict__ for question in found], form, shown)
    if found and form == "table":
        screen.next_command(f"rewardsmith calls answer {found[0].id} FILE")


def _answer(number: int | None, file: Path | None) -> None:
    from rewardsmith import starting
    from rewardsmith.engine.jobs import steering
    from rewardsmith.errors import UsageError

    if number is None or file is None:
        raise UsageError(
            "ID or FILE is missing.",
            "Run `rewardsmith calls answer ID FILE`; `rewardsmith calls pending` lists the ids.",
        )
    job_id = steering.answer(starting.open_here(must_exist=True), number, _text(file))
    screen.say(f"the answer to prompt {number} is stored")
    screen.next_command(f"rewardsmith resume {job_id}")


def _list(job: str, form: str) -> None:
    from sqlalchemy import select

    from rewardsmith.config import settings
    from rewardsmith.reporting import queries
    from rewardsmith.storage.database import open_database, read
    from rewardsmith.storage.schema import llm_calls

    with read(open_database(settings().url, must_exist=True)) as connection:
        found = queries.find_job(connection, job)
        query = select(llm_calls).where(llm_calls.c.job_id == found.id).order_by(llm_calls.c.id)
        rows = [dict(row) for row in connection.execute(query).mappings()]
    shown = screen.table(
        None,
        [("round", "right"), ("role", "left"), ("candidate", "left"), ("model", "left"), ("outcome", "left"),
         ("sent", "right"), ("tokens in", "right"), ("out", "right"), ("dollars", "right"), ("seconds", "right"),
         ("note", "left")],
    )  # fmt: skip
    for row in rows:
        price = "unknown" if row["price_usd"] is None else f"{row['price_usd']:.4f}"
        shown.add_row(
            str(row["iteration"]), row["role"], row["candidate"], row["model"], row["outcome"], str(row["attempts"]),
            _count(row["prompt_tokens"]), _count(row["completion_tokens"]), price, f"{row['latency_s'] or 0:.1f}",
            (row["note"] or "")[:60],
        )  # fmt: skip
    screen.emit(rows, form, shown)


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}"


def fork(
    candidate: CandidateArgument,
    edit: Annotated[bool, typer.Option("--edit", help="Open the program in $EDITOR.")] = False,
    program: Annotated[Path | None, typer.Option(help="Read the program from this file.")] = None,
) -> None:
    """Add your own version of a candidate to its job.

    It joins the next round.
    """
    from rewardsmith import starting
    from rewardsmith.engine.jobs import steering
    from rewardsmith.errors import UsageError

    if edit == (program is not None):
        raise UsageError("Pass one of --edit and --program.", "--edit opens an editor; --program FILE reads a file.")
    context = starting.open_here(must_exist=True)
    parent = _candidate(context, candidate)
    text = _text(program) if program else _edited(context, parent)
    name, number = steering.add_program(context, parent, text)
    screen.say(f"{name} joins round {number}: it is checked, repaired and trained like a designed candidate")
    screen.next_command(f"rewardsmith resume {parent.job_id}, or rewardsmith extend {parent.job_id} if it has ended")


def _edited(context: Any, parent: Any) -> str:
    from rewardsmith.config import prepare_home
    from rewardsmith.engine.context import plain_name
    from rewardsmith.errors import UsageError

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UsageError("Neither VISUAL nor EDITOR is set.", "Set EDITOR, or pass --program FILE.")
    path = context.settings.home.resolve() / "manual" / f"{plain_name(parent.id)}-fork.py"
    prepare_home(context.settings.home)
    path.parent.mkdir(exist_ok=True)
    path.write_text(parent.source, encoding="utf-8")
    try:
        subprocess.run([*shlex.split(editor), str(path)], check=True)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise UsageError(
            f"The editor failed: {error}.", "Set EDITOR to another editor, or pass --program FILE."
        ) from error
    return _text(path)


def _text(path: Path) -> str:
    from rewardsmith.errors import UsageError
    from rewardsmith.files import read_text

    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read {path}: {error}", "Pass a text file in UTF-8.") from error


def veto(candidate: CandidateArgument) -> None:
    """Remove a candidate from the search for good."""
    from rewardsmith import starting
    from rewardsmith.engine.jobs import steering

    context = starting.open_here(must_exist=True)
    found = _candidate(context, candidate)
    steering.veto(context, found.id)
    screen.say(f"{found.id} is removed from the search")
    screen.next_command(f"rewardsmith show {found.job_id}")


def comment(
    job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")],
    text: Annotated[str, typer.Argument(help="Text for the designer and the analyzer.")],
) -> None:
    """Add a comment to the prompts of the job's next rounds."""
    from rewardsmith import starting
    from rewardsmith.engine.jobs import steering

    context = starting.open_here(must_exist=True)
    job_id = starting.find_job_id(context, job)
    number = steering.comment(context, job_id, text)
    screen.say(f"the prompts of round {number} and of later rounds will contain it")


def _candidate(context: Any, text: str) -> Any:
    from rewardsmith.reporting import queries
    from rewardsmith.storage.database import read

    with read(context.database) as connection:
        return queries.find_candidate(connection, text)
