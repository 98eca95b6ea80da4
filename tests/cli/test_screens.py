"""Live and plain screens of simulated jobs."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from rewardsmith.cli import screen
from rewardsmith.cli.live import plain_line, screen_of
from rewardsmith.reporting import text
from rewardsmith.reporting.overview import Overview, Row
from rewardsmith.spec import JobSpec, with_defaults
from rewardsmith.storage.records import Job
from rewardsmith.storage.schema import now


def overview(**budget) -> Overview:
    spec = JobSpec.model_validate(with_defaults({"task": "CartPole-v1", "budget": budget}))
    job = Job(
        "abc123",
        "CartPole-v1",
        "free",
        "",
        spec.model_dump(mode="json"),
        "running",
        None,
        "abc123-1a",
        False,
        now(),
        None,
        65.0,
        "",
        False,
        0,
        None,
        None,
        None,
    )
    rows = [
        Row("abc123-sparse", 0, "baseline", "training", "", 4096, 0.015, 0.004, 0.05, 31000.0, "", False),
        Row("abc123-1a", 1, "new", "training", "2/3", 8192, 0.975, 0.943, 0.989, 22000.0, "", True, 7.5, 1),
        Row("abc123-1b", 1, "new", "rejected", "", 0, None, None, None, None, "failed check gate: line 2", False),
    ]
    costs = {"env_steps": 12288, "calls": 4, "dollars": 0.25}
    return Overview(job, rows, 1, 3, 0, 0, costs)


def rendered(view: Overview, width: int = 120) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(screen_of(view))
    return out.getvalue()


def test_live_screen_shows_progress_intervals_and_budget():
    shown = rendered(overview(seconds=600, env_steps=1_000_000, calls=10, dollars=1.0), 200)
    for words in (
        *("iteration 1 of 3", "2/3", "97.5 % [94.3, 98.9]", "22,000", "1 min 05 s", "8 min 55 s left"),
        *("rank 1", "987,712 steps left", "6 calls left", "$0.75 left", "failed check gate", "abc123-1a *"),
    ):
        assert words in shown, words


def test_no_line_is_wider_than_the_terminal():
    assert max(map(len, rendered(overview(), 100).splitlines())) <= 100


def test_plain_lines_are_one_line_each():
    for row in overview().rows:
        assert "\n" not in plain_line(row)
    assert plain_line(overview().rows[1]) == "abc123-1a  training  rung 2/3  success 97.5 % [94.3, 98.9]"


@pytest.mark.parametrize(
    "value, low, high, words",
    [(None, None, None, "-"), (0.5, None, None, "50.0 %"), (0.5, float("-inf"), float("inf"), "50.0 %")],
)
def test_unknown_values_are_not_shown_as_numbers(value, low, high, words):
    assert text.percent(value, low, high) == words


def test_sparklines_span_the_scale():
    assert text.sparkline([0.0, None, 1.0]) == "▁ █"


def test_columns_without_a_value_are_left_out():
    columns = [("name", "left"), ("a", "right"), ("b", "right"), ("note", "left")]
    shown = screen.filled_table(None, columns, [("x", "-", "", ""), ("y", "", "2", "")], ["bold", ""])
    assert [column.header for column in shown.columns] == ["name", "b"]
    assert screen.filled_table(None, columns, []).columns[0].header == "name"


def test_a_note_takes_the_width_that_other_columns_leave():
    long = "failed check battery: an exploit earns more than the solution on three of the four layouts"
    view = overview()
    rows = [replace(view.rows[0], note=long)]
    shown = rendered(replace(view, rows=rows, job=replace(view.job, state="done")), 180)
    assert long in shown and "steps/s" not in shown


def test_the_verdict_comes_before_the_candidates():
    out = io.StringIO()
    Console(file=out, width=120).print(screen_of(overview(), "verdict: better"))
    assert out.getvalue().index("verdict: better") < out.getvalue().index("abc123-sparse")
