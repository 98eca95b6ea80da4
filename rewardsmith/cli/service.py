"""`submit`, `watch`, `pause`, `priority`, `retry`, `worker`, `scheduler`, `top`, `schema`: jobs on many hosts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.options import SetOption
from rewardsmith.plaintext import one_line

JobArgument = Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    for command in (submit, watch, pause, priority, retry, worker, scheduler, top, schema):
        app.command()(command)


def submit(
    spec: Annotated[Path, typer.Argument(help="YAML file of job settings.")],
    changes: SetOption = None,
    seed_reward: Annotated[Path | None, typer.Option(help="A reward file to start from; sent by value.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who asks; your user name by default.")] = None,
    urgency: Annotated[int, typer.Option("--priority", help="Higher goes first.")] = 0,
    slots: Annotated[int | None, typer.Option(min=1, help="Most of its work items at once.")] = None,
) -> None:
    """Hand a job to the service; prints its id at once."""
    import getpass

    from rewardsmith import starting
    from rewardsmith.engine.jobs.service import submit_job
    from rewardsmith.programs.reward_file import read_reward_file
    from rewardsmith.spec import read_spec, read_spec_file, with_changes, with_defaults

    values = with_changes(read_spec_file(spec), changes or [])
    text = read_reward_file(seed_reward) if seed_reward else None
    asked = read_spec(with_defaults(values))
    job_id = submit_job(
        starting.open_here(), asked, text, owner=owner or getpass.getuser(), priority=urgency, slots=slots
    )
    screen.write(job_id)
    screen.next_command(f"rewardsmith watch {job_id}")


def watch(job: JobArgument = "latest") -> None:
    """Show a job until it ends. Ctrl-C leaves it running."""
    from rewardsmith.cli import live, results

    context, job_id = _find(job)
    try:
        live.watch(context.database, job_id, lambda: True)
    except KeyboardInterrupt:
        screen.say("the job goes on")
        screen.next_command(f"rewardsmith watch {job_id}")
        return
    results.print_result(context, job_id)
    results.explain_end(context, job_id, None)


def pause(job: JobArgument) -> None:
    """Stop working on a job; its trials keep their checkpoints."""
    from rewardsmith.engine.jobs.service import halt_job

    context, job_id = _find(job)
    halt_job(context, job_id)
    screen.say(f"job {job_id} is paused")
    screen.next_command(f"rewardsmith resume {job_id}")


def priority(job: JobArgument, number: Annotated[int, typer.Argument(help="Higher goes first; 0 is usual.")]) -> None:
    """Let a job go before others, or after them."""
    from rewardsmith.engine.jobs.service import set_priority

    context, job_id = _find(job)
    set_priority(context, job_id, number)
    screen.say(f"job {job_id} has priority {number}")


def retry(job: JobArgument) -> None:
    """Do again what was lost to failing machines."""
    from rewardsmith.engine.jobs.service import retry_job

    context, job_id = _find(job)
    count = retry_job(context, job_id)
    screen.say(f"{count} lost items of job {job_id} are queued again")
    screen.next_command(f"rewardsmith watch {job_id}")


def worker(
    queues: Annotated[str, typer.Option("--queue", help="Some of llm,control,train.")] = "llm,control,train",
    slots: Annotated[int | None, typer.Option(min=1, help="Work items at once per queue.")] = None,
) -> None:
    """Work for the service on this host until told to stop."""
    _become("workers.host", "--queue", queues, *(["--slots", str(slots)] if slots else []))


def scheduler() -> None:
    """Find lost work, go on with jobs, tell the workers; run as many as you like."""
    _become("workers.scheduler")


def _become(module: str, *arguments: str) -> None:
    # In place of this process, so that signals and exit codes are the service's own.
    from importlib.util import find_spec

    from rewardsmith.engine.interpreter import SAFE_PATH, module_command
    from rewardsmith.errors import RewardsmithError

    if find_spec("celery") is None:
        raise RewardsmithError("Celery is not installed.", "pip install 'rewardsmith[service]'")
    os.environ.update(SAFE_PATH)
    command = module_command(module, *arguments)
    os.execv(command[0], command)


def top(
    every: Annotated[float, typer.Option(min=0.0, help="Seconds between two looks; 0 looks once.")] = 0.0,
    form: Annotated[str, typer.Option("--format", help="table, json or csv (of the queues).")] = "table",
) -> None:
    """Show queues, workers, rates and the latest events."""
    import time

    from rewardsmith import starting
    from rewardsmith.reporting.service import read_standing
    from rewardsmith.storage.database import read

    context = starting.open_here(must_exist=True)
    while True:
        with read(context.database) as connection:
            standing = read_standing(connection)
        _print_standing(standing, form)
        if not every:
            return
        time.sleep(every)
        screen.out.rule(style="dim")


def _print_standing(standing: Any, form: str) -> None:
    shown = screen.table(
        None,
        [("kind", "left"), ("queued", "right"), ("oldest s", "right"), ("leased", "right"), ("done/min", "right"),
         ("lost", "right")],
    )  # fmt: skip
    for load in standing.loads:
        oldest = "" if load.oldest_seconds is None else f"{load.oldest_seconds:.0f}"
        shown.add_row(
            load.kind, str(load.queued), oldest, str(load.leased), f"{load.done_per_minute:.1f}", str(load.lost)
        )
    screen.emit([load.__dict__ for load in standing.loads], form, shown)
    if form != "table":
        return
    from rewardsmith.storage.workers import STALE_SECONDS

    working = screen.table(
        None,
        [("worker", "left"), ("queues", "left"), ("slots", "right"), ("GPUs", "left"), ("sandbox", "left"),
         ("version", "left"), ("seen s ago", "right")],
    )  # fmt: skip
    for row in standing.workers:
        seen = f"{row['age']:.0f}" + (" (gone?)" if row["age"] > STALE_SECONDS else "")
        working.add_row(
            row["name"], row["queues"], str(row["slots"]), row["devices"], row["sandbox_level"], row["version"], seen
        )
    screen.out.print(working)
    states = ", ".join(f"{count} {state}" for state, count in sorted(standing.jobs.items()))
    screen.out.print(f"jobs: {states or 'none'}; {standing.steps_per_second:,.0f} environment steps/s", markup=False)
    for event in standing.events:
        parts = [event["at"].strftime("%H:%M:%S"), event["kind"], event["job_id"], event["owner"], event["text"]]
        screen.out.print(one_line("  ".join(p for p in parts if p))[:100], style="dim", markup=False)


def schema() -> None:
    """Print the JSON schema of a spec."""
    import json

    from rewardsmith.spec import JobSpec

    screen.write(json.dumps(JobSpec.model_json_schema(), indent=2))


def _find(job: str) -> tuple[Any, str]:
    from rewardsmith import starting

    context = starting.open_here(must_exist=True)
    return context, starting.find_job_id(context, job)
