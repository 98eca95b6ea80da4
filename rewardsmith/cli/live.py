"""Watching a job: a live table on a terminal, one line per change in a pipe or a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rewardsmith.cli import screen
from rewardsmith.plaintext import indented, one_line
from rewardsmith.reporting import text
from rewardsmith.reporting.measure import SUCCESS, Measure, measure_of
from rewardsmith.reporting.overview import Overview, Row

if TYPE_CHECKING:
    from sqlalchemy import Engine

_EVERY = 0.5
_SILENCE = 30.0  # seconds without a change after which a line reports progress


def watch(database: Engine, job_id: str, running: Callable[[], bool]) -> Overview:
    """Show the job until it has ended or `running()` is false; return the last overview."""
    if screen.talk.is_terminal:
        return _watch_live(database, job_id, running)
    return _watch_plain(database, job_id, running)


def _watch_live(database: Engine, job_id: str, running: Callable[[], bool]) -> Overview:
    from rich.live import Live

    from rewardsmith.reporting.watching import WatchedJob

    job = WatchedJob(database, job_id)
    view = job.read()
    with Live(screen_of(view), console=screen.talk, refresh_per_second=4, transient=True) as live:
        while running() and view.job.state == "running":
            time.sleep(_EVERY)
            view = job.read()
            live.update(screen_of(view))
    view = job.read()
    screen.talk.print(screen_of(view))
    return view


def _watch_plain(database: Engine, job_id: str, running: Callable[[], bool]) -> Overview:
    from rewardsmith.reporting.watching import WatchedJob

    printed: dict[str, str] = {}
    phase, spoke = "", time.monotonic()
    job = WatchedJob(database, job_id)
    while True:
        going = running()
        view = job.read()
        news = []
        if (now := _phase(view)) != phase:
            phase = now
            news.append(phase)
        for row in view.rows:
            line = plain_line(row, measure_of(view.job.spec))
            if printed.get(row.candidate) != line:
                printed[row.candidate] = line
                news.append(line + _pace(row))
        if not news and time.monotonic() - spoke >= _SILENCE:
            progress = f"still running: {view.costs['env_steps'] or 0:,} environment steps so far"
            news.append(view.waiting or progress)
        for line in news:
            spoke = time.monotonic()
            minutes, seconds = divmod(round(view.job.active_seconds or 0.0), 60)
            screen.say(f"{minutes:>3}:{seconds:02d}  {one_line(line)}")
        if not going or view.job.state != "running":
            return view
        time.sleep(_EVERY)


def _pace(row: Row) -> str:
    return f"  ({row.steps:,} steps, {row.speed:,.0f} steps/s)" if row.steps and row.speed else ""


def plain_line(row: Row, measure: Measure = SUCCESS) -> str:
    """Return one candidate's state in a line, without its step count, which changes all the time."""
    parts = [row.candidate, row.shown_state]
    if row.rung:
        parts.append(f"rung {row.rung}")
    if row.measured[0] is not None:
        parts.append(f"{measure.name} {measure.show(*row.measured)}")
    if row.note:
        parts.append(row.note)
    return "  ".join(parts)


def _phase(view: Overview) -> str:
    if view.job.state != "running":
        return view.job.state
    if view.confirm_total:
        return f"final evaluation on fresh seeds: {view.confirm_done} of {view.confirm_total} trials done"
    if not view.iteration:
        return "starting"
    return f"iteration {view.iteration} of {view.job.spec['iterations']}{f': {view.doing}' if view.doing else ''}"


def screen_of(view: Overview, verdict: str = "") -> Group:
    """Return a job's screen: its head, the verdict if there is one, the table of candidates, its note."""
    job = view.job
    designed = f"  designed by {job.spec['model']}" if job.spec.get("designs", True) else ""
    about = (
        f"{job.task}  {text.recipe_words(job.spec)}{designed}  {_phase(view)}  "
        f"{text.seconds(job.active_seconds)}{_budget(view)}{f'  {view.waiting}' if view.waiting else ''}"
    )
    head = screen.hanging(Text(f"job {job.id}  ", f"bold {screen.ACCENT}"), one_line(about))
    told = [Text(one_line(verdict), "bold")] if verdict else []
    return Group(head, *told, Text(), _candidates(view), Text(f"\n{indented(job.note)}" if job.note else ""))


def _budget(view: Overview) -> str:
    budget, costs = view.job.spec.get("budget") or {}, view.costs
    parts = []
    if (limit := budget.get("seconds")) is not None:
        parts.append(f"{text.seconds(max(0.0, limit - view.job.active_seconds))} left")
    if (limit := budget.get("env_steps")) is not None:
        parts.append(f"{max(0, limit - (costs['env_steps'] or 0)):,} steps left")
    if (limit := budget.get("calls")) is not None:
        parts.append(f"{max(0, limit - (costs['calls'] or 0))} calls left")
    if (limit := budget.get("dollars")) is not None:
        parts.append(f"${max(0.0, limit - (costs['dollars'] or 0.0)):.2f} left")
    return "".join(f", {part}" for part in parts)


def _candidates(view: Overview) -> Table:
    measure = measure_of(view.job.spec)
    columns = [
        ("candidate", "left"),
        ("move", "left"),
        ("state", "left"),
        ("predicted", "right"),
        ("rung", "right"),
        ("steps", "right"),
        (f"{measure.name} [95 %]", "right"),
        ("steps/s", "right"),
        ("note", "left"),
    ]
    # Speeds matter while trials run; afterwards their column takes room from the notes.
    running = view.job.state == "running"
    rows, styles = [], []
    for row in view.rows:
        styles.append(f"bold {screen.ACCENT}" if row.best else "dim" if row.state == "rejected" else "")
        cells = (
            row.candidate + (" *" if row.best else ""),
            row.move,
            row.shown_state,
            f"rank {row.predicted_rank}" if row.predicted_rank else "",
            row.rung,
            text.steps(row.steps),
            measure.show(*row.measured),
            f"{row.speed:,.0f}" if row.speed and running else "",
            one_line(row.note),
        )
        rows.append(cells)
    shown = screen.filled_table(None, columns, rows, styles)
    for column in shown.columns:
        # An interval on two lines is hard to read; a word of the other columns, too.
        column.no_wrap = column is not shown.columns[-1] or column.header != "note"
    return shown
