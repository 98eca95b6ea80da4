"""Commands of the service: jobs that the workers of many hosts share."""

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
    """Add the commands of the service to the application."""
    for command in (submit, watch, pause, priority, retry, worker, scheduler, top, schema):
        app.command()(command)


def submit(
    spec: Annotated[Path, typer.Argument(help="YAML file of job settings.")],
    changes: SetOption = None,
    seed_reward: Annotated[
        Path | None,
        typer.Option(help="Reward file that joins the first round as a candidate; its text is stored with the job."),
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Name shown as the job's owner; your user name by default.")] = None,
    urgency: Annotated[int, typer.Option("--priority", help="Jobs with a higher number go first.")] = 0,
    slots: Annotated[int | None, typer.Option(min=1, help="Most work items of the job at once.")] = None,
) -> None:
    """Submit a job to the service and print its id."""
    import getpass

    from rewardsmith import starting
    from rewardsmith.engine.jobs.service import submit_job
    from rewardsmith.offline.dry_run import renamed
    from rewardsmith.programs.reward_file import read_reward_file
    from rewardsmith.spec import read_spec, read_spec_file, with_changes, with_defaults

    values = with_changes(read_spec_file(spec), changes or [])
    text = read_reward_file(seed_reward, values.get("task")) if seed_reward else None
    asked = read_spec(with_defaults(values))
    context = starting.open_here()
    job_id = submit_job(context, asked, text, owner=owner or getpass.getuser(), priority=urgency, slots=slots)
    screen.write(job_id)
    for notice in renamed(asked):
        screen.say(notice)
    for notice in _waits(context, job_id):
        screen.say(notice)
    screen.next_command(f"rewardsmith watch {job_id}")


def _waits(context: Any, only: str | None = None) -> list[str]:
    """Return a sentence for each job, or for one, that waits because no running worker can train it."""
    from rewardsmith.engine.capabilities import unmet_jobs
    from rewardsmith.storage.database import read

    with read(context.database) as connection:
        found = unmet_jobs(connection)
    return [f"job {job} waits: no running worker has {', '.join(lacks)}" for job, lacks in found if only in (None, job)]


def watch(job: JobArgument = "latest") -> None:
    """Show a job until it ends. Ctrl-C stops watching; the job continues."""
    from rewardsmith.cli import live, results

    context, job_id = _find(job)
    try:
        live.watch(context.database, job_id, lambda: True)
    except KeyboardInterrupt:
        screen.say(f"stopped watching; job {job_id} continues")
        screen.next_command(f"rewardsmith watch {job_id}")
        return
    results.print_result(context, job_id)
    results.explain_end(context, job_id, None)


def pause(job: JobArgument) -> None:
    """Pause a job; its trials keep their checkpoints."""
    from rewardsmith.engine.jobs.service import halt_job

    context, job_id = _find(job)
    halt_job(context, job_id)
    screen.say(f"job {job_id} is paused")
    screen.next_command(f"rewardsmith resume {job_id}")


def priority(
    job: JobArgument,
    number: Annotated[int, typer.Argument(help="Jobs with a higher number go first; the default is 0.")],
) -> None:
    """Set the priority of a job."""
    from rewardsmith.engine.jobs.service import set_priority

    context, job_id = _find(job)
    set_priority(context, job_id, number)
    screen.say(f"job {job_id} has priority {number}")


def retry(job: JobArgument) -> None:
    """Queue the lost work items of a job again.

    A work item is lost after three attempts that failed because of its machine.
    """
    from rewardsmith.engine.jobs.service import retry_job

    context, job_id = _find(job)
    count = retry_job(context, job_id)
    screen.say(f"{count} lost work items of job {job_id} are queued again")
    screen.next_command(f"rewardsmith watch {job_id}")


def worker(
    queues: Annotated[
        str, typer.Option("--queue", help="Queues to serve, some of llm,control,train.")
    ] = "llm,control,train",
    slots: Annotated[int | None, typer.Option(min=1, help="Work items at once, per queue.")] = None,
) -> None:
    """Process work items of the service on this host.

    It runs until SIGTERM or Ctrl-C.
    """
    _become("workers.host", "--queue", queues, *(["--slots", str(slots)] if slots else []))


def scheduler() -> None:
    """Requeue expired work, advance jobs, notify workers.

    It runs until SIGTERM or Ctrl-C. Several schedulers may run at once.
    """
    _become("workers.scheduler")


def _become(module: str, *arguments: str) -> None:
    # The service replaces this process, so that it receives the signals and sets the exit code.
    from importlib.util import find_spec

    from rewardsmith.engine.interpreter import SAFE_PATH, module_command
    from rewardsmith.errors import RewardsmithError, require_train

    if module == "workers.host":
        require_train("A worker")
    if find_spec("celery") is None:
        raise RewardsmithError("Celery is not installed.", "pip install 'rewardsmith[service]'")
    os.environ.update(SAFE_PATH)
    command = module_command(module, *arguments)
    os.execv(command[0], command)


def top(
    every: Annotated[float, typer.Option(min=0.0, help="Seconds between two updates; 0 prints once.")] = 0.0,
    form: Annotated[
        str, typer.Option("--format", help="table, json or csv; json and csv contain only the queues.")
    ] = "table",
) -> None:
    """Show queues, workers, rates and recent events."""
    import time

    from rewardsmith import starting
    from rewardsmith.reporting.service import read_standing
    from rewardsmith.storage.database import read

    context = starting.open_here(must_exist=True)
    while True:
        with read(context.database) as connection:
            standing = read_standing(connection)
        _print_standing(standing, form)
        for notice in _waits(context) if form == "table" else ():
            screen.out.print(one_line(notice), markup=False)
        if not every:
            return
        time.sleep(every)
        screen.out.rule(style="dim")


def _print_standing(standing: Any, form: str) -> None:
    shown = screen.table(
        None,
        [("kind", "left"), ("queued", "right"), ("oldest s", "right"), ("running", "right"), ("done/min", "right"),
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
        [("worker", "left"), ("queues", "left"), ("slots", "right"), ("GPUs", "left"), ("extras", "left"),
         ("sandbox", "left"), ("version", "left"), ("last seen, s", "right")],
    )  # fmt: skip
    for row in standing.workers:
        seen = f"{row['age']:.0f}" + (" (stale)" if row["age"] > STALE_SECONDS else "")
        working.add_row(
            row["name"],
            row["queues"],
            str(row["slots"]),
            _gpus(row),
            " ".join((row["capabilities"] or {}).get("extras", ())),
            row["sandbox_level"],
            row["version"],
            seen,
        )
    screen.out.print(working)
    states = ", ".join(f"{count} {state}" for state, count in sorted(standing.jobs.items()))
    screen.out.print(f"jobs: {states or 'none'}; {standing.steps_per_second:,.0f} environment steps/s", markup=False)
    for event in standing.events:
        parts = [event["at"].strftime("%H:%M:%S"), event["kind"], event["job_id"], event["owner"], event["text"]]
        screen.out.print(one_line("  ".join(p for p in parts if p))[:100], style="dim", markup=False)


def _gpus(row: Any) -> str:
    """Return the GPUs that a worker uses, in the words of `top`."""
    has = "cuda" in (row["capabilities"] or {}).get("devices", ())
    return row["devices"] or ("any" if has else "none")


def schema() -> None:
    """Print the JSON schema of job settings.

    A spec file contains these settings as YAML.
    """
    import json

    from rewardsmith.spec import JobSpec

    screen.write(json.dumps(JobSpec.model_json_schema(), indent=2))


def _find(job: str) -> tuple[Any, str]:
    from rewardsmith import starting

    context = starting.open_here(must_exist=True)
    return context, starting.find_job_id(context, job)
