"""The programs in examples/ run as they stand, with smaller budgets."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
TINY: dict[str, Any] = {
    "samples": 1, "steps": 4096, "confirm": 1, "slots": 2, "training": {"eval_episodes": 10, "final_episodes": 20},
}  # fmt: skip


def run(name: str, **settings: Any) -> Any:
    """Call main() of an example."""
    return runpy.run_path(str(EXAMPLES / name))["main"](**settings)


def test_the_check_example_finds_and_fixes_an_exploit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found, fixed = run("check_a_reward.py", layouts=1)
    assert not found.passed and fixed.passed
    assert "FAILED" in capsys.readouterr().out and (tmp_path / "counterexamples.json").exists()


@pytest.mark.slow
@pytest.mark.integration
def test_the_design_example_designs_a_reward(tmp_path, capsys):
    result = run("design_a_reward.py", folder=str(tmp_path / "out"), home=tmp_path / "home", **TINY)
    assert result.state == "done" and (tmp_path / "out" / "reward.py").exists()
    assert "last evaluation" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.integration
def test_the_custom_task_example_trains(tmp_path, capsys):
    result = run("own_task/design.py", home=tmp_path / "home", **TINY)
    assert result.state == "done" and result.best is not None
    assert "job " in capsys.readouterr().out
