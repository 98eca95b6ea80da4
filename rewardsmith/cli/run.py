"""`run`, `extend`, `resume`, `cancel`, `train`: starting work and watching it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.task_change import AcceptTaskChange, settle_task

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any setting of a spec, KEY=VALUE, such as training.entropy=0.01; may be repeated."),
]
TaskOption = Annotated[str | None, typer.Option("--task", help="Task id, or a YAML file that describes one.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(run)
    app.command()(extend)
    app.command()(resume)
    app.command()(cancel)
    app.command()(train)


def run(
    task: TaskOption = None,
    spec: Annotated[Path | None, typer.Option(help="YAML file of job settings; options override it.")] = None,
    method: Annotated[str | None, typer.Option(help="How rewards are made; see `rewardsmith methods`.")] = None,
    combined: Annotated[
        list[str] | None, typer.Option("--with", help="Methods whose channels are added, such as count,rnd.")
    ] = None,
    weight: Annotated[list[str] | None, typer.Option(help="CHANNEL=NUMBER; may be repeated.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="[METHOD.]NAME=VALUE; may be repeated.")] = None,
    language_model: Annotated[
        str | None, typer.Option(help="ulps: path or name of a BERT-family model; its own small one by default.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="synth (no language model), or a litellm id.")] = None,
    designer_model: Annotated[str | None, typer.Option(help="Model of the designer.")] = None,
    critic_model: Annotated[str | None, typer.Option(help="Model of the critic.")] = None,
    analyzer_model: Annotated[str | None, typer.Option(help="Model of the analyzer.")] = None,
    fallback_model: Annotated[
        list[str] | None, typer.Option(help="Model asked where the one before cannot answer; may be repeated.")
    ] = None,
    api_base: Annotated[str | None, typer.Option(help="Address of an OpenAI-compatible server.")] = None,
    stream: Annotated[bool | None, typer.Option("--stream/--no-stream", help="Receive answers in pieces.")] = None,
    prompt_tokens: Annotated[int | None, typer.Option(help="Cut evidence in prompts to about this length.")] = None,
    answer_tokens: Annotated[int | None, typer.Option(help="Longest answer, thinking included.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write every call to this file.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Run a recorded job again: answers from this file.")] = None,
    iterations: Annotated[int | None, typer.Option(help="Rounds of the search.")] = None,
    samples: Annotated[int | None, typer.Option(help="Candidates per round.")] = None,
    steps: Annotated[int | None, typer.Option(help="Environment steps of a full trial.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Training seeds per candidate in the search.")] = None,
    confirm: Annotated[int | None, typer.Option(help="Fresh seeds of the claim; 0 skips it.")] = None,
    target: Annotated[float | None, typer.Option(help="Stop searching at this success rate.")] = None,
    train_anyway: Annotated[bool | None, typer.Option("--train-anyway", help="Train what checks call unsound.")] = None,
    retrain: Annotated[
        bool | None,
        typer.Option("--retrain/--no-retrain", help="Train once more where the trainer's settings hid the reward."),
    ] = None,
    episode_budget: Annotated[str | None, typer.Option(help="auto or a number: most that guidance sums to.")] = None,
    planner: Annotated[bool | None, typer.Option("--planner/--no-planner", help="Show the planner's order.")] = None,
    seed: Annotated[int | None, typer.Option(help="Everything random follows from this.")] = None,
    seed_reward: Annotated[Path | None, typer.Option(help="A reward file to start from.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Wall-clock limit of the job.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Limit of environment steps in all.")] = None,
    max_calls: Annotated[int | None, typer.Option(help="Limit of language-model calls.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Limit of tokens.")] = None,
    max_dollars: Annotated[float | None, typer.Option(help="Limit of dollars.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, or auto: the faster by measurement.")] = None,
    changes: SetOption = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at once; one per core by default.")] = None,
    allow_weak_sandbox: Annotated[bool, typer.Option(help="Run below protection level `kernel`.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the first prompts and what calls may cost.")
    ] = False,
) -> None:
    """Design a reward for a task. The same command again goes on with an unfinished job."""
    options = {k: v for k, v in locals().items() if v is not None}
    from rewardsmith import api

    text = api.read_reward_file(seed_reward) if seed_reward else None
    job_spec, text = _spec(options, text)
    if dry_run:
        _print_dry_run(job_spec)
        return
    context = api.open_here(allow_weak_sandbox=allow_weak_sandbox)
    if job_spec.description is not None:
        screen.say(f"The task is the recorded one; its module is imported from {job_spec.description.folder}.")
    job_id, resumed = api.start(context, job_spec, text)
    screen.say(f"job {job_id}{' (going on)' if resumed else ''}")
    for notice in api.notices(job_spec):
        screen.say(notice)
    if job_spec.model == "synth" and api.asks_designer(job_spec):
        screen.say(
            "The designer is `synth`, which is not a language model: it composes programs by rules. "
            "Name one with --model."
        )
    _work(context, job_id, slots)


_SPEC_KEYS = [
    "task",
    "method",
    "model",
    "designer_model",
    "critic_model",
    "analyzer_model",
    "api_base",
    "stream",
    "prompt_tokens",
    "answer_tokens",
    "iterations",
    "samples",
    "steps",
    "seeds",
    "confirm",
    "target",
    "train_anyway",
    "retrain",
    "episode_budget",
    "planner",
    "seed",
]
_BUDGET_KEYS = {
    "max_seconds": "seconds",
    "max_steps": "env_steps",
    "max_calls": "calls",
    "max_tokens": "tokens",
    "max_dollars": "dollars",
}


def _spec(options: dict[str, Any], seed_reward: str | None) -> tuple[Any, str | None]:
    """The job's settings and its seed reward: a recording's own, then a file's, then the options'."""
    from rewardsmith import api
    from rewardsmith.errors import UsageError
    from rewardsmith.spec import read_spec, read_spec_file, with_changes, with_defaults

    values: dict[str, Any] = {}
    if "replay" in options:
        values, recorded_seed = api.recorded_job(options["replay"])
        seed_reward = seed_reward or recorded_seed
    named = read_spec_file(options["spec"]) if "spec" in options else {}
    if "task" in named or "task" in options:
        values.pop("description", None)  # a recording's own; the task that is named now is read now
    values |= named
    values |= {key: options[key] for key in _SPEC_KEYS if key in options}
    values |= {key: str(options[key].resolve()) for key in ("record", "replay") if key in options}
    if options.get("fallback_model"):
        values["fallback_models"] = options["fallback_model"]
    values |= _composed(values, options)
    limits = {name: options[key] for key, name in _BUDGET_KEYS.items() if key in options}
    if limits:
        values["budget"] = {**(values.get("budget") or {}), **limits}
    device = [f"training.device={options['device']}"] if "device" in options else []
    values = with_changes(values, [*device, *options.get("changes", [])])
    if "task" not in values and "replay" in options:
        raise UsageError(
            f"The recording {options['replay']} does not begin with a job's settings.",
            "Name a file that --record or `export --with-cassette` wrote, or give --task ID with this one.",
        )
    if "task" not in values:
        raise UsageError("No task is named.", "Give --task ID; `rewardsmith tasks list` shows them.")
    return read_spec(with_defaults(values)), seed_reward


def _composed(values: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """What `--with`, `--weight` and `--option` change of the settings."""
    from rewardsmith.cli.methods import read_combined, read_options, read_weights
    from rewardsmith.spec import JobSpec

    found: dict[str, Any] = {}
    if options.get("combined"):
        found["combine"] = read_combined(options["combined"])
    if options.get("weight"):
        found["weights"] = {**(values.get("weights") or {}), **read_weights(options["weight"])}
    if options.get("option"):
        method = str(values.get("method", JobSpec.model_fields["method"].default))
        found["options"] = dict(values.get("options") or {})
        for name, own in read_options(options["option"], method).items():
            found["options"][name] = {**(found["options"].get(name) or {}), **own}
    if options.get("language_model"):
        given = found.setdefault("options", dict(values.get("options") or {}))
        given["ulps"] = {**(given.get("ulps") or {}), "language_model": options["language_model"]}
    return found


def _print_dry_run(spec: Any) -> None:
    from rewardsmith import api

    plan = api.plan_calls(spec)
    for name, prompt in plan.prompts:
        screen.write(f"===== {name}\n{prompt}\n")
    for line in plan.lines():
        screen.write(line)
    screen.next_command("the same command without --dry-run")


def extend(
    job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")],
    iterations: Annotated[int, typer.Option(min=1, help="Rounds to add.")] = 1,
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at once.")] = None,
    accept_change: AcceptTaskChange = False,
) -> None:
    """Add iterations to a job and run them."""
    from rewardsmith import api
    from rewardsmith.engine.jobs import lifecycle

    context = api.open_here(must_exist=True)
    job_id = api.job_id(context, job)
    settle_task(context, job_id, accept_change)
    lifecycle.extend_job(context, job_id, iterations)
    _work(context, job_id, slots)


def resume(
    job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")] = "latest",
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at once.")] = None,
    accept_change: AcceptTaskChange = False,
) -> None:
    """Go on with a job that was interrupted."""
    from rewardsmith import api
    from rewardsmith.engine.jobs import lifecycle

    context = api.open_here(must_exist=True)
    job_id = api.job_id(context, job)
    if api.is_submitted(context, job_id):
        from rewardsmith.engine.jobs.service import resume_service_job

        resume_service_job(context, job_id)
        screen.say(f"job {job_id} goes on with the service")
        screen.next_command(f"rewardsmith watch {job_id}")
        return
    settle_task(context, job_id, accept_change)
    lifecycle.resume_job(context, job_id)
    _work(context, job_id, slots)


def cancel(job: Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")]) -> None:
    """End a job for good. What it found stays readable."""
    from rewardsmith import api
    from rewardsmith.engine.jobs import lifecycle

    context = api.open_here(must_exist=True)
    job_id = api.job_id(context, job)
    lifecycle.cancel_job(context, job_id)
    screen.say(f"job {job_id} is cancelled")
    screen.next_command(f"rewardsmith show {job_id}")


def train(
    reward: Annotated[Path, typer.Option(help="A reward file: reward(), or dense() and sparse().")],
    task: Annotated[str, typer.Option("--task", help="Task id, or a YAML file that describes one.")],
    steps: Annotated[int | None, typer.Option(help="Environment steps.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh training seeds.")] = 1,
    changes: SetOption = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at once.")] = None,
) -> None:
    """Train anybody's reward file the way a job's candidates are trained, beside the sparse baseline."""
    from rewardsmith import api

    context = api.open_here()
    job_id = api.start_training(context, task, api.read_reward_file(reward), steps, seeds, changes or [])
    screen.say(f"job {job_id}")
    _work(context, job_id, slots)


def _work(context: Any, job_id: str, slots: int | None) -> None:
    from rewardsmith import api
    from rewardsmith.cli import interruption, live, results

    with interruption.handled() as signals, api.executor(context, job_id, slots) as process:
        signals.again = process.kill
        try:
            signals.listen()
            live.watch(context.database, job_id, lambda: process.running)
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):  # the terminal may have been closed
                screen.say("\nfinishing: what is done is kept; once more ends it at once ...")
            api.interrupt(context, job_id, process)
    results.print_result(context, job_id)
    results.explain_end(context, job_id, process.failure)
