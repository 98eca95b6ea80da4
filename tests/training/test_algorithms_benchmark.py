"""The benchmark of algorithms: its rewards run, its rows belong to settings, and its table names what was not run."""

from __future__ import annotations

import pytest

from benchmarks import algorithms
from benchmarks.algorithms import COMPARISONS, Comparison, reward_of, runs, table, written_file
from benchmarks.algorithms.__main__ import chosen
from benchmarks.algorithms.published import published
from benchmarks.algorithms.runs import Run
from rewardsmith.errors import UsageError
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.verification.checks import Proof, run_checks

TINY = {"learning_starts": 20, "hidden": [8], "eval_episodes": 10, "final_episodes": 10}
TRIED = Comparison("CartPole-v1", "dqn", 300, "CartPole-v1", TINY)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "ROWS", tmp_path / "algorithms.jsonl")
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    monkeypatch.setattr(table, "COMPARISONS", (TRIED,))
    monkeypatch.setattr(table, "families", tuple)
    return tmp_path


def test_a_row_is_trained_and_shown_and_the_others_are_listed(results):
    run = Run(TRIED, "written", 1)
    runs.append(runs.train(run, run.key, None))
    table.write_table()
    text = (results / "algorithms.md").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith("| CartPole-v1 | dqn | 300 | hand-written"))
    assert "| 1 | " in row and "the same" in row
    assert f"`{TRIED.command(('written',), [0, 2])}`" in text and f"`{TRIED.command(('own',), [0, 1, 2])}`" in text
    assert "500.0 ± 0.0 (CartPole-v1, 50k)" in text


def test_other_settings_or_steps_make_another_row():
    keys = {
        Run(c, "own", 0).key
        for c in (TRIED, Comparison("CartPole-v1", "dqn", 301, settings=TINY), Comparison("CartPole-v1", "dqn", 300))
    }
    assert len(keys) == 3
    assert Run(TRIED, "own", 0).key == Run(TRIED, "own", 0).key


@pytest.mark.parametrize(
    "name",
    [
        "Acrobot-v1",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in dict.fromkeys(c.task for c in COMPARISONS)
            if n != "Acrobot-v1"
        ),
    ],
)
def test_hand_written_rewards_pass_the_gate_and_run(name):
    task = get_task(name)
    reward = reward_of("written", task)
    assert "in the style of" in reward.source
    checked = run_checks(Problem(task, reward, 0.99), proof=Proof(wanted=False))
    assert [v for v in checked.verdicts if not v.passed and v.kind != "cost"] == []


def test_a_comparison_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="no comparison of Walker-v0"):
        chosen("Walker-v0", None)
    assert chosen(None, None) == list(COMPARISONS)


def test_results_that_nobody_published_are_not_found():
    assert published("sac", "") == "not found"


def test_each_hand_written_reward_belongs_to_a_comparison():
    files = set(algorithms.REWARDS.glob("*.py"))
    assert files == {written_file(c.task) for c in COMPARISONS}
