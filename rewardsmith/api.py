"""The public functions: what the command line does, for Python. Each returns a typed result, see results.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rewardsmith.config import Settings
from rewardsmith.config import settings as read_settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.errors import RewardsmithError, UsageError
from rewardsmith.programs.reward_file import method_of, read_reward_file
from rewardsmith.results import CheckResult, ExportResult, JobResult, read_check, read_job
from rewardsmith.spec import JobSpec, read_spec, with_defaults
from rewardsmith.starting import executor, find_job_id, settle_task, start, training_spec
from rewardsmith.storage.database import read

if TYPE_CHECKING:
    from rewardsmith.tasks.base import Task


def design(  # noqa: PLR0913  (a public function, its arguments are its manual)
    task: str,
    *,
    home: str | Path | None = None,
    slots: int | None = None,
    method: str = "auto-mc-reward",
    combine: Sequence[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    weights: Mapping[str, float] | None = None,
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
    replay: str | Path | None = None,
    iterations: int = 3,
    samples: int = 3,
    repairs: int = 3,
    seeds: int = 1,
    steps: int | None = None,
    rungs: Sequence[float] = (0.25, 0.5, 1.0),
    keep: float = 0.5,
    target: float | None = 0.95,
    favourite_first: bool = True,
    confirm: int = 10,
    designs: bool = True,
    verification: bool = True,
    retrain: bool = True,
    train_anyway: bool = False,
    episode_budget: Literal["auto"] | float | None = None,
    planner: bool = True,
    seed: int = 0,
    training: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> JobResult:
    """Design a reward for a task and wait for the end, as `rewardsmith run` does, without a screen.

    The same call again goes on with a job that was interrupted.

    Args:
        task: Task id, or a YAML file that describes one.
        method: How rewards are made; see `rewardsmith methods`.
        combine: Methods whose channels are added to the method's own.
        options: A method's own settings, by method.
        weights: Weights of channels, by channel.
        model: A litellm id such as gpt-4o, or synth: no language model.
        designer_model: Model of the designer, if another.
        critic_model: Model of the critic, if another.
        analyzer_model: Model of the analyzer, if another.
        fallback_models: Models asked in order where the one before cannot answer.
        api_base: Address of an OpenAI-compatible server.
        stream: Receive answers piece by piece.
        prompt_tokens: Evidence in prompts is cut to about this length.
        answer_tokens: Longest answer, thinking included.
        record: Cassette: the file that every call is written to.
        replay: Cassette of a recorded job: its answers replace every model's.
        iterations: Rounds of the search.
        samples: Candidates per round.
        repairs: Repair rounds of a candidate that fails a check.
        seeds: Training seeds per candidate in the search.
        steps: Environment steps of a full trial; by default what the task needs.
        rungs: Shares of a full trial after which candidates are compared.
        keep: Share of candidates promoted to the next rung.
        target: Stop searching at this success rate.
        favourite_first: One candidate after the other trains, by predicted difficulty; false: all at once.
        confirm: Fresh seeds of the claim; 0 skips it.
        designs: Whether programs are designed; set by methods that ask for none.
        verification: Battery and certificate before training.
        retrain: Train a drowned or saturated candidate once more with other settings.
        train_anyway: Train what battery or certificate reject, too.
        episode_budget: Bound on a program channel's sum over an episode; auto: what solutions are paid.
        planner: Show the planner's subgoal order to the designer.
        seed: Everything random follows from this.
        training: Settings of the trainer, see docs/training.md, by name.
        budget: Limits of the job: calls, tokens, dollars, steps, seconds, by name.
        name: A name of the job.
        home: Folder of the database and artifacts; by default REWARDSMITH_HOME, else .rewardsmith.
        slots: Trials at once; one per core by default.

    Returns:
        The job: its claim, its best program, its candidates and their curves.

    Raises:
        UsageError: A setting is wrong, or the task is unknown.
        RewardsmithError: A key or a GPU is missing, or the work ended early.
    """
    if not isinstance(task, str):
        raise UsageError(
            f"design() takes the id of a task or the path of a YAML file, not a {type(task).__name__}.",
            "A MiniGrid environment of your own can be checked, not trained: see `rewardsmith.check` in docs/check.md.",
        )
    values: dict[str, Any] = {
        "task": task,
        "method": method,
        "combine": combine,
        "options": options or {},
        "weights": weights or {},
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
        "replay": _text(replay),
        "iterations": iterations,
        "samples": samples,
        "repairs": repairs,
        "seeds": seeds,
        "rungs": rungs,
        "keep": keep,
        "target": target,
        "favourite_first": favourite_first,
        "confirm": confirm,
        "designs": designs,
        "verification": verification,
        "retrain": retrain,
        "train_anyway": train_anyway,
        "episode_budget": episode_budget,
        "planner": planner,
        "seed": seed,
        "name": name,
        "training": {} if training is None else training,
        "budget": {} if budget is None else budget,
    }
    if steps is not None:
        values["steps"] = steps
    return _finished(_context(home), read_spec(with_defaults(values)), None, slots)


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
    """Train anybody's reward the way a job's candidates are trained, beside the sparse baseline; wait for the end.

    The reward is checked first; one that fails a check is not trained.

    Args:
        task: Task id, or a YAML file that describes one.
        reward: The path of a reward file, as a Path or a text that ends with .py; or the program's text itself.
        steps: Environment steps of a full trial; by default what the task needs.
        seeds: Fresh training seeds; fewer than four can show no difference to the baseline.
        settings: Other arguments of `design`, by name, such as `{"training": {"entropy": 0.01}}`.
        home: Folder of the database and artifacts; by default REWARDSMITH_HOME, else .rewardsmith.
        slots: Trials at once; one per core by default.

    Returns:
        The job. Its claim compares the reward with the sparse baseline; it is None if a check failed.

    Raises:
        UsageError: A setting or the file is wrong, or the task is unknown.
        RewardsmithError: A GPU is missing, or the work ended early.
    """
    source = _program(reward)
    given: dict[str, Any] = {} if steps is None else {"steps": steps}
    spec = training_spec(task, source, seeds, {**given, **(settings or {})})
    return _finished(_context(home), spec, source, slots)


def check(  # noqa: PLR0913  (a public function, its arguments are its manual)
    task: str | Task | Callable[[], Any],
    reward: str | Path,
    *,
    gamma: float | None = None,
    layouts: int = 16,
    limit: int | None = None,
    episode_budget: Literal["auto"] | float | None = None,
    hacks: str | Path | None = None,
    name: str | None = None,
    allow_weak_sandbox: bool = False,
) -> CheckResult:
    """Check a reward without training: is its optimum the task's solution? No job, no database.

    Args:
        task: Task id, a YAML file that describes one, or a class or function that makes a new MiniGrid environment.
        reward: The path of a reward file, as a Path or a text that ends with .py; or the program's text itself.
        gamma: The learner's discount, above 0 and at most 1; by default that of the task's training settings.
        layouts: Training layouts that battery and certificate look at; all where fewer differ.
        limit: Most states of a layout that the certificate lists; 400,000 by default, 50,000 of an environment of
            your own.
        episode_budget: Bound on a program channel's sum over an episode; auto: what solutions are paid.
        hacks: A file that `CheckResult.save_counterexamples` wrote: the battery plays these behaviours, too.
        name: What messages call an environment of your own; by default the name of its class or function.
        allow_weak_sandbox: Run the program below protection level `kernel`.

    Returns:
        The verdict of every check up to the first that failed. The program's faults are verdicts, not errors.

    Raises:
        UsageError: The task is unknown, the file defines no reward, or an argument is out of its range.
        SandboxWeak: This machine cannot protect itself from the program.
    """
    from rewardsmith.offline.check_reward import CheckSettings, check_reward, read_hacks
    from sandbox.isolation import Isolation

    if gamma is not None and not 0 < gamma <= 1:
        raise UsageError(f"gamma is {gamma:g}.", "Give a number above 0 and at most 1.")
    found, source = _task(task, name), _program(reward)
    isolation = Isolation.floor(weak=allow_weak_sandbox or read_settings().allow_weak_sandbox)
    known = () if hacks is None else read_hacks(Path(hacks), found)
    chosen = CheckSettings(isolation, episode_budget, known)
    return read_check(check_reward(source, found, gamma, layouts, limit, chosen))


def export(
    what: str = "latest",
    folder: str | Path = "exported",
    *,
    with_cassette: bool = False,
    force: bool = False,
    accept_task_change: bool = False,
    home: str | Path | None = None,
) -> ExportResult:
    """Write a reward as plain Python, with a wrapper, a card, the policy and recorded transitions.

    Args:
        what: A job (its best candidate is meant), a candidate (JOB-NAME), or "latest".
        folder: Folder to write.
        with_cassette: Add the job's language-model calls, to run it again offline.
        force: Write into a folder that has files.
        accept_task_change: Go on although the module of the job's task has changed; marks the job.
        home: Folder of the database and artifacts; by default REWARDSMITH_HOME, else .rewardsmith.

    Returns:
        The files, and what is to know of them.

    Raises:
        UsageError: There is no such job or candidate, or the folder has files.
    """
    from rewardsmith.engine.models.open import write_cassette
    from rewardsmith.reporting.export import export_candidate

    context, out = _context(home, must_exist=True), Path(folder)
    candidate = _candidate(context, what)
    notes = settle_task(context, candidate.job_id, accept_task_change)
    files, missing = _stored_files(context, candidate)
    options: Any = {"files": files, "force": force, "isolation": context.settings.isolation}
    written = export_candidate(context.database, candidate, out, **options)
    if with_cassette:
        written.append(write_cassette(context, candidate.job_id, out / "cassette.jsonl"))
    return ExportResult(candidate.id, out, tuple(written), (*notes, *missing))


def load(job: str = "latest", *, home: str | Path | None = None) -> JobResult:
    """Read a job, finished or running.

    Args:
        job: The job's id, a prefix of it that no other job has, or "latest".
        home: Folder of the database and artifacts; by default REWARDSMITH_HOME, else .rewardsmith.

    Returns:
        The job as it stands now: its claim, its best program, its candidates and their curves.

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
    """Start a job, or go on with it, and wait for its end."""
    job_id, _ = start(context, spec, source)
    with executor(context, job_id, slots) as process:
        process.wait()
    with read(context.database) as connection:
        found = read_job(connection, job_id)
    if found.state == "running":
        cause, remedy = process.failure or ("The executor ended early.", "")
        raise RewardsmithError(cause, remedy or f"Call it again to go on; see `rewardsmith logs {job_id}`.")
    return found


def _program(reward: str | Path) -> str:
    if isinstance(reward, Path) or (reward.endswith(".py") and "\n" not in reward):
        return read_reward_file(Path(reward))
    method_of(reward, "The text")
    return reward


def _task(task: Any, name: str | None) -> Any:
    """The task that `check` is given: by id, as it is, or made of an environment of the user's own."""
    import gymnasium

    from rewardsmith.tasks import get_task
    from rewardsmith.tasks.minigrid.custom import CustomTask

    if isinstance(task, str):
        return get_task(task)
    if not callable(task) and not isinstance(task, gymnasium.Env):
        return task
    make: Any = task  # of an environment itself, CustomTask says that a function is wanted
    return CustomTask(make, name or getattr(task, "__name__", type(task).__name__))


def _candidate(context: Context, what: str) -> Any:
    from rewardsmith.reporting import queries

    with read(context.database) as connection:
        if queries.names_candidate(what):
            return queries.find_candidate(connection, what)
        return queries.find_candidate(connection, f"{queries.find_job(connection, what).id}-best")


def _stored_files(context: Context, candidate: Any) -> tuple[dict[str, bytes], list[str]]:
    """A candidate's policy and failed episodes, and what to say where they cannot be read."""
    from rewardsmith.errors import StorageError
    from rewardsmith.reporting.export import stored_files

    try:
        return stored_files(context.database, candidate, context.store), []
    except StorageError as error:
        # The reward itself is in the database; a laptop may have no way to the store.
        return {}, [f"exported without its policy: {error.cause}\n{error.remedy}"]


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


__all__ = ["check", "design", "export", "load", "train"]
