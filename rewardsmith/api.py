"""The public functions of rewardsmith: the command line for Python. Each returns a typed result, see results.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rewardsmith.config import Settings
from rewardsmith.config import settings as read_settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.errors import RewardsmithError, UsageError, names_missing_extra
from rewardsmith.former_names import takes_former_arguments
from rewardsmith.programs.reward_file import method_of, read_reward_file
from rewardsmith.results import CheckResult, ExportResult, JobResult, read_check, read_job
from rewardsmith.spec import JobSpec, read_spec, with_defaults
from rewardsmith.starting import (
    executor,
    find_job_id,
    settle_task,
    start,
    training_spec,
)
from rewardsmith.storage.database import read

if TYPE_CHECKING:
    pass


@takes_former_arguments
@names_missing_extra
def design(  # noqa: PLR0913  (a public function, its arguments are its manual)
    task: str,
    *,
    home: str | Path | None = None,
    slots: int | None = None,
    method: str = "auto-mc-reward",
    combine: Sequence[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    weights: Mapping[str, float] | None = None,
    transforms: Mapping[str, Literal["delta", "outcome"]] | None = None,
    model: str = "synth",
    designer_model: str | None = None,
    critic_model: str | None = None,
    analyzer_model: str | None = None,
    fallback_models: Sequence[str] = (),
    api_base: str | None = None,
    stream: bool = False,
    prompt_tokens: int = 16_000,
    answer_tokens: int = 4_096,
    record: str | Path | None = None,
    prompts_dir: str | Path | None = None,
    replay: str | Path | None = None,
    iterations: int = 3,
    samples: int = 3,
    repairs: int = 3,
    seeds: int = 1,
    steps: int | None = None,
    rungs: Sequence[float] = (0.25, 0.5, 1.0),
    keep: float = 0.5,
    target: float | None = 0.95,
    order: Literal["predicted", "halving"] = "predicted",
    confirm: int = 10,
    claim_layouts: int | None = None,
    designs: bool = True,
    verification: bool = True,
    retrain: bool = True,
    train_anyway: bool = False,
    episode_cap: Literal["auto"] | float | None = None,
    planner: bool | Literal["auto"] = "auto",
    seed: int = 0,
    training: Mapping[str, Any] | None = None,
    baseline_training: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> JobResult:
    """Design a reward for a task and return the finished job. Corresponds to `rewardsmith run`.

    A repeated call with the same arguments resumes a job that was interrupted.

    Args:
        task: Task id, or the path of a YAML file that describes a task.
        method: Method that makes rewards; `rewardsmith methods` lists them.
        combine: Methods whose reward channels are added to those of `method`.
        options: Options of methods, by method: {method: {name: value}}.
        weights: Weights of reward channels, by channel.
        transforms: Transforms of reward channels, by channel. "delta" pays the change of the value since the step
            before; "outcome" pays less as the success rate rises from 5 % to 80 %.
        model: Model id of litellm, such as openai/gpt-4o; synth composes programs by rules and calls no model.
        designer_model: Model that designs programs; by default that of `model`.
        critic_model: Model that reviews programs; by default that of `model`.
        analyzer_model: Model that analyses failed episodes; by default that of `model`.
        fallback_models: Models to call, in this order, when the one before fails.
        api_base: URL of an OpenAI-compatible server.
        stream: Stream the answers of language models.
        prompt_tokens: Approximate limit on the length of a prompt's evidence, in tokens.
        answer_tokens: Limit on the length of an answer, reasoning included, in tokens.
        record: File (cassette) to record every call in.
        prompts_dir: Folder of prompt templates that replace the shipped ones of the same name.
        replay: Cassette of a recorded job, whose answers replace those of all models.
        iterations: Rounds of the search.
        samples: Candidates per round.
        repairs: Largest number of repairs of a candidate that fails a check.
        seeds: Training seeds per candidate in the search.
        steps: Environment steps of a full trial; by default set for the task.
        rungs: Fractions of a full trial after which candidates are compared; increasing, the last is 1.
        keep: Fraction of candidates promoted to the next rung, in (0, 1].
        target: Success rate, or normalised score, at which the search stops, in (0, 1]; None to use all rounds.
        order: Training order of a round; predicted: one at a time, easiest first; halving: successive halving.
        confirm: Fresh seeds of the final evaluation; 0 skips it.
        claim_layouts: Layouts that the candidate is checked on before its claim; 30 on the compiled engine, else 0.
        designs: Whether to design programs; false for methods with a fixed reward.
        verification: Run the battery and the certificate before training.
        retrain: Retrain a candidate once, with other settings, if diagnosed as "entropy dominates" or "saturated".
        train_anyway: Train candidates that the battery or the certificate rejects.
        episode_cap: Per-episode cap on a program channel's sum; auto: its largest sum over known solutions.
        planner: Show the planner's order of subgoals to the designer; auto: to synth, and to no other author.
        seed: Seed of the job, which determines all other seeds.
        training: Training settings by name, see docs/training.md.
        baseline_training: Training settings of the baseline that differ; by default TQC, SAC or DQN with HER on tasks
            with goals, else none.
        budget: Limits of the job by name: dollars, tokens, calls, env_steps, seconds.
        name: Name of the job.
        home: Folder of the database and artifacts; by default REWARDSMITH_HOME, else .rewardsmith.
        slots: Number of concurrent trials; by default one per core.

    Returns:
        The job: its claim, its best program, its candidates and their learning curves.

    Raises:
        UsageError: A setting is invalid, or the task is unknown.
        RewardsmithError: An API key or a GPU is missing, or the executor ended before the job.
    """
    if not isinstance(task, str):
        raise UsageError(
            f"design() takes a task id, MODULE:NAME, or a YAML or Python file's path, not a {type(task).__name__}.",
            "Pass a task id or a file. `rewardsmith.check` also takes your own MiniGrid environment (docs/check.md).",
        )
    values: dict[str, Any] = {
        "task": task,
        "method": method,
        "combine": combine,
        "options": options or {},
        "weights": weights or {},
        "transforms": transforms or {},
        "model": model,
        "designer_model": designer_model,
        "critic_model": critic_model,
        "analyzer_model": analyzer_model,
        "fallback_models": fallback_models,
        "api_base": api_base,
        "stream": stream,
        "prompt_tokens": prompt_tokens,
        "answer_tokens": answer_tokens,
        "record": _text(record),
        "prompts_dir": _text(prompts_dir),
        "replay": _text(replay),
        "iterations": iterations,
        "samples": samples,
        "repairs": repairs,
        "seeds": seeds,
        "rungs": rungs,
        "keep": keep,
        "target": target,
        "order": order,
        "confirm": confirm,
        "claim_layouts": claim_layouts,
        "designs": designs,
        "verification": verification,
        "retrain": retrain,
        "train_anyway": train_anyway,
        "episode_cap": episode_cap,
        "planner": planner,
        "seed": seed,
        "name": name,
        "training": {} if training is None else training,
        "budget": {} if budget is None else budget,
        "baseline_training": baseline_training,
    }
    if steps is not None:
        values["steps"] = steps
    return _finished(_context(home), read_spec(with_defaults(values)), None, slots)


@names_missing_extra
def train(
    task: str,
    reward: str | Path,
    *,
    steps: int | None = None,
    seeds: int = 1,
    settings: Mapping[str, Any] | None = None,
    home: str | Path | None = None,
    slots: int | None = None,
) -> JobResult:
    """Train a given reward and the sparse baseline on the same seeds, and return the finished job.

    The reward is checked first. If it fails a check, it is not trained.

    Args:
        task: Task id, or the path of a YAML file that describes a task.
        reward: The path of a reward file (a Path, or a string that ends with .py), or the text of a program.
        steps: Environment steps of a full trial; by default set for the task.
        seeds: Training seeds. With fewer than four no difference from the baseline can be shown.
        settings: Other arguments of `design`, by name, such as `{"training": {"entropy": 0.01}}`.
        home: Folder of the database and artifacts; by default REWARDSMITH_HOME, else .rewardsmith.
        slots: Number of concurrent trials; by default one per core.

    Returns:
        The job. Its claim compares the reward with the sparse baseline; it is None if a check failed.

    Raises:
        UsageError: A setting or the file is invalid, or the task is unknown.
        RewardsmithError: A GPU is missing, or the executor ended before the job.
    """
    source = _program(reward, task)
    given: dict[str, Any] = {} if steps is None else {"steps": steps}
    spec = training_spec(task, source, seeds, {**given, **(settings or {})})
    return _finished(_context(home), spec, source, slots)


@takes_former_arguments
@names_missing_extra
def check(  # noqa: PLR0913  (a public function, its arguments are its manual)
    task: Any,
    reward: Any = None,
    *,
    gamma: float | None = None,
    layouts: int | None = None,
    limit: int | None = None,
    quick: bool = False,
    episode_cap: Literal["auto"] | float | None = None,
    exploits: str | Path | None = None,
    name: str | None = None,
    success: str | Callable[..., Any] | None = None,
    run_in: Literal["auto", "sandbox", "process"] = "auto",
    allow_weak_sandbox: bool = False,
) -> CheckResult:
    """Check without training whether the optimal policy under a reward solves the task. Uses no job and no database.

    The two arguments may also be given as `check(reward, environment)` if the reward is a function or a wrapper.

    Args:
        task: Task id, the path of a file that describes a task, or an environment of your own: a class or function
            that makes one, or a Gymnasium environment.
        reward: The path of a reward file (a Path, or a string that ends with .py), the text of a program, a function,
            or a subclass of gymnasium.Wrapper. A function takes (observation, action, next_observation, info) and
            returns the whole reward of a step. Without `reward`, the rewards of the environment's outermost
            wrapper are checked, or those of the environment itself.
        gamma: The learner's discount, in (0, 1]; by default that of the task's training settings.
        layouts: Number of random layouts to check, 30 by default; all layouts if the task has fewer. From 8 on, a few
            hard layouts are checked as well.
        limit: Largest number of states of a layout that the certificate enumerates; by default 400,000, or 50,000 for
            an environment of your own.
        quick: Check 8 random layouts and 2 hard ones.
        episode_cap: Per-episode cap on a program channel's sum; auto: its largest sum over known solutions.
        exploits: File written by `CheckResult.save_counterexamples`, whose behaviours the battery also plays.
        name: Name of your own environment in messages; by default that of its class or function.
        success: When an episode of your own environment succeeds: a condition such as "info.is_success", or a
            function, both as in a description of a task. By default what random play shows.
        run_in: Where a function runs. auto: its source in the sandbox, or, if it is a closure or reads what the
            sandbox cannot be given, the function itself in this process; sandbox and process: only there.
        allow_weak_sandbox: Run the program even if the sandbox does not reach level `kernel` on this machine.

    Returns:
        The verdict of every check up to the first that failed. A fault of the program is a verdict, not an error.

    Raises:
        UsageError: The task is unknown, the file defines no reward, or an argument is out of range.
        SandboxWeak: The sandbox does not reach level `kernel` on this machine.
    """
    from rewardsmith.offline.check_formats import origin_of_file
    from rewardsmith.offline.check_function import CheckOptions
    from rewardsmith.offline.check_given import check_given, ordered
    from rewardsmith.offline.check_reward import CheckSettings, check_reward, layout_counts, read_exploits
    from sandbox.isolation import Isolation

    if gamma is not None and not 0 < gamma <= 1:
        raise UsageError(f"gamma is {gamma:g}, which is out of range.", "Pass a gamma above 0 and at most 1.")
    task, reward = ordered(task, reward)
    here = read_settings()
    isolation = Isolation.floor(weak=allow_weak_sandbox or here.allow_weak_sandbox)
    count, hard = layout_counts(layouts, quick=quick)
    program = isinstance(reward, str | Path)
    found = _task(task, name, success) if program or exploits is not None else task
    known = () if exploits is None else read_exploits(Path(exploits), found)
    chosen = CheckSettings(isolation, episode_cap, known, processes=here.check_processes)
    if program:
        checked = check_reward(_program(reward, found), found, gamma, count, limit, chosen, hard)
        return read_check(replace(checked, origin=origin_of_file(Path(reward))) if _is_path(reward) else checked)
    options = CheckOptions(gamma, count, limit, chosen, name, success, run_in, hard)
    return read_check(check_given(task, reward, options))


@names_missing_extra
def export(
    what: str = "latest",
    folder: str | Path = "exported",
    *,
    policy: str = "auto",
    with_cassette: bool = False,
    force: bool = False,
    accept_task_change: bool = False,
    home: str | Path | None = None,
) -> ExportResult:
    """Write a reward as plain Python, with a Gymnasium wrapper, a card, the policy and recorded transitions.

    Args:
        what: A candidate's id (JOB-NAME), a job's id for its best candidate, or "latest".
        folder: Folder to write to; it is created if needed.
        policy: "auto" writes the policy for Stable-Baselines3, and as ONNX if the extra is installed; "onnx" requires
            the ONNX file; "none" leaves the policy out.
        with_cassette: Also write the job's language-model calls, so that the job can be replayed offline.
        force: Write to the folder even if it is not empty.
        accept_task_change: Continue although the module of the job's task has changed. The job is marked.
        home: Folder of the database and artifacts; by default REWARDSMITH_HOME, else .rewardsmith.

    Returns:
        The files, with notes about the export.

    Raises:
        UsageError: There is no such job or candidate, the folder is not empty, or a required file cannot be written.
    """
    from rewardsmith.engine.models.open import write_cassette
    from rewardsmith.exported import export_files

    context, out = _context(home, must_exist=True), Path(folder)
    candidate = _candidate(context, what)
    notes = settle_task(context, candidate.job_id, accept_task_change)
    written, missing = export_files(context, candidate, out, force=force, policy=policy)
    if with_cassette:
        written.append(write_cassette(context, candidate.job_id, out / "cassette.jsonl"))
    return ExportResult(candidate.id, out, tuple(written), (*notes, *missing))


@names_missing_extra
def load(job: str = "latest", *, home: str | Path | None = None) -> JobResult:
    """Read a job from the database, finished or running.

    Args:
        job: The job's id, a unique prefix of it, or "latest".
        home: Folder of the database and artifacts; by default REWARDSMITH_HOME, else .rewardsmith.

    Returns:
        The present state of the job: its claim, its best program, its candidates and their learning curves.

    Raises:
        UsageError: There is no such job.
    """
    context = _context(home, must_exist=True)
    job_id = find_job_id(context, job)
    with read(context.database) as connection:
        return read_job(connection, job_id)


def _context(home: str | Path | None, *, must_exist: bool = False) -> Context:
    return open_context(read_settings() if home is None else Settings(home=Path(home)), must_exist=must_exist)


def _finished(context: Context, spec: JobSpec, source: str | None, slots: int | None) -> JobResult:
    """Start or resume a job, and wait for its end."""
    job_id, _ = start(context, spec, source)
    with executor(context, job_id, slots) as process:
        process.wait()
    with read(context.database) as connection:
        found = read_job(connection, job_id)
    if found.state == "running":
        cause, remedy = process.failure or ("The executor ended before the job.", "")
        raise RewardsmithError(
            cause, remedy or f"Repeat the call to resume the job; `rewardsmith logs {job_id}` shows its log."
        )
    return found


def _is_path(reward: str | Path) -> bool:
    return isinstance(reward, Path) or (reward.endswith((".py", ".json")) and "\n" not in reward)


def _program(reward: str | Path, task: Any) -> str:
    if _is_path(reward):
        return read_reward_file(Path(reward), task)
    method_of(str(reward), "The text")
    return str(reward)


def _task(task: Any, name: str | None, success: Any = None) -> Any:
    """Return the task of `check`, given as an id, a Task, or an environment of the caller's own."""
    from rewardsmith.tasks import get_task
    from rewardsmith.tasks.given.tasks import task_of_environment

    found = get_task(task) if isinstance(task, str) else task
    return task_of_environment(found, name, success=success)


def _candidate(context: Context, what: str) -> Any:
    from rewardsmith.reporting import queries

    with read(context.database) as connection:
        if queries.names_candidate(what):
            return queries.find_candidate(connection, what)
        return queries.find_candidate(connection, f"{queries.find_job(connection, what).id}-best")


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


__all__ = ["check", "design", "export", "load", "train"]
