"""`check`: a linter for rewards. docs/check.md lists its exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rewardsmith.cli import screen
from rewardsmith.cli.options import TaskOption, takes_settings


def register(app: typer.Typer) -> None:
    """Add `check` to the application."""
    app.command()(check)


@takes_settings("episode_cap")
def check(  # noqa: PLR0913  (options of a command)
    reward: Annotated[Path, typer.Argument(help="Reward file with reward(), potential(), or dense() and sparse().")],
    task: TaskOption,
    gamma: Annotated[
        float | None, typer.Option(help="Discount factor of the learner; by default the task's setting.")
    ] = None,
    layouts: Annotated[
        int | None, typer.Option(min=1, help="Number of random layouts to check; 30 by default.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Check 8 random layouts and 2 hard ones.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="Most states to enumerate per layout; 400,000 by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write replayable counter-examples to.")] = None,
    exploits: Annotated[
        Path | None, typer.Option(help="File written by --out; the battery also plays its behaviours.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, json, junit or sarif.")] = "table",
    report: Annotated[
        list[Path] | None,
        typer.Option(help="File to write the result to as well: .xml (JUnit), .sarif or .json. May be repeated."),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Picture to write (.png, .svg or .pdf): optimal values, optimal path and exploit on a layout."
        ),
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            help="failure: exit code 1 if a check fails. undecided, bound: also exit code 3 if a layout is undecided, "
            "or if more than 10 % of the layouts may be unsound. never: exit code 0."
        ),
    ] = "failure",
    search_steps: Annotated[
        int,
        typer.Option(min=0, max=10**9, help="Environment steps of the search for exploits on tasks without a model."),
    ] = 60_000,
    allow_weak_sandbox: Annotated[bool, typer.Option(help="Allow a sandbox below level `kernel`.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Check again, even if the result is known.")] = False,
    **given: Any,
) -> None:
    """Check a reward without training.

    The main question: does every optimal policy under this reward solve the task? No job is created and no database is
    used. The exit code is 1 if a check fails; --fail-on changes this.
    """
    from dataclasses import replace

    from rewardsmith.config import settings
    from rewardsmith.errors import UsageError
    from rewardsmith.offline import check_reward
    from rewardsmith.offline.check_formats import origin_of_file
    from rewardsmith.programs.reward_file import read_reward_file
    from sandbox.isolation import Isolation

    if gamma is not None and not 0 < gamma <= 1:
        raise UsageError(f"--gamma is {gamma:g}.", "Pass a number above 0 and at most 1.")
    screen.check_format(form, ("table", "json", "junit", "sarif"))
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise UsageError(f"Cannot write {out}.", "Pass --out FILE in a folder that exists.")
    reports = [(path, _form_of(path)) for path in report or ()]
    isolation = Isolation.floor(weak=allow_weak_sandbox or settings().allow_weak_sandbox)
    if fail_on not in check_reward.FAIL_ON:
        raise UsageError(f"--fail-on is {fail_on!r}.", f"Pass one of {', '.join(check_reward.FAIL_ON)}.")
    count, hard = check_reward.layout_counts(layouts, quick=quick)
    asked = (("--gamma", gamma, None), ("--layouts", layouts, None), ("--limit", limit, None),
             ("--episode-cap", given["episode_cap"], None), ("--exploits", exploits, None),
             ("--fail-on", fail_on, "failure"), ("--search-steps", search_steps, 60_000))  # fmt: skip
    known = check_reward.read_exploits(exploits, task) if exploits else ()
    source, cap = read_reward_file(reward, task), _cap(given["episode_cap"])
    kept, hosts = None if no_cache else settings().home / "checks", settings().check_processes
    chosen = check_reward.CheckSettings(
        isolation, cap, known, screen.say, search_steps=search_steps, kept=kept, processes=hosts
    )
    found = check_reward.check_reward(source, task, gamma, count, limit, chosen, hard)
    found = replace(found, origin=origin_of_file(reward))
    if out is not None:
        screen.say(f"{check_reward.save_counterexamples(found, out)} counter-examples written to {out}")
    if picture is not None:
        _draw(found, source, chosen, limit, picture)
    for path, kind in reports:
        path.write_text(_as_text(found, reward, kind, fail_on), encoding="utf-8")
    if form != "table":
        screen.write(_as_text(found, reward, form, fail_on))
    else:
        screen.out.print(_table(found))
        again = f"rewardsmith check {reward} --task {task}"
        again += "".join(f" {name} {value}" for name, value, usual in asked if value != usual) + " --quick" * quick
        screen.next_command(f"rewardsmith train --reward {reward} --task {task}" if found.passed else again)
    raise typer.Exit(found.exit_code(fail_on))


def _draw(found: Any, source: str, chosen: Any, limit: int | None, path: Path) -> None:
    """Write the picture of a check. Raises UsageError if the reward cannot be enumerated on its layout."""
    from rewardsmith.offline.value_maps import map_of
    from rewardsmith.plots.canvas import save
    from rewardsmith.plots.value_map import draw_value_map

    values, sentence = map_of(found, source, chosen, limit)
    save(draw_value_map(values, sentence), path)
    screen.say(f"picture of layout {values.layout} written to {path}")


def _table(found: Any) -> Any:
    """Return a row per check, and the rows that describe the reward."""
    from rewardsmith.reporting.text import verdict_word

    shown = screen.table(None, [("check", "left"), ("verdict", "left"), ("", "left")])
    shown.columns[1].max_width = screen.VERDICT_WIDTH
    for verdict in found.checked.verdicts:
        word = verdict_word(verdict.kind, verdict.passed, verdict.details)
        shown.add_row(verdict.kind, word, verdict.message)
    for kind, reason in found.not_run:
        shown.add_row(kind, "not run", reason)
    if (meter := found.shaping) is not None:
        text = (
            f"absolute sum of the shaping rewards: {meter['guidance']:.3g} over a solution, {meter['exploited']:.3g} "
            f"over the scripted behaviour with the largest; success reward {meter['success_pay']:.3g}"
        )
        text += "" if meter["reason"] is None else f": {meter['reason']}"
        shown.add_row("shaping ratio", "-" if meter["ratio"] is None else f"{meter['ratio']:.3g}", text)
    if found.difficulty is not None:
        shown.add_row(
            "difficulty",
            f"{found.difficulty:.1f}",
            "predicted; of two rewards, the one with the smaller value is expected to learn sooner",
        )
    return shown


_FORMS = {".xml": "junit", ".sarif": "sarif", ".json": "json"}


def _form_of(report: Path) -> str:
    """Return the format of a report by its name. Raises UsageError for other names, and for a missing folder."""
    from rewardsmith.errors import UsageError

    if report.suffix not in _FORMS:
        raise UsageError(f"--report {report} has no known format.", f"End its name with {', '.join(_FORMS)}.")
    if report.is_dir() or not report.absolute().parent.is_dir():
        raise UsageError(f"Cannot write {report}.", "Pass --report FILE in a folder that exists.")
    return _FORMS[report.suffix]


def _as_text(found: Any, reward: Path, form: str, fail_on: str) -> str:
    """Return a result as JSON, JUnit's XML or SARIF."""
    import json

    from rewardsmith import __version__
    from rewardsmith.files import read_text
    from rewardsmith.offline.check_formats import Checkout, as_junit, as_sarif

    if form == "json":
        return json.dumps([found.as_dict()], indent=2, default=str)
    checkout = Checkout(reward.as_posix(), read_text(reward), __version__, fail_on)
    return as_junit(found, checkout) if form == "junit" else json.dumps(as_sarif(found, checkout), indent=2)


def _cap(text: str | None) -> Any:
    from rewardsmith.errors import UsageError

    if text is None or text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise UsageError(f"--episode-cap is {text!r}.", "Pass `auto` or a number above 0.")
    return value
