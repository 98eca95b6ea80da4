"""`run`, `extend`, `resume`, `cancel` and `train`: start work and watch it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.asked_job import AskedJob, read_job
from rewardsmith.cli.options import SETTINGS, SetOption, SlotsOption, TaskOption, named, takes_settings
from rewardsmith.cli.task_change import AcceptTaskChange, settle_task


def register(app: typer.Typer) -> None:
    """Add `run`, `extend`, `resume`, `cancel` and `train` to the application."""
    app.command()(run)
    app.command()(extend)
    app.command()(resume)
    app.command()(cancel)
    app.command()(train)


@takes_settings(*SETTINGS)
def run(  # noqa: PLR0913  (options of a command)
    context: typer.Context,
    spec: Annotated[
        Path | None, typer.Option(help="YAML file of job settings; command-line options override it.")
    ] = None,
    language_model: Annotated[
        str | None,
        typer.Option(help="For ulps: path or name of a BERT-family model; by default a small one is trained."),
    ] = None,
    seed_reward: Annotated[
        Path | None, typer.Option(help="Reward file that joins the first round as a candidate.")
    ] = None,
    changes: SetOption = None,
    slots: SlotsOption = None,
    allow_weak_sandbox: Annotated[bool, typer.Option(help="Allow a sandbox below level `kernel`.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the first prompts and the largest possible cost; start nothing.")
    ] = False,
    **given: Any,
) -> None:
    """Design a reward for a task. The same command again resumes an unfinished job."""
    from rewardsmith import starting
    from rewardsmith.offline.dry_run import asks_designer, notices, plan_calls, renamed
    from rewardsmith.programs.reward_file import read_reward_file

    typed, environment = named(context, given)
    text = read_reward_file(seed_reward, typed.get("task")) if seed_reward else None
    asked = AskedJob(typed, spec, language_model, changes or (), environment)
    job_spec, text = read_job(asked, text)
    if dry_run:
        for notice in renamed(job_spec):
            screen.say(notice)
        _print_dry_run(job_spec)
        return
    here = starting.open_here(allow_weak_sandbox=allow_weak_sandbox)
    if job_spec.description is not None:
        screen.say(f"The task comes from the recording; its module is imported from {job_spec.description.folder}.")
    job_id, resumed = starting.start(here, job_spec, text)
    screen.say(f"job {job_id}{' (resumed)' if resumed else ''}")
    for told in starting.choices(here, job_id):
        screen.say(told)
    for notice in notices(starting.as_created(here, job_id, job_spec)):
        screen.say(notice)
    if not job_spec.asks_nobody and asks_designer(job_spec):
        screen.say(plan_calls(job_spec).forecast)
    if told := starting.score_notice(here, job_id):
        screen.say(told)
    if job_spec.model == "synth" and asks_designer(job_spec):
        screen.say(
            "The designer is `synth`, which composes programs by rules and is not a language model. "
            "Pass --model to use one."
        )
    _work(here, job_id, slots)


def _print_dry_run(spec: Any) -> None:
    from rewardsmith.offline.dry_run import plan_calls
    from rewardsmith.reporting.text import training_words

    plan = plan_calls(spec)
    for name, prompt in plan.prompts:
        screen.write(f"===== {name}\n{prompt}\n")
    for line in [*plan.lines(), *training_words(plan.spec.model_dump(mode="json"))]:
        screen.write(line)
    screen.next_command("the same command without --dry-run")


def extend(
    job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")],
    iterations: Annotated[int, typer.Option(min=1, help="Number of rounds to add.")] = 1,
    slots: SlotsOption = None,
    accept_change: AcceptTaskChange = False,
) -> None:
    """Add rounds to a job and run them."""
    from rewardsmith import starting
    from rewardsmith.engine.jobs import lifecycle

    context = starting.open_here(must_exist=True)
    job_id = starting.find_job_id(context, job)
    settle_task(context, job_id, accept_change)
    lifecycle.extend_job(context, job_id, iterations)
    _work(context, job_id, slots)


def resume(
    job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")] = "latest",
    slots: SlotsOption = None,
    accept_change: AcceptTaskChange = False,
) -> None:
    """Resume a job that was interrupted or paused."""
    from rewardsmith import starting
    from rewardsmith.engine.jobs import lifecycle

    context = starting.open_here(must_exist=True)
    job_id = starting.find_job_id(context, job)
    if starting.is_submitted(context, job_id):
        from rewardsmith.engine.jobs.service import resume_service_job

        resume_service_job(context, job_id)
        screen.say(f"job {job_id} is resumed by the service")
        screen.next_command(f"rewardsmith watch {job_id}")
        return
    settle_task(context, job_id, accept_change)
    lifecycle.resume_job(context, job_id)
    _work(context, job_id, slots)


def cancel(job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")]) -> None:
    """End a job for good. Its results stay readable."""
    from rewardsmith import starting
    from rewardsmith.engine.jobs import lifecycle

    context = starting.open_here(must_exist=True)
    job_id = starting.find_job_id(context, job)
    lifecycle.cancel_job(context, job_id)
    screen.say(f"job {job_id} is cancelled")
    screen.next_command(f"rewardsmith show {job_id}")


@takes_settings("steps")
def train(
    reward: Annotated[Path, typer.Option(help="Reward file with reward(), potential(), or dense() and sparse().")],
    task: TaskOption,
    seeds: Annotated[int, typer.Option(min=1, help="Number of fresh training seeds.")] = 1,
    changes: SetOption = None,
    slots: SlotsOption = None,
    **given: Any,
) -> None:
    """Train a reward file and the sparse baseline.

    The sparse baseline is the environment's own reward. Both are trained on the same fresh seeds, as in the final
    evaluation of a job.
    """
    from rewardsmith import starting
    from rewardsmith.programs.reward_file import read_reward_file

    context, source = starting.open_here(), read_reward_file(reward, task)
    asked = {name: value for name, value in given.items() if value is not None}
    spec = starting.training_spec(task, source, seeds, asked, changes or ())
    job_id, _ = starting.start(context, spec, source)
    screen.say(f"job {job_id}")
    _work(context, job_id, slots)


def _work(context: Any, job_id: str, slots: int | None) -> None:
    from rewardsmith import starting
    from rewardsmith.cli import interruption, live, results

    with interruption.handled() as signals, starting.executor(context, job_id, slots) as process:
        signals.again = process.kill
        try:
            signals.listen()
            live.watch(context.database, job_id, lambda: process.running)
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):  # the terminal may have been closed
                screen.say("\nsaving the work; press Ctrl-C again to stop at once ...")
            starting.interrupt(context, job_id, process)
    results.print_result(context, job_id)
    results.explain_end(context, job_id, process.failure)
