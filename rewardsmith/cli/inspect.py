"""`ls`, `show`, `tree`, `why`, `compare`, `curves` and `logs`: read the results of jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.plaintext import one_line, plain

Format = Annotated[str, typer.Option("--format", help="table, json or csv.")]
JobArgument = Annotated[str, typer.Argument(help="Job id, a prefix of it, or latest.")]


def register(app: typer.Typer) -> None:
    """Add the reading commands to the application."""
    app.command(name="ls")(ls)
    for command in (show, tree, why, compare, curves, logs):
        app.command()(command)


def _reading() -> Any:
    from rewardsmith.place import find_place
    from rewardsmith.storage.reads import open_reader

    return open_reader(find_place().url)


def ls(
    state: Annotated[
        str | None, typer.Option(help="Show only jobs in this state: running, paused, done, failed or cancelled.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Show only jobs of this task id.")] = None,
    owner: Annotated[str | None, typer.Option(help="Show only jobs that this user submitted.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Largest number of jobs to show.")] = 100,
    form: Format = "table",
) -> None:
    """List the jobs, newest first."""
    from rewardsmith.reporting import text
    from rewardsmith.storage.reads import fetch
    from rewardsmith.storage.rows import Job

    with _reading() as connection:
        stored = fetch(connection, "jobs", order=["-created_at"], limit=limit, state=state, task=task, owner=owner)
    found = [Job(**row) for row in stored]
    shown = screen.table(
        None,
        [("job", "left"), ("task", "left"), ("method", "left"), ("model", "left"), ("state", "left"),
         ("best", "left"), ("started (UTC)", "left"), ("run time", "right")],
    )  # fmt: skip
    rows = []
    for job in found:
        model = job.spec.get("model", "")
        began = job.created_at.strftime("%Y-%m-%d %H:%M")
        combined = list(job.spec.get("combine") or [])
        shown.add_row(
            job.id, job.task, "+".join([job.method, *combined]), model, job.state, job.best_candidate or "", began,
            text.seconds(job.active_seconds),
        )  # fmt: skip
        rows.append(
            {"job": job.id, "task": job.task, "method": job.method, "with": combined, "model": model,
             "state": job.state, "best": job.best_candidate, "began": job.created_at,
             "active_seconds": round(job.active_seconds, 1),
             "owner": job.owner, "priority": job.priority}
        )  # fmt: skip
    screen.emit(rows, form, shown)
    if found and form == "table":
        screen.next_command(f"rewardsmith show {found[0].id}")


def show(
    what: Annotated[str, typer.Argument(help="A job, a candidate (JOB-NAME), latest or best.")] = "latest",
    prompts: Annotated[bool, typer.Option("--prompts", help="Print every prompt with its answer.")] = False,
    form: Format = "table",
) -> None:
    """Show a job or a candidate.

    A job: its candidates, final evaluation and cost. A candidate: its program, checks, trials, telemetry and cost.
    """
    from rewardsmith.reporting import queries

    with _reading() as connection:
        if prompts:
            _show_prompts(connection, what)
            return
        if queries.names_candidate(what):
            from rewardsmith.cli.candidate import show_candidate

            show_candidate(connection, queries.find_candidate(connection, what), form)
        else:
            _show_job(connection, queries.find_job(connection, what).id, form)


def _show_prompts(connection: Any, what: str) -> None:
    """Print the prompts and answers of a job or a candidate in full on stdout."""
    from rewardsmith.reporting import queries
    from rewardsmith.storage.reads import fetch

    if queries.names_candidate(what):
        about_what: dict[str, Any] = {"candidate": queries.find_candidate(connection, what).id}
    else:
        about_what = {"job_id": queries.find_job(connection, what).id}
    for row in fetch(connection, "llm_calls", order=["id"], **about_what):
        about = (
            f"{row['role']} {row['candidate']}, round {row['iteration']}, attempt {row['attempt']}: {row['outcome']}"
        )
        tokens = "unknown" if row["prompt_tokens"] is None else f"{row['prompt_tokens']:,}"
        about = one_line(f"{about}, {tokens} prompt tokens ({row['prompt_estimate'] or 0:,} estimated)")
        screen.write(f"===== {about}\n{row['prompt']}\n----- answer of {one_line(row['model'])}")
        screen.write(f"{row['answer'] or row['note'] or ''}\n")


def _show_job(connection: Any, job_id: str, form: str) -> None:
    from rewardsmith.cli import results
    from rewardsmith.cli.live import screen_of
    from rewardsmith.reporting import queries, text
    from rewardsmith.reporting.measure import measure_of
    from rewardsmith.reporting.overview import read_overview
    from rewardsmith.reporting.step_counts import steps_by_purpose

    view = read_overview(connection, job_id)
    if form != "table":
        rows = [row.__dict__ for row in view.rows]
        screen.emit(rows, form, screen.table(None, []))
        return
    claim = queries.read_claim(connection, view.job)
    screen.out.print(screen_of(view, "" if claim is None else results.verdict_line(claim)))
    if (stepped := text.stepping_words(view.job.spec)) is not None:
        screen.labelled("", stepped)
    for told in text.training_words(view.job.spec):
        screen.labelled("", told)
    if claim is not None:
        results.print_claim(claim, verdict=False)
    costs = view.costs
    unpriced = f" ({costs['unpriced_calls']} calls of unknown price)" if costs["unpriced_calls"] else ""
    screen.out.print(
        f"cost: {costs['calls'] or 0} model calls, {costs['prompt_tokens'] or 0:,} prompt tokens, "
        f"{costs['completion_tokens'] or 0:,} answer tokens, ${costs['dollars'] or 0:.4f}{unpriced}; "
        f"{costs['env_steps'] or 0:,} environment steps",
        markup=False,
    )
    for line in steps_by_purpose(*view.steps, scored=view.job.spec.get("score") is not None):
        screen.out.print(line, markup=False)
    used, whole = view.raced
    if whole and view.job.state == "done":
        screen.out.print(
            f"early stopping: {used:,} steps instead of {whole:,} to train every candidate to the end",
            markup=False,
        )
    if scale := measure_of(view.job.spec).scale:
        screen.out.print(f"score: {scale.words}", markup=False)
    if view.job.oracle_informed:
        screen.out.print(text.ORACLE_INFORMED, markup=False)
    for change in (view.job.spec.get("description") or {}).get("changes", ()):
        screen.out.print(
            f"the task changed during the job; results before and after are not comparable: {change}", markup=False
        )
    screen.next_command(f"rewardsmith show {view.job.best_candidate or view.rows[-1].candidate}")


def tree(job: JobArgument = "latest") -> None:
    """Show the lineage of a job's candidates as a tree."""
    from rich.tree import Tree

    from rewardsmith.reporting import queries
    from rewardsmith.reporting.measure import measure_of
    from rewardsmith.storage import reads

    with _reading() as connection:
        found = queries.find_job(connection, job)
        candidates = reads.candidates_of(connection, found.id)
    from rich.text import Text

    root = Tree(Text.assemble((found.id, "bold"), one_line(f"  {found.task}")))
    nodes: dict[str, Tree] = {}
    for c in candidates:
        parent = nodes.get(c.parents[0]) if c.parents else None
        style = "dim" if c.state == "rejected" else f"bold {screen.ACCENT}" if c.id == found.best_candidate else ""
        more = f" + {', '.join(c.parents[1:])}" if c.parents[1:] else ""
        reason = f"  {(c.rejection_reason or '').splitlines()[0][:80]}" if c.rejection_reason else ""
        score = f"  {measure_of(found.spec).show(c.score)}" if c.score is not None else ""
        label = Text(one_line(f"{c.id}  {c.move}{more}  {c.state}{score}{reason}"), style=style)
        nodes[c.id] = (parent or root).add(label)
    screen.out.print(root)
    screen.next_command(f"rewardsmith why {found.id}")


def why(what: Annotated[str, typer.Argument(help="A job or a candidate.")] = "latest") -> None:
    """Show why candidates were rejected.

    Also shows each diagnosis, the analyzer's prediction, and whether it came true.
    """
    from rewardsmith.reporting import hypotheses, overview, queries, text
    from rewardsmith.reporting.measure import measure_of
    from rewardsmith.storage import reads

    with _reading() as connection:
        if queries.names_candidate(what):
            shown = [queries.find_candidate(connection, what)]
        else:
            job = queries.find_job(connection, what)
            screen.labelled(f"{job.id}  {job.state}  ", job.note or "")
            shown = [c for c in reads.candidates_of(connection, job.id) if c.kind != "baseline"]
        for c in shown:
            measure = measure_of(reads.get_job(connection, c.job_id).spec)
            score = f", {measure.name} {measure.show(c.score)}" if c.score is not None else ""
            error = overview.trouble_of([i for i in reads.items_of(connection, c.job_id) if i.key.candidate == c.id])
            state = "failed" if error and c.state in ("designed", "passed") else c.state
            screen.out.print()
            screen.labelled(f"{c.id}  ", one_line(f"{c.move}  {state}{score}"), style="bold")
            if c.rejection_reason:
                screen.labelled("  rejected: ", c.rejection_reason)
            elif error:
                screen.labelled("  not completed: ", error.split("\n")[0])
            if adjusted := text.adjustment_words(c.adjustment):
                screen.labelled("  settings: ", adjusted)
            for objection in _trained_anyway(connection, c):
                screen.labelled("  trained despite ", objection)
            found = reads.fetch(connection, "analyses", candidate_id=c.id)
            if not found:
                continue
            row = found[0]
            for label, evidence in row["labels"].items():
                screen.labelled("  diagnosis: ", f"{label} - {evidence}")
            for name in ("suggestion", "prediction"):
                if row[name]:
                    screen.labelled(f"  {name}: ", row[name])
            for tested in hypotheses.outcomes_of(connection, c) if row["prediction"] else ():
                screen.labelled("    tested by ", tested.words())
    screen.next_command("rewardsmith tree " + what.split("-")[0])


def _trained_anyway(connection: Any, c: Any) -> list[str]:
    """Return the failed checks of a candidate that was trained nevertheless (`--train-anyway`)."""
    from rewardsmith.reporting import text
    from rewardsmith.storage.reads import fetch

    if c.score is None:
        return []
    verdicts = fetch(connection, "checks", order=["id"], candidate_id=c.id)
    failed = [(v["kind"], v["message"], v["details"]) for v in verdicts if not v["passed"]]
    return [f"failed check {kind}: {text.verdict_message(kind, message, details)}" for kind, message, details in failed]


def compare(
    first: Annotated[str, typer.Argument(help="A candidate.")],
    second: Annotated[str, typer.Argument(help="Another candidate.")],
) -> None:
    """Compare two candidates by program and success, or score.

    Success is compared on the seeds that both were trained on.
    """
    import difflib

    from rewardsmith.reporting import queries
    from rewardsmith.reporting.measure import measure_of
    from rewardsmith.storage import reads

    with _reading() as connection:
        pair = [queries.find_candidate(connection, name) for name in (first, second)]
        trials = [reads.trials_of(connection, candidate_id=c.id) for c in pair]
        measure, other_measure = (measure_of(reads.get_job(connection, c.job_id).spec) for c in pair)
    a, b = pair
    before, after = (plain(c.source).splitlines() for c in pair)
    diff = difflib.unified_diff(before, after, a.id, b.id, lineterm="")
    from rich.syntax import Syntax

    screen.out.print(Syntax("\n".join(diff) or "# identical programs", "diff", background_color="default"))
    shown = screen.table(
        None,
        [("purpose", "left"), ("seed", "right"), (a.id, "right"), (b.id, "right"), ("difference", "right")],
    )
    others = {(t.purpose, t.seed): t for t in trials[1]}
    if (measure.scale is None) != (other_measure.scale is None):
        others = {}
        screen.say("One of them is measured by a success rate and the other by a score, so no numbers are compared.")
    for t in trials[0]:
        other = others.get((t.purpose, t.seed))
        one = measure.of_trial(t)[0]
        two = None if other is None else other_measure.of_trial(other)[0]
        if one is None or two is None:
            continue
        shown.add_row(t.purpose, str(t.seed), measure.show(one), other_measure.show(two), measure.change(one, two))
    screen.out.print(shown)


FIGURES = ("curves", "channels", "components", "lineage", "difficulty", "steps-to-90")
"""Figures that `curves` draws; functions of the same names in rewardsmith.plots return them."""


def curves(
    what: Annotated[
        str, typer.Argument(help="A job (its best candidate) or a candidate; the baseline is drawn beside it.")
    ] = "latest",
    out: Annotated[Path, typer.Option(help="Picture to write (.png, .svg or .pdf).")] = Path("curves.png"),
    figure: Annotated[
        str, typer.Option(help=f"Figure to draw: {', '.join(FIGURES[:-1])} or {FIGURES[-1]}.")
    ] = "curves",
    channels: Annotated[bool, typer.Option("--channels", help="The same as --figure channels.")] = False,
) -> None:
    """Draw learning curves, or another figure of a job, to a picture file.

    channels: the reward of each channel per training episode. components: the same, stacked. lineage: the tree of
    candidates. difficulty: predicted difficulty and result. steps-to-90: steps to 90 % success with intervals.
    """
    from rewardsmith import plots
    from rewardsmith.errors import UsageError
    from rewardsmith.plots.canvas import save

    name = "channels" if channels else figure
    if name not in FIGURES:
        raise UsageError(f"There is no figure {name!r}.", f"Use one of: {', '.join(FIGURES)}.")
    save(getattr(plots, name.replace("-", "_"))(what), out)
    screen.write(str(out))


def logs(job: JobArgument = "latest") -> None:
    """Print the logs of a job's processes."""
    from rewardsmith.place import find_place
    from rewardsmith.reporting import queries

    with _reading() as connection:
        found = queries.find_job(connection, job)
    folder = find_place().artifacts / found.id / "logs"
    written = [p for p in sorted(folder.glob("*.log")) if p.stat().st_size] if folder.exists() else []
    for path in written:
        screen.say(f"== {path.name}")
        screen.write(path.read_text(errors="replace").removesuffix("\n"))
    if not written:
        screen.say("The logs of this job are empty: no process reported a problem.")
